"""Splits that came with the data: read, audited, and never trusted with a straddling person."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.plan import SplitSettings, plan_split
from eyecli.data.published import published_split, read_parts, straddling
from eyecli.data.split import PARTS, parts_of
from eyecli.errors import CheckError, DataError, UsageError

COLUMN = SplitSettings(split_column="set")
ACCEPTED = SplitSettings(split_column="set", unsafe_split="as published")
# Person and part of every sample.
People = list[tuple[str, str]]

people = st.lists(
    st.tuples(st.sampled_from([f"s{i}" for i in range(12)]), st.sampled_from(PARTS)),
    min_size=1, max_size=60,
)  # fmt: skip


def plan(settings: SplitSettings, rows: People, **more: object):  # type: ignore[no-untyped-def]
    samples = [f"i{n}" for n in range(len(rows))]
    digests = [[f"f{n}"] for n in range(len(rows))]
    subjects, values = [person for person, _ in rows], [part for _, part in rows]
    return plan_split(samples, subjects, digests, settings, published=values, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (["train", "Training", " TRAIN "], ["train"] * 3),
        (["val", "valid", "validation", "dev", "Dev"], ["val"] * 5),
        (["test", "Testing"], ["test"] * 2),
        (["0", "1", " 2", "02"], ["0", "1", "2", "2"]),
    ],
)
def test_spellings(values: list[str], parts: list[str]) -> None:
    assert read_parts([f"i{n}" for n in range(len(values))], values, "set") == (parts, [])


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_every_other_value_is_named_with_its_sample(values: list[str]) -> None:
    samples = [f"row{n}" for n in range(len(values) + 2)]
    parts, problems = read_parts(samples, ["train", "train", *values], "set")
    known = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
    bad = [n for n, value in enumerate(values, 2) if value.strip().casefold() not in known]
    if any(value.strip().isdigit() for value in values):
        return
    assert [problem.split(":")[0] for problem in problems] == [f"row{n}" for n in bad]
    assert bool(parts) != bool(problems)


def test_what_is_missing_is_said() -> None:
    _, problems = read_parts(["row2", "row3", "row4"], ["train", "", "fold"], "set")
    assert problems == [
        "row3: --split-column set: nothing is none of train, val, test",
        "row4: --split-column set: 'fold' is none of train, val, test",
    ]
    _, problems = read_parts(["row2", "row3", "row4"], ["0", "1", "1.0"], "set")
    assert problems == ["row4: --split-column set: '1.0' is no fold number"]


@settings(deadline=None)
@given(people)
def test_a_straddling_person_is_always_refused(rows: People) -> None:
    across = {a for a, p in rows for b, q in rows if a == b and p != q}
    pairs = straddling([a for a, _ in rows], [p for _, p in rows])
    assert sorted(rows[a][0] for a, _ in pairs) == sorted(across)
    assert all(rows[a][0] == rows[b][0] and rows[a][1] != rows[b][1] for a, b in pairs)
    if across:
        with pytest.raises(CheckError, match=f"^{len(across)} subjects in two parts") as caught:
            plan(COLUMN, rows)
        assert caught.value.exit_code == 4 and re.search(r": i\d+ ~ i\d+", caught.value.message)
        assert not re.search(r"\bs\d", caught.value.message), "people are not named"
        return
    try:
        split = plan(COLUMN, rows)
    except DataError:
        counts = Counter(part for _, part in dict(rows).items())
        assert not (counts["train"] >= 2 and counts["test"])
        return
    assert (split.group_by, split.subject_independent, split.scheme) == (
        "subject", True, "column:set",
    )  # fmt: skip
    part = parts_of(split, split.partitions[0], [person for person, _ in rows]).tolist()
    if "val" in [p for _, p in rows]:
        assert part == [p for _, p in rows], "as published, to the sample"
    else:
        assert [p == "test" for p in part] == [p == "test" for _, p in rows]
        assert set(part) == set(PARTS)


@settings(deadline=None)
@given(people)
def test_accepted_with_a_reason_it_is_split_by_sample_and_marked(rows: People) -> None:
    across = straddling([a for a, _ in rows], [p for _, p in rows])
    try:
        split = plan(ACCEPTED, rows)
    except DataError:
        return
    assert split.subject_independent == (not across)
    if not across:
        return
    assert split.group_by == "none"
    assert split.reason == (
        f"{len(across)} subjects in two parts of the published split 'set': as published"
    )
    samples = [f"i{n}" for n in range(len(rows))]
    part = parts_of(split, split.partitions[0], samples).tolist()
    assert [p == "test" for p in part] == [p == "test" for _, p in rows]
    if "val" in [p for _, p in rows]:
        assert part == [p for _, p in rows]
    else:
        # What has to be drawn is drawn by person all the same.
        train = {a for (a, p), now in zip(rows, part, strict=True) if now == "train"}
        val = {a for (a, p), now in zip(rows, part, strict=True) if now == "val"}
        assert not train & val


@settings(deadline=None)
@given(st.integers(2, 5), st.integers(0, 1), st.integers(2, 4), st.integers(0, 3))
def test_fold_numbers_make_a_cross_validation(k: int, first: int, each: int, seed: int) -> None:
    rows = [(f"s{n}", str(first + n % k)) for n in range(k * each)]
    split = published_split(
        [a for a, _ in rows], [a for a, _ in rows], [p for _, p in rows], "fold", seed
    )
    assert [p.fold for p in split.partitions] == list(range(k))
    for number, partition in enumerate(split.partitions):
        assert partition.test == sorted(a for a, p in rows if p == str(first + number))
        assert partition.val and not set(partition.val) & set(partition.test)
        assert len(partition.val) + len(partition.test) < len(rows)


def test_the_seed_draws_the_validation_part_only() -> None:
    rows = [(f"s{n}", "test" if n < 10 else "train") for n in range(50)]
    one, two = (
        plan(SplitSettings(split_column="set", seed=seed), rows).partitions[0] for seed in (0, 1)
    )
    assert one.test == two.test and one.val != two.val and len(one.val) == 4
    strata = ["rare" if n % 5 == 0 else "often" for n in range(50)]
    drawn = plan(COLUMN, rows, strata=strata).partitions[0].val
    assert sum(strata[int(name[1:])] == "rare" for name in drawn) == 1


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["train"] * 4, "no sample is in the test part"),
        (["test"] * 4, "no sample is in the train part"),
        (["train", "test", "test", "test"], "one group only outside the test part"),
        (["0", "2", "0", "2"], "the folds are 0, 2"),
        (["2", "3", "2", "3"], "the folds are 2, 3"),
        (["1"] * 4, "fold 1 is the only one"),
    ],
)
def test_a_published_split_that_cannot_be_used_is_refused(parts: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        plan(COLUMN, list(zip("abcd", parts, strict=True)))


def test_without_groups_the_published_split_is_by_sample() -> None:
    rows = [("", "train"), ("", "train"), ("", "val"), ("", "test")]
    with pytest.raises(CheckError, match="4 of 4 samples have no subject"):
        plan(COLUMN, rows)
    split = plan(SplitSettings(group="none", split_column="set"), rows)
    assert split.partitions[0].test == ["i3"] and split.subject_independent is False


@pytest.mark.parametrize(
    "settings_of",
    [
        {"split_column": "set", "split": "kfold:5"},
        {"split_column": "set", "split_from": "split/gaze"},
    ],
)
def test_two_ways_to_split_exclude_each_other(settings_of: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        SplitSettings(**settings_of)  # type: ignore[arg-type]
