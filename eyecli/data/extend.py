"""A split for data that have grown: every earlier group stays where it was, new ones are dealt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from eyecli.data.split import (
    PARTS,
    VALIDATION,
    Partition,
    Split,
    check_seed,
    deal,
    describe_groups,
    parse_scheme,
)
from eyecli.errors import CheckError, DataError

log = logging.getLogger(__name__)

ANEW = "make a split of its own, without --split-from"


@dataclass(frozen=True)
class Earlier:
    """A split made before.

    Attributes
    ----------
    ref
        Its reference.
    split
        What it says.
    files
        Gives the groups that had a file, by its sha256; called only where names do not tell.
    """

    ref: str
    split: Split
    files: Callable[[], Mapping[str, set[str]]]


def recognise_groups(
    earlier: Earlier, groups: Sequence[str], digests: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Find every group that the earlier split knew: by its name, or by its files.

    Subjects keep their names, unless several sources were united since and names got a prefix: a
    group of unknown name is the earlier one, no longer there by name, that had the same files.
    Names of samples are those of rows, which move: they are known by their files only.

    Parameters
    ----------
    earlier
        The earlier split.
    groups, digests
        For every sample its group, and the sha256 of each of its files.

    Returns
    -------
    dict
        Group to the earlier group whose place it takes.

    Raises
    ------
    CheckError
        If a group unites earlier ones that were in different parts.
    """
    split = earlier.split
    names, old = set(groups), set(split.groups)
    known = {} if split.group_by == "none" else {name: name for name in names & old}
    lost = old - known.keys()
    if not lost or not names - known.keys():
        return known
    files = earlier.files()
    origins: dict[str, set[str]] = {}
    for group, own in zip(groups, digests, strict=True):
        if group not in known:
            found = {origin for digest in own for origin in files.get(digest, ())}
            origins.setdefault(group, set()).update(found & lost)
    places = _places(split)
    for group, found in origins.items():
        if len({places[origin] for origin in found}) > 1:
            raise CheckError(
                f"'{group}' has files of {len(found)} groups that {earlier.ref} keeps in "
                "different parts",
                ANEW,
            )
        if found:
            known[group] = group if group in found else min(found)
    return known


def _places(split: Split) -> dict[str, tuple[str, ...]]:
    """Part of every group in each partition."""
    places: dict[str, list[str]] = {group: [] for group in split.groups}
    for partition in split.partitions:
        test, val = set(partition.test), set(partition.val)
        for group, parts in places.items():
            parts.append("test" if group in test else "val" if group in val else "train")
    return {group: tuple(parts) for group, parts in places.items()}


def extend_split(
    earlier: Split,
    known: Mapping[str, str],
    groups: Sequence[str],
    seed: int,
    strata: Sequence[str] | None = None,
    notices: logging.Logger = log,
) -> Split:
    """Keep every known group in its part of every partition, deal the new ones.

    A new group goes to the part that lacks most. With leave-one-group-out each new group makes a
    partition of its own. A partition whose test groups are all gone is dropped; where the
    validation groups are, and no new group can be, train gives some away, so that test stays test.

    Parameters
    ----------
    earlier
        The split to keep.
    known
        Group to earlier group, see `recognise_groups`.
    groups
        (n,) group of every sample.
    seed
        Seed of the order in which new groups are dealt.
    strata
        (n,) class of every sample.
    notices
        Where to say what was kept.

    Raises
    ------
    DataError
        If a partition has no train or validation groups left, or all test groups are gone.
    """
    check_seed(seed)
    sizes, classes = describe_groups(groups, strata)
    fresh = sorted(sizes.keys() - known.keys())
    gone = len(set(earlier.groups) - set(known.values()))
    notices.info("%d groups stay, %d are new, %d are no longer there", len(known), len(fresh), gone)
    partitions = []
    for repeat in sorted({partition.repeat for partition in earlier.partitions}):
        rng = np.random.default_rng([seed, repeat])
        order = [fresh[i] for i in rng.permutation(len(fresh))]
        own = [partition for partition in earlier.partitions if partition.repeat == repeat]
        kept = [_kept(partition, known) for partition in own]
        tests = _deal_tests(earlier.scheme, kept, order, sizes, classes)
        # Leave-one-group-out has a partition more for every new group, else like the first.
        kept += [_kept(own[0], known)] * (len(tests) - len(own))
        for fold, (parts, test) in enumerate(zip(kept, tests, strict=True)):
            number = own[fold].fold if fold < len(own) else own[-1].fold + 1 + fold - len(own)
            if not test:
                notices.warning("fold %d is dropped: its test groups are no longer there", number)
                continue
            held = set(test)
            train = [name for part in PARTS for name in parts[part]
                     if part != "val" and name not in held]  # fmt: skip
            share = _share(parts["val"], train, sizes) if _is_column(earlier.scheme) else VALIDATION
            rest = [name for name in order if name not in held]
            if not parts["val"] and not rest:
                notices.warning(
                    "fold %d: its validation groups are no longer there: groups of train "
                    "take their place",
                    number,
                )
                rest, train = [train[i] for i in rng.permutation(len(train))], []
            dealt = deal(rest, sizes, classes, [share, 1 - share], [1, 1], [parts["val"], train])
            for part, members in zip(("validation", "train"), dealt, strict=True):
                if not members:
                    raise DataError(f"fold {number} has no {part} group left", ANEW)
            partitions.append(Partition(repeat, number, sorted(test), sorted(dealt[0])))
    if not partitions:
        raise DataError("no test group is left", ANEW)
    return msgspec.structs.replace(earlier, seed=seed, groups=sorted(sizes), partitions=partitions)


def _kept(partition: Partition, known: Mapping[str, str]) -> dict[str, list[str]]:
    """Known groups of each part."""
    test, val = set(partition.test), set(partition.val)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for name in sorted(known):
        part = "test" if known[name] in test else "val" if known[name] in val else "train"
        parts[part].append(name)
    return parts


def _deal_tests(
    scheme: str,
    kept: Sequence[Mapping[str, list[str]]],
    order: Sequence[str],
    sizes: Mapping[str, int],
    classes: Mapping[str, str],
) -> list[list[str]]:
    """Test groups of every partition of one repeat, with the new groups dealt."""
    tests = [parts["test"] for parts in kept]
    if scheme == "leave-one-group-out":
        return tests + [[name] for name in order]
    if len(kept) > 1:
        return deal(order, sizes, classes, [1 / len(kept)] * len(kept), [1] * len(kept), tests)
    rest = [*kept[0]["train"], *kept[0]["val"]]
    share = _share(tests[0], rest, sizes) if _is_column(scheme) else parse_scheme(scheme).test
    return deal(order, sizes, classes, [share, 1 - share], [1, 2], [tests[0], rest])[:1]


def _is_column(scheme: str) -> bool:
    """Whether the shares are those that somebody published."""
    return scheme.startswith("column:")


def _share(part: Sequence[str], rest: Sequence[str], sizes: Mapping[str, int]) -> float:
    """Share of the samples that a part has."""
    mine = sum(sizes[name] for name in part)
    return mine / max(1, mine + sum(sizes[name] for name in rest))
