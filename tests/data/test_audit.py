from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.audit import Leak, find_leaks, identical_pairs, refuse_leaks, shared_groups
from eyecli.data.plan import SplitSettings, plan_split
from eyecli.data.split import Partition, Split, make_split
from eyecli.errors import CheckError, UsageError

PEOPLE = ["ann", "ann", "bob", "bob", "cho", "cho", "dee", "dee", "eli", "eli"]
SAMPLES = [f"i{i}" for i in range(len(PEOPLE))]
# Two files a sample, all different.
CLEAN = [[f"l{i}", f"r{i}"] for i in range(len(PEOPLE))]


def copied(source: int, *targets: int) -> list[list[str]]:
    """Digests where samples hold the left eye of another."""
    digests = [list(files) for files in CLEAN]
    for target in targets:
        digests[target][0] = digests[source][0]
    return digests


def parts_differ(split: Split, first: str, second: str) -> bool:
    def side(partition: Partition, group: str) -> str:
        return "test" if group in partition.test else "val" if group in partition.val else "train"

    return any(side(p, first) != side(p, second) for p in split.partitions)


@settings(deadline=None)
@given(
    st.integers(0, 9), st.integers(0, 9), st.sampled_from(("holdout", "kfold:3", "kfold:5")),
    st.integers(0, 5), st.booleans(), st.booleans(),
)  # fmt: skip
def test_a_copy_is_found_wherever_a_partition_divides_it(
    a: int, b: int, scheme: str, seed: int, other_eye: bool, by_sample: bool
) -> None:
    groups = SAMPLES if by_sample else PEOPLE
    split = make_split(groups, scheme, seed)
    digests = [list(files) for files in CLEAN]
    digests[b][other_eye] = digests[a][0]
    found = find_leaks(SAMPLES, groups, digests, split)
    divided = a != b and parts_differ(split, groups[a], groups[b])
    first, second = sorted((a, b))
    expected = [Leak(SAMPLES[first], SAMPLES[second], "identical file")] if divided else []
    assert found == expected


@settings(deadline=None)
@given(st.sets(st.integers(0, 9), min_size=2), st.integers(0, 3))
def test_of_many_copies_at_least_one_divided_pair_is_found(copies: set[int], seed: int) -> None:
    split = make_split(SAMPLES, "holdout", seed)
    source, *targets = sorted(copies)
    found = find_leaks(SAMPLES, SAMPLES, copied(source, *targets), split)
    divided = any(parts_differ(split, SAMPLES[source], SAMPLES[t]) for t in targets)
    assert bool(found) == divided and len(found) <= len(targets)


def test_copies_are_paired_with_the_first_and_counted_once() -> None:
    digests = [["a"], ["b", "b"], ["a"], ["b"], ["a"]]
    assert list(identical_pairs(list("vwxyz"), digests)) == [(0, 2), (1, 3), (0, 4)]
    split = make_split(SAMPLES, "leave-one-group-out", 0)
    both_eyes = [CLEAN[0], *CLEAN[:1], *CLEAN[2:]]
    assert find_leaks(SAMPLES, SAMPLES, both_eyes, split) == [Leak("i0", "i1", "identical file")]


def test_copies_within_a_person_are_no_leak() -> None:
    split = make_split(PEOPLE, "leave-one-group-out", 0)
    assert find_leaks(SAMPLES, PEOPLE, copied(0, 1), split) == []
    assert find_leaks(SAMPLES, PEOPLE, copied(0, 2), split) != []


def test_groups_on_two_sides_are_named() -> None:
    groups = ["ann", "bob", "cho"]
    both = Split("holdout", 0, groups, [Partition(0, 0, ["ann"], ["ann"])])
    strange = Split("holdout", 0, groups, [Partition(0, 0, ["zoe"], ["bob"])])
    clean = Split("holdout", 0, groups, [Partition(0, 0, ["ann"], ["bob"])])
    assert shared_groups(both) == ["ann"]
    assert shared_groups(strange) == ["zoe"]
    assert shared_groups(clean) == []
    assert find_leaks(groups, groups, [[], [], []], both) == [
        Leak("ann", "ann", "group in two parts")
    ]


def test_a_leak_stops_the_command_and_names_the_first_pairs() -> None:
    refuse_leaks([])
    leaks = [Leak(f"a{i}", f"b{i}", "identical file") for i in range(7)]
    with pytest.raises(CheckError) as caught:
        refuse_leaks(leaks)
    assert caught.value.exit_code == 4
    assert "7 leaks" in caught.value.message and "a4 ~ b4" in caught.value.message
    assert "a5" not in caught.value.message and "and 2 more" in caught.value.message
    assert "--unsafe-split" in str(caught.value.hint)


