"""Splits for data that have grown: what was held out once is held out for good."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.extend import Earlier, extend_split, recognise_groups
from eyecli.data.published import published_split
from eyecli.data.split import PARTS, Partition, Split, make_split, parts_of
from eyecli.errors import CheckError, DataError, UsageError

SCHEMES = ("holdout", "holdout:0.5", "kfold:2", "kfold:3", "kfold:4x3", "leave-one-group-out")
Sizes = dict[str, int]

sizes_of = st.lists(st.integers(1, 40), min_size=4, max_size=12)


def rows(sizes: Sizes) -> list[str]:
    return [group for group, size in sizes.items() for _ in range(size)]


def named(prefix: str, sizes: list[int]) -> Sizes:
    return {f"{prefix}{i}": size for i, size in enumerate(sizes)}


def same_names(split: Split, groups: list[str]) -> dict[str, str]:
    return {group: group for group in set(groups) & set(split.groups)}


def extended(split: Split, groups: list[str], seed: int = 0) -> Split:
    return extend_split(split, same_names(split, groups), groups, seed)


def places(split: Split, partition: Partition) -> dict[str, str]:
    return dict(zip(split.groups, parts_of(split, partition, split.groups), strict=True))


@settings(deadline=None)
@given(
    sizes_of, st.lists(st.integers(1, 40), max_size=9), st.sampled_from(SCHEMES), st.integers(0, 3),
    st.booleans(),
)  # fmt: skip
def test_growth_moves_no_earlier_group(
    before: list[int], new: list[int], scheme: str, seed: int, stratify: bool
) -> None:
    """Samples may be added to earlier groups, too."""
    old = rows(named("s", before))
    classes = {f"{p}{i}": f"c{i % 3}" for p in "sn" for i in range(12)} if stratify else None
    split = make_split(old, scheme, 1, [classes[g] for g in old] if classes else None)
    now = old + rows(named("n", new)) + ["s0"] * 30
    strata = [classes[g] for g in now] if classes else None
    grown = extend_split(split, same_names(split, now), now, seed, strata)
    assert (grown.scheme, grown.seed, grown.groups) == (scheme, seed, sorted(set(now)))
    own = scheme == "leave-one-group-out"
    assert len(grown.partitions) == len(split.partitions) + (len(new) if own else 0)
    later = {(p.repeat, p.fold): p for p in grown.partitions}
    for partition in split.partitions:
        then, again = (
            places(split, partition),
            places(grown, later[partition.repeat, partition.fold]),
        )
        assert {group: again[group] for group in then} == then
    for partition in grown.partitions:
        assert set(partition.test).isdisjoint(partition.val)
        assert set(places(grown, partition).values()) == set(PARTS), "no part is empty"


@settings(deadline=None)
@given(sizes_of, sizes_of, st.sampled_from(("kfold:2", "kfold:3x2", "leave-one-group-out")))
def test_every_group_is_still_tested_once_a_repeat(
    before: list[int], new: list[int], scheme: str
) -> None:
    split = make_split(rows(named("s", before)), scheme, 0)
    grown = extended(split, rows(named("s", before) | named("n", new)))
    for repeat in {p.repeat for p in grown.partitions}:
        tested = [g for p in grown.partitions if p.repeat == repeat for g in p.test]
        assert sorted(tested) == grown.groups


@settings(deadline=None)
@given(
    sizes_of, st.lists(st.integers(1, 40), max_size=5), st.sampled_from(SCHEMES), st.data(),
)  # fmt: skip
def test_vanished_groups_are_dropped_and_no_other_is_tested(
    before: list[int], new: list[int], scheme: str, data: st.DataObject
) -> None:
    old = named("s", before)
    split = make_split(rows(old), scheme, 0)
    gone = data.draw(st.sets(st.sampled_from(sorted(old)), min_size=1, max_size=len(old) - 1))
    left = {group: size for group, size in old.items() if group not in gone}
    now = rows(left | named("n", new))
    try:
        grown = extended(split, now)
    except DataError as error:
        assert "left" in error.message
        return
    assert grown.groups == sorted(set(now))
    first = {(p.repeat, p.fold): p for p in split.partitions}
    for partition in grown.partitions:
        assert set(places(grown, partition).values()) == set(PARTS)
        before_it = first.get((partition.repeat, partition.fold))
        if before_it is None:
            continue
        then, again = places(split, before_it), places(grown, partition)
        for group in left:
            # Only where validation would be empty does train give something away.
            if (then[group], again[group]) == ("train", "val"):
                assert set(before_it.val) <= gone and set(partition.val) <= set(left)
            else:
                assert again[group] == then[group]


def test_one_who_withdraws_costs_a_fold_its_only_validation_group(
    caplog: pytest.LogCaptureFixture,
) -> None:
    split = Split("holdout", 0, list("abcdef"), [Partition(0, 0, ["a"], ["b"])])
    with caplog.at_level(logging.INFO, "eyecli"):
        grown = extended(split, list("acdef"))
    assert grown.partitions[0].test == ["a"] and len(grown.partitions[0].val) == 1
    assert "5 groups stay, 0 are new, 1 are no longer there" in caplog.text
    assert "take their place" in caplog.text
    assert extended(split, list("acdefz")).partitions[0].val == ["z"], "a new group comes first"


def test_a_fold_without_test_groups_is_dropped_and_said(caplog: pytest.LogCaptureFixture) -> None:
    split = make_split(list("abcde"), "leave-one-group-out", 0)
    lost = split.partitions[2].test[0]
    grown = extended(split, [g for g in "abcde" if g != lost])
    assert [p.fold for p in grown.partitions] == [0, 1, 3, 4]
    assert "fold 2 is dropped" in caplog.text
    holdout = Split("holdout", 0, list("abcd"), [Partition(0, 0, ["a"], ["b"])])
    with pytest.raises(DataError, match="no test group is left"):
        extended(holdout, list("bcd"))
    assert extended(holdout, list("bcdz")).partitions[0].test == ["z"]
    with pytest.raises(DataError, match="fold 0 has no train group left"):
        extended(holdout, list("ab"))


@settings(deadline=None)
@given(st.integers(20, 60), st.integers(20, 60), st.sampled_from((0.2, 0.5)), st.integers(0, 3))
def test_new_groups_go_where_most_is_lacking(
    before: int, new: int, share: float, seed: int
) -> None:
    split = make_split([f"s{i}" for i in range(before)], f"holdout:{share}", 0)
    now = [*split.groups, *(f"n{i}" for i in range(new))]
    (partition,) = extended(split, now, seed).partitions
    assert abs(len(partition.test) - share * len(now)) <= 1
    assert abs(len(partition.val) - 0.1 * (len(now) - len(partition.test))) <= 1.5


def test_a_test_part_that_is_too_small_gets_all_that_is_new() -> None:
    split = Split("holdout:0.5", 0, list("abcdef"), [Partition(0, 0, ["a"], ["b"])])
    (partition,) = extended(split, list("abcdefxyz")).partitions
    assert partition.test == ["a", "x", "y", "z"]


def test_a_published_split_keeps_its_own_shares() -> None:
    units = [f"s{i}" for i in range(40)]
    parts = ["test"] * 20 + ["val"] * 10 + ["train"] * 10
    split = published_split(units, units, parts, "set", 0)
    (partition,) = extended(split, units + [f"n{i}" for i in range(40)]).partitions
    assert (len(partition.test), len(partition.val)) == (40, 20)


@settings(deadline=None)
@given(sizes_of, sizes_of, st.sampled_from(SCHEMES))
def test_growing_in_two_steps_keeps_both(before: list[int], new: list[int], scheme: str) -> None:
    first, then = named("s", before), named("s", before) | named("n", new)
    once = extended(make_split(rows(first), scheme, 0), rows(then))
    assert extended(once, rows(then)).partitions == once.partitions, "nothing new, nothing moves"
    twice = extended(once, rows(then | {"z": 4}), seed=5)
    later = {(p.repeat, p.fold): places(twice, p) for p in twice.partitions}
    for partition in once.partitions:
        again = later[partition.repeat, partition.fold]
        assert places(once, partition) == {g: again[g] for g in once.groups}


def test_the_order_of_samples_changes_nothing_and_the_seed_does() -> None:
    split = make_split([f"s{i}" for i in range(20)], "kfold:4", 0)
    now = [*split.groups, *(f"n{i}" for i in range(20))]
    assert extended(split, now) == extended(split, now[::-1])
    assert extended(split, now, 1).partitions != extended(split, now).partitions
    with pytest.raises(UsageError, match="negative"):
        extended(split, now, -1)


# --- which group is which -------------------------------------------------------------------------


def earlier(split: Split, files: dict[str, set[str]]) -> Earlier:
    return Earlier("split/gaze@v1", split, lambda: files)


HOLDOUT = Split("holdout", 0, ["1", "2", "3", "4"], [Partition(0, 0, ["1"], ["2"])])


def test_subjects_are_known_by_name() -> None:
    grown = earlier(HOLDOUT, {})
    assert recognise_groups(grown, ["1", "2", "3", "4", "5"], [["f"]] * 5) == {
        name: name for name in "1234"
    }
    assert recognise_groups(grown, ["1", "3"], [["f"]] * 2) == {"1": "1", "3": "3"}


def test_names_that_changed_hands_are_refused_with_counts() -> None:
    """1 was tested, 3 trained on: a swap would train on the faces that were held out."""
    files = {f"f{i}": {str(i)} for i in range(1, 5)}
    swapped = [["f3"], ["f2"], ["f1", "new"], ["f4"]]
    with pytest.raises(CheckError, match=r"^2 groups have files that another .* in another part"):
        recognise_groups(earlier(HOLDOUT, files), list("1234"), swapped)
    within_train = [["f1"], ["f2"], ["f4"], ["f3"]]
    assert len(recognise_groups(earlier(HOLDOUT, files), list("1234"), within_train)) == 4
    copied = [["f1"], ["f2"], ["f3", "f1"], ["f4"]]
    assert len(recognise_groups(earlier(HOLDOUT, files), list("1234"), copied)) == 4


def test_a_new_spelling_of_an_earlier_name_is_refused() -> None:
    split = Split("holdout", 0, ["s01", "s02", "s03"], [Partition(0, 0, ["s01"], ["s02"])])
    with pytest.raises(CheckError, match=r"^1 new groups are spelt like earlier ones"):
        recognise_groups(earlier(split, {}), ["S1", "s02", "s03"], [["x"], ["y"], ["z"]])
    known = recognise_groups(
        earlier(split, {"x": {"s01"}}), ["S1", "s02", "s03"], [["x"], ["y"], ["z"]]
    )
    assert known["S1"] == "s01", "its files say who it is"


def test_subjects_with_a_prefix_are_known_by_their_files() -> None:
    files = {f"f{i}": {str(i)} for i in range(1, 5)}
    groups = ["a/1", "a/1", "a/2", "b/1", "b/7"]
    digests = [["f1"], ["new"], ["x", "f2"], ["other"], ["another"]]
    known = recognise_groups(earlier(HOLDOUT, files), groups, digests)
    assert known == {"a/1": "1", "a/2": "2"}, "the other people's 1 is new"
    grown = extend_split(HOLDOUT, known, groups, 0)
    assert "a/1" in grown.partitions[0].test and "a/2" in grown.partitions[0].val


def test_a_copy_of_somebody_who_is_still_there_does_not_make_two_one() -> None:
    files = {"f1": {"1"}, "f4": {"4"}}
    known = recognise_groups(earlier(HOLDOUT, files), ["1", "2", "3", "5"], [["f1"]] * 4)
    assert "5" not in known


def test_groups_of_different_parts_are_not_united() -> None:
    files = {"f1": {"1"}, "f2": {"2"}, "f3": {"3"}, "f4": {"4"}}
    assert recognise_groups(earlier(HOLDOUT, files), ["x", "x"], [["f3"], ["f4"]]) == {"x": "3"}
    with pytest.raises(CheckError, match=r"^1 groups have files .* different parts"):
        recognise_groups(earlier(HOLDOUT, files), ["x", "x"], [["f1"], ["f4"]])


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=4, max_size=20, unique=True), st.data())
def test_rows_that_moved_are_known_by_their_files(content: list[int], data: st.DataObject) -> None:
    """Without groups the ids are those of rows; a row inserted above must not exchange parts."""
    split = make_split([f"row{n}" for n in range(len(content))], "holdout:0.5", 0)
    split = Split(split.scheme, 0, split.groups, split.partitions, "none", False, "no ids")
    files = {f"f{c}": {f"row{n}"} for n, c in enumerate(content)}
    added = data.draw(st.lists(st.integers(31, 60), max_size=5, unique=True))
    now = data.draw(st.permutations(content + added))
    groups, digests = [f"row{n}" for n in range(len(now))], [[f"f{c}"] for c in now]
    known = recognise_groups(earlier(split, files), groups, digests)
    grown = extend_split(split, known, groups, 0)
    then = {c: places(split, split.partitions[0])[f"row{n}"] for n, c in enumerate(content)}
    again = {c: places(grown, grown.partitions[0])[f"row{n}"] for n, c in enumerate(now)}
    assert {c: again[c] for c in content} == then
