from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.split import Scheme, group_ids, make_split, parse_scheme, parts_of
from eyecli.errors import CheckError, DataError, UsageError

SCHEMES = ("holdout", "holdout:0.5", "holdout:.9", "kfold:2", "kfold:3", "kfold:4x3",
           "leave-one-group-out")  # fmt: skip


@st.composite
def people(draw: st.DrawFn, least: int = 4, most: int = 12) -> list[str]:
    """Group of every sample, in any order; sizes differ much."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=least, max_size=most))
    groups = [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]
    return draw(st.permutations(groups)) if len(groups) < 60 else groups


@settings(deadline=None)
@given(people(), st.sampled_from(SCHEMES), st.integers(0, 9), st.booleans())
def test_every_group_is_in_exactly_one_part(
    groups: list[str], scheme: str, seed: int, stratify: bool
) -> None:
    strata = [f"c{len(g) + ord(g[-1]) % 3}" for g in groups] if stratify else None
    split = make_split(groups, scheme, seed, strata)
    assert split.groups == sorted(set(groups))
    for partition in split.partitions:
        part = parts_of(split, partition, groups)
        assert set(part) == {"train", "val", "test"}, "no part is empty"
        owner: dict[str, str] = {}
        for group, name in zip(groups, part, strict=True):
            assert owner.setdefault(group, name) == name, "a group is on two sides"


@settings(deadline=None)
@given(people(), st.sampled_from(("kfold:2", "kfold:3x2", "kfold:4x3", "leave-one-group-out")))
def test_every_group_is_tested_once_a_repeat(groups: list[str], scheme: str) -> None:
    split = make_split(groups, scheme, 0)
    plan = parse_scheme(scheme)
    folds = plan.folds or len(set(groups))
    assert [(p.repeat, p.fold) for p in split.partitions] == [
        (repeat, fold) for repeat in range(plan.repeats) for fold in range(folds)
    ]
    for repeat in range(plan.repeats):
        tested = [g for p in split.partitions if p.repeat == repeat for g in p.test]
        assert sorted(tested) == split.groups


@settings(deadline=None)
@given(people(), st.sampled_from(SCHEMES), st.randoms(use_true_random=False))
def test_the_order_of_the_samples_changes_nothing(
    groups: list[str], scheme: str, random: Random
) -> None:
    shuffled = list(groups)
    random.shuffle(shuffled)
    assert make_split(groups, scheme, 3) == make_split(shuffled, scheme, 3)
    classes, others = ([f"c{ord(g[-1]) % 2}" for g in order] for order in (groups, shuffled))
    assert make_split(groups, scheme, 3, classes) == make_split(shuffled, scheme, 3, others)


@settings(deadline=None)
@given(st.lists(st.integers(20, 60), min_size=12, max_size=20, unique=True))
def test_the_seed_decides(sizes: list[int]) -> None:
    """Sizes that all differ must not decide in its place."""
    groups = [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]
    for scheme in ("holdout", "kfold:3"):
        splits = [make_split(groups, scheme, seed) for seed in range(4)]
        assert make_split(groups, scheme, 0) == splits[0]
        assert len({str([p.test for p in s.partitions]) for s in splits}) > 1


@settings(deadline=None)
@given(st.lists(st.integers(20, 60), min_size=12, max_size=20, unique=True))
def test_repeats_are_drawn_anew(sizes: list[int]) -> None:
    groups = [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]
    split = make_split(groups, "kfold:3x4", 0)
    folds = {frozenset(tuple(p.test) for p in split.partitions if p.repeat == r) for r in range(4)}
    assert len(folds) > 1


@settings(deadline=None)
@given(people(8, 20), st.integers(2, 4), st.integers(0, 3))
def test_folds_are_balanced(groups: list[str], folds: int, seed: int) -> None:
    """Greedy dealing: no two folds differ by more than the largest group."""
    sizes = Counter(groups)
    split = make_split(groups, f"kfold:{folds}", seed)
    tested = [sum(sizes[g] for g in p.test) for p in split.partitions]
    # kfold:2 may have to give a group away, so that both sides have two.
    assert max(tested) - min(tested) <= max(sizes.values()) * (2 if folds == 2 else 1)


@settings(deadline=None)
@given(people(10, 25), st.sampled_from((0.1, 0.2, 0.3, 0.5)), st.integers(0, 3))
def test_a_holdout_is_near_the_share_asked_for(groups: list[str], share: float, seed: int) -> None:
    sizes = Counter(groups)
    (partition,) = make_split(groups, f"holdout:{share}", seed).partitions
    held = sum(sizes[g] for g in partition.test)
    assert abs(held - share * len(groups)) <= max(sizes.values())


def test_a_large_group_does_not_become_the_test_part() -> None:
    groups = ["large"] * 100 + [f"s{i}" for i in range(100)]
    for seed in range(5):
        (partition,) = make_split(groups, "holdout", seed).partitions
        assert "large" not in {*partition.test, *partition.val}
        assert len(partition.test) == 40 and 14 <= len(partition.val) <= 18


@settings(deadline=None)
@given(st.lists(st.integers(3, 12), min_size=2, max_size=4), st.integers(2, 3), st.integers(0, 5))
def test_strata_are_dealt_evenly(classes: list[int], folds: int, seed: int) -> None:
    """With groups of one size every fold has each class's share to within one group."""
    strata_of = {f"{c}-{i}": f"c{c}" for c, n in enumerate(classes) for i in range(n)}
    groups = [g for g in strata_of for _ in range(3)]
    split = make_split(groups, f"kfold:{folds}", seed, [strata_of[g] for g in groups])
    for c, n in enumerate(classes):
        counts = [sum(strata_of[g] == f"c{c}" for g in p.test) for p in split.partitions]
        assert sum(counts) == n and max(counts) - min(counts) <= 1


