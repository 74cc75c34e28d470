"""A split that came with the data: a column of part names or fold numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from eyecli.data.split import (
    VALIDATION,
    Partition,
    Split,
    check_seed,
    deal,
    describe_groups,
)
from eyecli.errors import DataError

# The column of the index that keeps what the user's column says.
PUBLISHED = "published"
SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
PART_OF = {word: part for part, words in SPELLINGS.items() for word in words}
FOLD = re.compile(r"[0-9]{1,4}", re.ASCII)
SHOWN = 3


def read_parts(
    where: Sequence[str], values: Sequence[str], column: str
) -> tuple[list[str], list[str]]:
    """Read part names, or fold numbers that begin with 0 or 1.

    Parameters
    ----------
    where, values
        (n,) place of every sample, for messages, and what the column says.
    column
        Its name, for messages.

    Returns
    -------
    parts, problems
        ``train``, ``val``, ``test``, or fold numbers as text; and what is wrong, sample by sample.
    """
    words = [value.strip().casefold() for value in values]
    folds = bool(words) and FOLD.fullmatch(Counter(words).most_common(1)[0][0]) is not None
    problems = [
        f"{place}: --split-column {column}: {repr(value) if value.strip() else 'nothing'} is "
        + ("no fold number" if folds else "none of train, val, test")
        for place, value, word in zip(where, values, words, strict=True)
        if not (FOLD.fullmatch(word) if folds else word in PART_OF)
    ]
    if problems:
        return [], problems
    return [str(int(word)) if folds else PART_OF[word] for word in words], []


def straddling(groups: Sequence[str], parts: Sequence[str]) -> list[tuple[int, int]]:
    """Return two rows in different parts of every group that has such."""
    first: dict[str, int] = {}
    found: dict[str, tuple[int, int]] = {}
    for row, (group, part) in enumerate(zip(groups, parts, strict=True)):
        start = first.setdefault(group, row)
        if parts[start] != part:
            found.setdefault(group, (start, row))
    return list(found.values())


def published_split(
    units: Sequence[str],
    groups: Sequence[str],
    parts: Sequence[str],
    column: str,
    seed: int,
    strata: Sequence[str] | None = None,
) -> Split:
    """Make a split of published parts.

    Parameters
    ----------
    units
        (n,) what the split lists, each unit in one part only: groups, or samples.
    groups
        (n,) what a validation part that has to be drawn keeps together.
    parts
        (n,) see `read_parts`; k folds make k partitions, each tested on one.
    column
        The column's name; the scheme becomes ``column:NAME``.
    seed
        Seed of the draw of the validation part, where none was published.
    strata
        (n,) class of every sample, for that draw.

    Raises
    ------
    DataError
        If there is no train or test part, a fold is missing, or too few groups for a validation
        part are left.
    """
    check_seed(seed)
    names = np.asarray(units, dtype=str)
    part = np.asarray(parts, dtype=str)
    known = set(parts)
    if known <= set(SPELLINGS):
        for needed in ("train", "test"):
            if needed not in known:
                raise DataError(f"--split-column {column}: no sample is in the {needed} part")
        tests = ["test"]
    else:
        tests = _folds(known, column)
    partitions = []
    for fold, test in enumerate(tests):
        if "val" in known:
            val = names[part == "val"]
        else:
            rest = np.flatnonzero(part != test)
            val = names[rest[_draw(rest, groups, strata, [seed, fold], column)]]
        partitions.append(
            Partition(0, fold, np.unique(names[part == test]).tolist(), np.unique(val).tolist())
        )
    return Split(f"column:{column}", seed, np.unique(names).tolist(), partitions)


def _folds(known: set[str], column: str) -> list[str]:
    numbers = sorted(int(fold) for fold in known)
    first = numbers[0]
    wanted = list(range(first, first + len(numbers)))
    if numbers != wanted or first > 1:
        raise DataError(
            f"--split-column {column}: the folds are {', '.join(map(str, numbers))}",
            "number them from 0 or 1 on, without a gap",
        )
    if len(numbers) < 2:
        raise DataError(f"--split-column {column}: fold {first} is the only one")
    return [str(number) for number in numbers]


def _draw(
    rest: np.ndarray,
    groups: Sequence[str],
    strata: Sequence[str] | None,
    seed: list[int],
    column: str,
) -> np.ndarray:
    """Say of every row outside the test part whether its group goes to validation."""
    own = [groups[row] for row in rest]
    sizes, classes = describe_groups(own, [strata[row] for row in rest] if strata else None)
    if len(sizes) < 2:
        raise DataError(
            f"--split-column {column}: one group only outside the test part gives no train and "
            "validation part",
            "name a validation part in the column",
        )
    order = np.random.default_rng(seed).permutation(sorted(sizes)).tolist()
    chosen = set(deal(order, sizes, classes, [VALIDATION, 1 - VALIDATION], [1, 1])[0])
    return np.array([group in chosen for group in own])
