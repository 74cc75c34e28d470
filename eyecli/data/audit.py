"""The leak audit: nothing of a test sample may be in train, whatever the ids say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from eyecli.data.lookalikes import Lookalike, lookalikes_between, read_lookalikes
from eyecli.data.prepared import Prepared
from eyecli.data.split import Split, group_ids, parts_of
from eyecli.errors import CheckError

log = logging.getLogger(__name__)

SHOWN = 5
# Column of an index: the sample that a synthetic one was made from, or ''.
PARENT = "parent"
ALIKE = "near-duplicate"
CHILD = "made from the other"


@dataclass(frozen=True)
class Leak:
    """Two samples on different sides that share content, by their places or ids."""

    first: str
    second: str
    why: str


def shared_groups(split: Split) -> list[str]:
    """Return the groups that some partition has both in test and in validation."""
    return sorted(
        {group for p in split.partitions for group in set(p.test) & set(p.val)}
        | {group for p in split.partitions for group in {*p.test, *p.val} - set(split.groups)}
    )


def identical_pairs(
    samples: Sequence[str], digests: Sequence[Sequence[str]]
) -> Iterator[tuple[int, int]]:
    """Yield pairs of samples that share a byte-identical file.

    Each sample is paired with the first that has the same file, so that n copies give n - 1 pairs.

    Parameters
    ----------
    samples
        (n,) sample ids.
    digests
        For every sample the sha256 of each of its files.
    """
    first: dict[str, int] = {}
    for position in range(len(samples)):
        for digest in dict.fromkeys(digests[position]):
            other = first.setdefault(digest, position)
            if other != position:
                yield other, position


def find_leaks(
    samples: Sequence[str],
    groups: Sequence[str],
    digests: Sequence[Sequence[str]],
    split: Split,
    pairs: Sequence[tuple[int, int] | Lookalike] = (),
    parents: Sequence[str] = (),
    where: Sequence[str] = (),
) -> list[Leak]:
    """Find what is on both sides of any partition: groups, files, near-duplicates, children.

    Parameters
    ----------
    samples, groups
        (n,) ids.
    digests
        For every sample the sha256 of its files.
    split
        The split.
    pairs
        Near-duplicates, by row. Where every sample is a group of its own, much alike is what
        neighbours in time are: then they are only warned about.
    parents
        (n,) sample that each was made from, '' for none; or nothing at all.
    where
        (n,) what a leak calls each sample; its id, if nothing.

    Returns
    -------
    list of Leak
        Empty if the split is clean.
    """
    where = where or samples
    first = {group: row for row, group in reversed(list(enumerate(groups)))}
    # Named by a sample: no message names a subject.
    leaks = [
        Leak(place, place, "group in two parts")
        for group in shared_groups(split)
        for place in [where[first[group]] if group in first else "a group without samples"]
    ]
    row = {sample: number for number, sample in enumerate(samples)}
    alike = {(min(pair), max(pair)): reason for pair, reason in _reasons(pairs).items()}
    # Two samples may share more than one file, such as both eyes.
    why = dict.fromkeys(identical_pairs(samples, digests), "identical file")
    why = alike | {
        (row[parent], child): CHILD for child, parent in enumerate(parents) if parent in row
    } | why  # fmt: skip
    divided = divided_pairs(split, groups, list(why))
    if split.group_by == "none":
        only_alike = [pair for pair in divided if why[pair].startswith(ALIKE)]
        if only_alike:
            shown = "; ".join(name_both(where[a], where[b]) for a, b in only_alike[:SHOWN])
            more = f" and {len(only_alike) - SHOWN} more" if len(only_alike) > SHOWN else ""
            log.warning("%d pairs of %ss lie in different parts of the split: %s%s",
                        len(only_alike), ALIKE, shown, more)  # fmt: skip
        divided = [pair for pair in divided if pair not in set(only_alike)]
    return leaks + [Leak(where[a], where[b], why[a, b]) for a, b in divided]


def _reasons(pairs: Sequence[tuple[int, int] | Lookalike]) -> dict[tuple[int, int], str]:
    return {
        (pair[0], pair[1]): (
            f"{ALIKE} image, {pair.how}, score {pair.score:.2f}"
            if isinstance(pair, Lookalike)
            else ALIKE
        )
        for pair in pairs
    }


def divided_pairs(
    split: Split, groups: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return the pairs of rows that some partition has in two parts."""
    if not pairs:
        return []
    parts = [parts_of(split, partition, groups) for partition in split.partitions]
    return [(a, b) for a, b in pairs if any(part[a] != part[b] for part in parts)]


def audit_split(prepared: Prepared, split: Split) -> list[Leak]:
    """Find the leaks of a split of prepared data, with what `preprocess` found out about them.

    Raises
    ------
    DataError
        If the split does not know all groups, or an artifact is damaged.
    """
    index = prepared.index
    samples = list(index["sample"])
    groups = group_ids(samples, list(index["subject"]), split.group_by)
    digests = [files.split() for files in index["files"]]
    pairs = read_lookalikes(prepared.artifact.path, samples)
    parents = list(index[PARENT]) if PARENT in index else []
    return find_leaks(samples, groups, digests, split, pairs, parents)


def audit_between(
    first: Prepared, first_rows: np.ndarray, second: Prepared, second_rows: np.ndarray
) -> list[Leak]:
    """Find identical files and near-duplicate images that two prepared sets share.

    Parameters
    ----------
    first, first_rows
        What a model was fitted on: the data, and the row numbers.
    second, second_rows
        What it is tested on.

    Returns
    -------
    list of Leak
        Of each pair the sample of the first set comes first.
    """
    owners: dict[str, list[int]] = {}
    for row in map(int, first_rows):
        for digest in first.index["files"][row].split():
            owners.setdefault(digest, []).append(row)
    why: dict[tuple[int, int], str] = {}
    for other in map(int, second_rows):
        rows = [
            r for digest in second.index["files"][other].split() for r in owners.get(digest, ())
        ]
        why |= dict.fromkeys(product(rows, [other]), "identical file")
    found = lookalikes_between(first.arrays, first_rows, second.arrays, second_rows)
    why = _reasons(found) | why
    return [
        Leak(first.index["sample"][a], second.index["sample"][b], reason)
        for (a, b), reason in sorted(why.items())
    ]


def name_both(first: str, second: str) -> str:
    """Name two places; a table that both are in only once."""
    file, colon, _ = first.rpartition(": ")
    return f"{first} ~ {second.removeprefix(file + colon)}"


def refuse_leaks(
    leaks: Sequence[Leak],
    where: str = "between the parts of the split",
    hint: str = "give both the same group, drop one, or accept it with --unsafe-split 'REASON'",
) -> None:
    """Fail the command if there is a leak, with the first pairs named.

    Parameters
    ----------
    leaks
        What was found.
    where, hint
        What leaks into what, and the way out.

    Raises
    ------
    CheckError
        If `leaks` is not empty.
    """
    if not leaks:
        return
    shown = "; ".join(
        f"{name_both(leak.first, leak.second)} ({leak.why})" for leak in leaks[:SHOWN]
    )
    more = f" and {len(leaks) - SHOWN} more" if len(leaks) > SHOWN else ""
    raise CheckError(f"{len(leaks)} leaks {where}: {shown}{more}", hint)