def test_many_small_classes_still_give_the_share_asked_for() -> None:
    groups = [f"{c}{i}" for c in "abcdefghij" for i in range(2)]
    (partition,) = make_split(groups, "holdout:0.2", 0, [g[0] for g in groups]).partitions
    assert len(partition.test) == 4 == len({g[0] for g in partition.test})


def test_a_group_of_two_classes_is_of_the_more_frequent() -> None:
    groups = [g for g in "abcdefgh" for _ in range(3)]
    mostly = ["x", "x", "y"] * 4 + ["y", "y", "x"] * 4
    clear = ["x"] * 12 + ["y"] * 12
    assert make_split(groups, "kfold:4", 1, mostly) == make_split(groups, "kfold:4", 1, clear)


@pytest.mark.parametrize(
    ("scheme", "enough"),
    [("holdout", 3), ("kfold:2", 4), ("kfold:3", 3), ("kfold:7", 7), ("leave-one-group-out", 3)],
)
def test_too_few_groups_are_refused(scheme: str, enough: int) -> None:
    groups = [f"s{i}" for i in range(enough)]
    make_split(groups, scheme, 0)
    with pytest.raises(DataError, match=f"at least {enough} groups, there are {enough - 1}"):
        make_split(groups[1:], scheme, 0)
    with pytest.raises(DataError, match="one subject only cannot be split"):
        make_split(["s0"] * 50, scheme, 0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="--seed -1"):
        make_split(list("abcde"), "holdout", -1)


def test_groups_that_are_not_of_the_split_are_refused() -> None:
    split = make_split(list("abcde"), "holdout", 0)
    with pytest.raises(DataError, match="1 groups are not in the split"):
        parts_of(split, split.partitions[0], ["a", "z"])


def test_groups_are_subjects_or_samples() -> None:
    samples, subjects = ["i1", "i2", "i3"], ["a", "a", "b"]
    assert group_ids(samples, subjects, "subject") == subjects
    assert group_ids(samples, subjects, "none") == samples
    assert group_ids(samples, ["", "a", ""], "none") == samples
    with pytest.raises(CheckError, match="2 of 3 samples have no subject"):
        group_ids(samples, ["", "a", ""], "subject")


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("holdout", Scheme("holdout", test=0.2)),
        ("holdout:0.35", Scheme("holdout", test=0.35)),
        ("holdout:.1", Scheme("holdout", test=0.1)),
        ("kfold:5", Scheme("kfold", 5, 1)),
        ("kfold:10x3", Scheme("kfold", 10, 3)),
        ("leave-one-group-out", Scheme("leave-one-group-out", 0)),
    ],
)
def test_schemes_are_read(text: str, scheme: Scheme) -> None:
    assert parse_scheme(text) == scheme


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=20),
        st.from_regex(r"(holdout|kfold|leave-one-group-out):?[-+0-9x.e]{0,30}", fullmatch=True),
        st.builds(lambda n: "kfold:" + "9" * n, st.integers(1, 6000)),
        st.builds(lambda n: "holdout:0." + "9" * n, st.integers(1, 60)),
    )
)
def test_any_other_text_is_a_usage_error(text: str) -> None:
    try:
        plan = parse_scheme(text)
    except UsageError:
        return
    assert plan.kind in text and plan.repeats >= 1 and 0 < plan.test < 1
    assert plan.folds >= 2 if plan.kind == "kfold" else plan.folds in (0, 1)


def test_a_large_group_of_another_class_does_not_claim_a_fold() -> None:
    classes = {"large": "x"} | {f"b{i}": "y" for i in range(10)}
    groups = ["large"] * 30 + [f"b{i}" for i in range(10) for _ in range(3)]
    split = make_split(groups, "kfold:2", 0, [classes[g] for g in groups])
    for partition in split.partitions:
        assert sum(classes[g] == "y" for g in partition.test) >= 2


@settings(deadline=None)
@given(
    st.lists(st.integers(5, 60), min_size=1, max_size=5),
    st.sampled_from(("holdout", "holdout:0.3", "kfold:5")),
    st.integers(0, 5),
)
def test_every_part_has_its_share_of_each_class(counts: list[int], scheme: str, seed: int) -> None:
    strata = [f"c{label}" for label, count in enumerate(counts) for _ in range(count)]
    groups = [f"s{i}" for i in range(len(strata))]
    split = make_split(groups, scheme, seed, strata)
    for partition in split.partitions:
        part = parts_of(split, partition, groups)
        size = Counter(part)
        for label, count in Counter(strata).items():
            got = Counter(name for name, c in zip(part, strata, strict=True) if c == label)
            for name in ("train", "val", "test"):
                # Whole groups, and what the parts of earlier classes had too much.
                assert abs(got[name] - count * size[name] / len(groups)) <= 2.5, (label, name)