def test_a_clean_split_by_subject_is_subject_independent() -> None:
    split = plan_split(SAMPLES, PEOPLE, CLEAN, SplitSettings("kfold:5"))
    assert (split.subject_independent, split.reason, split.group_by) == (True, None, "subject")
    assert split.groups == ["ann", "bob", "cho", "dee", "eli"]


def test_a_leak_is_refused_unless_a_reason_is_given() -> None:
    digests = copied(0, 2)
    with pytest.raises(CheckError, match="i0 ~ i2"):
        plan_split(SAMPLES, PEOPLE, digests, SplitSettings("kfold:5"))
    for reason in ("", " \n"):
        with pytest.raises(UsageError, match="needs a reason"):
            SplitSettings("kfold:5", unsafe_split=reason)
    settings = SplitSettings("kfold:5", unsafe_split="same lamp\nin all photos")
    split = plan_split(SAMPLES, PEOPLE, digests, settings)
    assert split.subject_independent is False
    assert split.reason == "1 leaks accepted: same lamp in all photos", "one line, for line 1"


def test_a_reason_without_a_leak_changes_nothing() -> None:
    split = plan_split(SAMPLES, PEOPLE, CLEAN, SplitSettings("kfold:5", unsafe_split="just so"))
    assert (split.subject_independent, split.reason) == (True, None)


def test_without_groups_nothing_is_subject_independent() -> None:
    settings = SplitSettings("kfold:5", group="none")
    split = plan_split(SAMPLES, [""] * 10, CLEAN, settings)
    assert split.groups == SAMPLES and split.group_by == "none"
    assert split.subject_independent is False and "--group none" in str(split.reason)
    with pytest.raises(CheckError, match="no subject"):
        plan_split(SAMPLES, ["", *PEOPLE[1:]], CLEAN, SplitSettings("kfold:5"))
    with pytest.raises(CheckError, match="i0 ~ i1"):
        plan_split(SAMPLES, PEOPLE, copied(0, 1), SplitSettings("leave-one-group-out", "none"))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6),
    st.sampled_from(("holdout", "kfold:5")), st.integers(0, 5),
)  # fmt: skip
def test_near_duplicates_of_two_people_are_leaks(
    pairs: list[tuple[int, int]], scheme: str, seed: int
) -> None:
    split = make_split(PEOPLE, scheme, seed)
    found = find_leaks(SAMPLES, PEOPLE, CLEAN, split, pairs)
    divided = {
        (min(pair), max(pair)) for pair in pairs if parts_differ(split, *(PEOPLE[i] for i in pair))
    }
    assert {(leak.first, leak.second) for leak in found} == {
        (SAMPLES[a], SAMPLES[b]) for a, b in divided
    }
    assert len(found) == len(divided) and {leak.why for leak in found} <= {"near-duplicate"}


def test_a_copy_is_named_once_as_what_it_is() -> None:
    split = make_split(PEOPLE, "leave-one-group-out", 0)
    assert find_leaks(SAMPLES, PEOPLE, copied(0, 2), split, [(2, 0)]) == [
        Leak("i0", "i2", "identical file")
    ]


def test_between_single_samples_near_duplicates_are_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pairs = [(0, 1), (2, 3)]
    with pytest.raises(CheckError, match=r"1 leaks .*i1 ~ i2 \(near-duplicate\)"):
        plan_split(SAMPLES, PEOPLE, CLEAN, SplitSettings("kfold:5"), [*pairs, (1, 2)])
    settings = SplitSettings("leave-one-group-out", "none")
    assert plan_split(SAMPLES, PEOPLE, CLEAN, settings, pairs).reason == (
        "--group none: no subjects are kept apart; 2 pairs of near-duplicates in different parts"
    )
    assert "2 pairs of near-duplicates lie in different parts" in caplog.text
    assert "split: i0 ~ i1; i2 ~ i3" in caplog.text


def test_the_reason_for_no_groups_is_repeated() -> None:
    settings = SplitSettings("kfold:5", "none", unsafe_split="one phone for all")
    assert plan_split(SAMPLES, PEOPLE, CLEAN, settings).reason == (
        "--group none: one phone for all"
    )


def test_a_synthetic_sample_goes_with_its_source() -> None:
    parents = [""] * 10
    parents[3] = "i0"
    with pytest.raises(CheckError, match=r"1 leaks .*i0 ~ i3 \(made from the other\)"):
        plan_split(SAMPLES, PEOPLE, CLEAN, SplitSettings("kfold:5"), parents=parents)
    parents[3], parents[1] = "elsewhere", "i0"
    split = plan_split(SAMPLES, PEOPLE, CLEAN, SplitSettings("kfold:5"), parents=parents)
    assert split.subject_independent
    by_sample = SplitSettings("leave-one-group-out", "none")
    with pytest.raises(CheckError, match="i0 ~ i1"):
        plan_split(SAMPLES, PEOPLE, CLEAN, by_sample, parents=parents)
