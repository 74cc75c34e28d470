"""The leak audit: nothing of a test sample may be in train, whatever the ids say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eyecli.data.split import Split, parts_of
from eyecli.errors import CheckError

log = logging.getLogger(__name__)

SHOWN = 5


@dataclass(frozen=True)
class Leak:
    """Two samples on different sides that share content."""

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
    pairs: Sequence[tuple[int, int]] = (),
) -> list[Leak]:
    """Find groups, identical files and near-duplicates on both sides of any partition.

    Parameters
    ----------
    samples, groups
        (n,) ids.
    digests
        For every sample the sha256 of its files.
    split
        The split.
    pairs
        Row numbers of near-duplicates. Where every sample is a group of its own, much alike is
        what neighbours in time are: then they are only warned about.

    Returns
    -------
    list of Leak
        Empty if the split is clean.
    """
    leaks = [Leak(group, group, "group in two parts") for group in shared_groups(split)]
    # Two samples may share more than one file, such as both eyes.
    why = dict.fromkeys(((a, b) if a < b else (b, a) for a, b in pairs), "near-duplicate")
    why |= dict.fromkeys(identical_pairs(samples, digests), "identical file")
    if not why:
        return leaks
    parts = [parts_of(split, partition, groups) for partition in split.partitions]
    divided = {
        (a, b): reason
        for (a, b), reason in why.items()
        if any(part[a] != part[b] for part in parts)
    }
    alike = sum(reason == "near-duplicate" for reason in divided.values())
    if alike and split.group_by == "none":
        log.warning("%d pairs of near-duplicates lie in different parts of the split", alike)
        divided = {pair: reason for pair, reason in divided.items() if reason != "near-duplicate"}
    return leaks + [Leak(samples[a], samples[b], reason) for (a, b), reason in divided.items()]


def refuse_leaks(leaks: Sequence[Leak]) -> None:
    """Fail the command if there is a leak, with the first pairs named.

    Raises
    ------
    CheckError
        If `leaks` is not empty.
    """
    if not leaks:
        return
    shown = "; ".join(f"{leak.first} ~ {leak.second} ({leak.why})" for leak in leaks[:SHOWN])
    more = f" and {len(leaks) - SHOWN} more" if len(leaks) > SHOWN else ""
    raise CheckError(
        f"{len(leaks)} leaks between the parts of the split: {shown}{more}",
        "give both the same group, drop one, or accept it with --unsafe-split 'REASON'",
    )
