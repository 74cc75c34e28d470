"""Splits by group: holdout, k-fold, leave-one-group-out; a sample only follows its group.

A split never lists samples, only groups, so that no group can be on two sides by construction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from eyecli.errors import CheckError, DataError, UsageError

PARTS = ("train", "val", "test")
HOLDOUT_TEST = 0.2
# Share of the groups outside the test part that is kept for choices made during training.
VALIDATION = 0.1


@dataclass(frozen=True)
class Scheme:
    """How to split.

    Attributes
    ----------
    kind
        ``holdout``, ``kfold`` or ``leave-one-group-out``.
    folds
        Number of folds; 0 for leave-one-group-out, as many as groups.
    repeats
        How often the k folds are drawn anew.
    test
        Share of the groups that is held out, for ``holdout``.
    """

    kind: str
    folds: int = 1
    repeats: int = 1
    test: float = HOLDOUT_TEST


class Partition(msgspec.Struct, frozen=True):
    """One way of using the data: the test groups and the validation groups; the rest is train."""

    repeat: int
    fold: int
    test: list[str]
    val: list[str]


class Split(msgspec.Struct, frozen=True):
    """A split: all its partitions, and what it can claim.

    ``subject_independent`` is False where the user said that no group ids exist, or accepted a
    leak; `reason` then says why. `group_by` is ``subject``, or ``none`` where every sample is a
    group of its own.
    """

    scheme: str
    seed: int
    groups: list[str]
    partitions: list[Partition]
    group_by: Literal["subject", "none"] = "subject"
    subject_independent: bool = True
    reason: str | None = None


def group_ids(samples: Sequence[str], subjects: Sequence[str], group_by: str) -> list[str]:
    """Group of every sample: its subject, or the sample itself with ``none``.

    Parameters
    ----------
    samples, subjects
        (n,) ids; an empty subject is an unknown one.
    group_by
        ``subject`` or ``none``.

    Raises
    ------
    CheckError
        If subjects are asked for and unknown.
    """
    if group_by == "none":
        return list(samples)
    unknown = sum(not subject for subject in subjects)
    if unknown:
        raise CheckError(
            f"{unknown} of {len(samples)} samples have no subject: any split could have the same "
            "person on both sides",
            "add subjects, or accept that with --group none",
        )
    return list(subjects)


def parse_scheme(text: str) -> Scheme:
    """Read ``holdout``, ``holdout:0.3``, ``kfold:5``, ``kfold:5x5`` or ``leave-one-group-out``.

    Raises
    ------
    UsageError
        If it is none of these, or the numbers make no sense.
    """
    if text == "leave-one-group-out":
        return Scheme("leave-one-group-out", folds=0)
    match = re.fullmatch(r"kfold:([0-9]{1,4})(?:x([0-9]{1,4}))?", text)
    if match and int(match[1]) >= 2 and int(match[2] or 1) >= 1:
        return Scheme("kfold", int(match[1]), int(match[2] or 1))
    match = re.fullmatch(r"holdout(?::(0?\.[0-9]+))?", text)
    if match and (not match[1] or 0 < float(match[1]) < 1):
        return Scheme("holdout", test=float(match[1] or HOLDOUT_TEST))
    raise UsageError(
        f"--split '{text}' is no split",
        "write holdout, holdout:0.2, kfold:5, kfold:5x3 (5 folds, drawn 3 times) "
        "or leave-one-group-out",
    )


def make_split(
    groups: Sequence[str],
    scheme: str,
    seed: int,
    strata: Sequence[str] | None = None,
) -> Split:
    """Split samples by group.

    Parameters
    ----------
    groups
        (n,) group of every sample.
    scheme
        See `parse_scheme`.
    seed
        Seed of the draw.
    strata
        (n,) class of every sample; groups are dealt so that folds have like shares of each. A
        group belongs to its most frequent class.

    Returns
    -------
    Split
        Every group is in exactly one part of each partition, and in the test part of exactly one
        fold of each repeat.

    Raises
    ------
    DataError
        If there are fewer groups than parts: one subject only cannot be split honestly.
    UsageError
        If the scheme is none, or the seed negative.
    """
    plan = parse_scheme(scheme)
    check_seed(seed)
    sizes, classes = describe_groups(groups, strata)
    names = sorted(sizes)
    if plan.kind == "holdout":
        shares, least = [plan.test, 1 - plan.test], [1, 2]
    else:
        folds = plan.folds or max(3, len(names))
        # What is outside the test part must give a train and a validation part.
        shares, least = [1 / folds] * folds, [2 if folds == 2 else 1] * folds
    needed = max(3, sum(least))
    if len(names) < needed:
        what = "one subject only cannot be split" if len(names) == 1 else "nothing to split"
        raise DataError(
            f"{scheme} needs at least {needed} groups, there are {len(names)}: {what}",
            "add subjects, or say --group none to split by sample (not subject-independent)",
        )
    partitions = []
    for repeat in range(plan.repeats):
        rng = np.random.default_rng([seed, repeat])
        order = [names[i] for i in rng.permutation(len(names))]
        tests = deal(order, sizes, classes, shares, least)
        for fold, test in enumerate(tests[:1] if plan.kind == "holdout" else tests):
            held = set(test)
            rest = [name for name in order if name not in held]
            val = deal(rest, sizes, classes, [VALIDATION, 1 - VALIDATION], [1, 1])[0]
            partitions.append(Partition(repeat, fold, sorted(test), sorted(val)))
    return Split(scheme, seed, names, partitions)


def check_seed(seed: int) -> None:
    """Raise `UsageError` if a seed is negative."""
    if seed < 0:
        raise UsageError(f"--seed {seed} is negative", "use 0 or more")


def describe_groups(
    groups: Sequence[str], strata: Sequence[str] | None
) -> tuple[dict[str, int], dict[str, str]]:
    """Size of every group, and its most frequent class (the first in order among equals)."""
    names, inverse, counts = np.unique(
        np.asarray(groups, dtype=str), return_inverse=True, return_counts=True
    )
    sizes = {str(name): int(count) for name, count in zip(names, counts, strict=True)}
    if strata is None:
        return sizes, dict.fromkeys(sizes, "")
    labels, codes = np.unique(np.asarray(strata, dtype=str), return_inverse=True)
    table = np.zeros((len(names), len(labels)), dtype=int)
    np.add.at(table, (inverse, codes), 1)
    winners = labels[table.argmax(axis=1)]
    return sizes, {str(name): str(label) for name, label in zip(names, winners, strict=True)}


def deal(
    order: Sequence[str],
    sizes: Mapping[str, int],
    classes: Mapping[str, str],
    shares: Sequence[float],
    least: Sequence[int],
    kept: Sequence[Sequence[str]] = (),
) -> list[list[str]]:
    """Deal groups into parts of given shares of the samples, class by class.

    Large groups first, each to the part that lacks most samples for its share, of its class and
    overall. Groups whose sizes agree within a power of two come as `order` has them: sorted by
    size to the last sample, every seed would give the same parts. Each part gets at least as many
    groups as `least` says. What is `kept` is in the parts already and stays.
    """
    parts = [list(names) for names in kept or [()] * len(shares)]
    share = np.asarray(shares)
    have = np.array([float(sum(sizes[name] for name in part)) for part in parts])
    owed = np.array(least) - [len(part) for part in parts]
    total = sum(sizes[name] for name in order) + have.sum()
    left = len(order)
    by_class: dict[str, list[str]] = {}
    for name in order:
        by_class.setdefault(classes[name], []).append(name)
    for label in sorted(by_class):
        members = sorted(by_class[label], key=lambda name: -sizes[name].bit_length())
        got = np.array([float(sum(sizes[name] for name in part if classes[name] == label))
                        for part in parts])  # fmt: skip
        wanted = share * (got.sum() + sum(sizes[name] for name in members))
        for name in members:
            # Both lacks count: a class of few groups alone would give all of them to the same part.
            # For its share: in samples the largest part lacks most until it has whole classes.
            # Less half of the group each (Sainte-Laguë), which a small part may have no room for.
            lack = wanted - got + share * total - have - sizes[name]
            lack = np.round(lack / share.clip(1e-9), 9)
            # The last groups go where the least number is still owed.
            free = (owed > 0) | (owed.clip(0).sum() < left)
            best = int(np.where(free, lack, -np.inf).argmax())
            parts[best].append(name)
            got[best] += sizes[name]
            have[best] += sizes[name]
            owed[best] -= 1
            left -= 1
    return parts


def parts_of(split: Split, partition: Partition, groups: Sequence[str]) -> np.ndarray:
    """Part of every sample in one partition.

    Parameters
    ----------
    split, partition
        The split and one of its partitions.
    groups
        (n,) group of every sample.

    Returns
    -------
    ndarray of str, shape (n,)
        ``train``, ``val`` or ``test``.

    Raises
    ------
    DataError
        If a group is not part of the split.
    """
    part = dict.fromkeys(split.groups, "train")
    part |= dict.fromkeys(partition.val, "val") | dict.fromkeys(partition.test, "test")
    unknown = set(groups) - part.keys()
    if unknown:
        raise DataError(
            f"{len(unknown)} groups are not in the split",
            "keep the others where they are: eyecli preprocess ... --split-from SPLIT",
        )
    return np.array([part[group] for group in groups])
