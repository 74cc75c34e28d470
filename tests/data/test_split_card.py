from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.split import Partition, Split, make_split, parts_of
from eyecli.data.split_card import split_card


def table(card: str) -> list[list[str]]:
    lines = [line for line in card.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_a_card_counts_samples_groups_and_classes() -> None:
    groups = ["ann", "ann", "ann", "bob", "bob", "cho"]
    split = Split("holdout", 7, ["ann", "bob", "cho"], [Partition(0, 0, ["bob"], ["cho"])])
    card = split_card(split, groups, ["x", "y", "x", "y", "y", "x"])
    assert (
        card
        == """# Split holdout

- 6 samples, kept together by subjects: 3 groups
- subject-independent: yes
- seed: 7

| repeat | fold | part | samples | groups | x | y |
| --- | --- | --- | --- | --- | --- | --- |
| 0 | 0 | train | 3 | 1 | 2 | 1 |
| 0 | 0 | val | 1 | 1 | 1 | 0 |
| 0 | 0 | test | 2 | 1 | 0 | 2 |
"""
    )


def test_a_card_says_what_was_given_up_and_what_was_kept() -> None:
    split = Split("column:a|b", 0, ["i0"], [], "none", False, "1 leaks accepted: x")
    card = split_card(split, ["i0"], source="split/gaze@v2")
    assert "subject-independent: **no**: 1 leaks accepted: x" in card
    assert "single samples" in card and "# Split column:a\\|b" in card
    assert "earlier groups are where split/gaze@v2 has them" in card


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=4, max_size=9), st.booleans())
def test_every_partition_adds_up(sizes: list[int], classes: bool) -> None:
    groups = [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]
    labels = [f"c{n % 3}" for n in range(len(groups))] if classes else None
    split = make_split(groups, "kfold:3x2", 0)
    card = split_card(split, groups, labels)
    rows = [list(map(int, [*row[:2], *row[3:]])) for row in table(card)[2:]]
    parts = [row[2] for row in table(card)[2:]]
    for number, partition in enumerate(split.partitions):
        own, names = rows[3 * number : 3 * number + 3], parts[3 * number : 3 * number + 3]
        assert all(row[:2] == [partition.repeat, partition.fold] for row in own)
        part = parts_of(split, partition, groups).tolist()
        assert [row[2] for row in own] == [part.count(name) for name in names]
        assert sum(row[3] for row in own) == len(sizes)
        if labels:
            assert all(sum(row[4:]) == row[2] for row in own)
