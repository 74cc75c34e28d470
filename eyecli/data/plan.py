"""From settings to an audited split: drawn, published with the data, or an earlier one kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from eyecli.data.audit import divided_pairs, find_leaks, refuse_leaks
from eyecli.data.extend import Earlier, extend_split, recognise_groups
from eyecli.data.lookalikes import Lookalike
from eyecli.data.published import published_split, read_parts, straddling
from eyecli.data.split import Split, group_ids, make_split
from eyecli.errors import CheckError, DataError, UsageError
from eyecli.settings import setting

log = logging.getLogger(__name__)

DEFAULT = "holdout"
SHOWN = 3


@dataclass(frozen=True)
class SplitSettings:
    """How to split; the same for every task."""

    split: str = setting(
        DEFAULT, "holdout[:0.2], kfold:5, kfold:5x3 (drawn 3 times) or leave-one-group-out."
    )
    group: Literal["subject", "none"] = setting(
        "subject", "Keep together: subject, or none (by sample: not subject-independent)."
    )
    seed: int = setting(0, "Seed of the draw.")
    unsafe_split: str | None = setting(
        None, "Accept leaks, for this REASON, which every report repeats."
    )
    split_column: str | None = setting(
        None, "Column with a published split: train, val and test, or fold numbers."
    )
    split_from: str | None = setting(
        None, "Split to extend: its groups stay in their parts, only new ones are dealt."
    )

    def __post_init__(self) -> None:
        if self.unsafe_split is not None and not self.unsafe_split.strip():
            raise UsageError(
                "--unsafe-split needs a reason", "say why: every report will repeat it"
            )
        if self.split_column is None:
            return
        if self.split_from is not None:
            raise UsageError("--split-column and --split-from exclude each other")
        if self.split != DEFAULT:
            raise UsageError(f"--split-column and --split {self.split} exclude each other")


def like_earlier(settings: SplitSettings, earlier: Earlier | None) -> SplitSettings:
    """Return the settings with the scheme and the grouping of the earlier split, if there is one.

    Raises
    ------
    UsageError
        If the settings ask for others.
    """
    if earlier is None:
        return settings
    split = earlier.split
    if settings.split not in (DEFAULT, split.scheme):
        raise UsageError(
            f"--split {settings.split}: {earlier.ref} is {split.scheme}",
            "leave --split out, or --split-from",
        )
    if settings.group != "subject" and split.group_by == "subject":
        raise UsageError(
            f"--group {settings.group}: {earlier.ref} keeps subjects together",
            "leave --group out, or --split-from",
        )
    return replace(
        settings, split=split.scheme, group=split.group_by, split_from=earlier.ref
    )  # fmt: skip


def plan_split(
    samples: Sequence[str],
    subjects: Sequence[str],
    digests: Sequence[Sequence[str]],
    settings: SplitSettings,
    pairs: Sequence[tuple[int, int] | Lookalike] = (),
    *,
    parents: Sequence[str] = (),
    published: Sequence[str] | None = None,
    earlier: Earlier | None = None,
    strata: Sequence[str] | None = None,
    notices: logging.Logger = log,
) -> Split:
    """Split and audit.

    Parameters
    ----------
    samples, subjects
        (n,) ids.
    digests
        For every sample the sha256 of its files.
    settings
        How to split, and whether a leak is accepted.
    pairs
        Near-duplicates, by row; between single samples they are only warned about, and counted.
    parents
        (n,) sample that each was made from, '' for none; or nothing at all.
    published
        (n,) what the column of a published split says.
    earlier
        The split to extend.
    strata
        (n,) class of every sample.
    notices
        Where to say what was kept or accepted.

    Raises
    ------
    CheckError
        If groups are unknown, or the split leaks and that was not accepted with a reason.
    DataError
        If the published split is incomplete, or there are too few groups.
    """
    settings = like_earlier(settings, earlier)
    # It becomes part of the first line of every report.
    accepted = " ".join((settings.unsafe_split or "").split())
    groups = group_ids(samples, subjects, settings.group)
    group_by, reasons = settings.group, []
    if group_by == "none":
        reasons.append(f"--group none: {accepted or 'no subjects are kept apart'}")
    if earlier:
        known = recognise_groups(earlier, groups, digests)
        split = extend_split(earlier.split, known, groups, settings.seed, strata, notices)
        if earlier.split.reason:
            reasons = [earlier.split.reason]
    elif settings.split_column is not None:
        parts = _published_parts(samples, published, settings.split_column)
        across = straddling(groups, parts)
        units = groups
        if across:
            reasons.append(_accept_straddling(across, settings.split_column, accepted, notices))
            # A split lists groups, each in one part: here only single samples are.
            group_by, units = "none", list(samples)
        split = published_split(units, groups, parts, settings.split_column, settings.seed, strata)
        groups = units
    else:
        split = make_split(groups, settings.split, settings.seed, strata)
    split = msgspec.structs.replace(split, group_by=group_by)
    leaks = find_leaks(samples, groups, digests, split, pairs, parents)
    alike = divided_pairs(split, groups, [(pair[0], pair[1]) for pair in pairs])
    if group_by == "none" and alike:
        reasons.append(f"{len(alike)} pairs of near-duplicates in different parts")
    if leaks and accepted:
        notices.warning("%d leaks accepted: %s", len(leaks), accepted)
        reasons.append(f"{len(leaks)} leaks accepted: {accepted}")
    else:
        refuse_leaks(leaks)
    return msgspec.structs.replace(
        split,
        subject_independent=not reasons,
        reason="; ".join(dict.fromkeys(reasons)) or None,
    )


def _published_parts(
    samples: Sequence[str], values: Sequence[str] | None, column: str
) -> list[str]:
    if values is None:
        raise DataError(f"--split-column {column}: there is no such column")
    parts, problems = read_parts(samples, values, column)
    refuse_problems(problems)
    return parts


def _accept_straddling(
    across: Sequence[str], column: str, accepted: str, notices: logging.Logger
) -> str:
    """Return the reason that every report repeats; refuse without one."""
    counted = f"{len(across)} subjects in two parts of the published split '{column}'"
    if not accepted:
        shown = ", ".join(across[:SHOWN]) + (", ..." if len(across) > SHOWN else "")
        raise CheckError(
            f"{counted}: {shown}", "split by subject, or accept it with --unsafe-split 'REASON'"
        )
    notices.warning("%s, accepted: %s", counted, accepted)
    return f"{counted}: {accepted}"


def refuse_problems(problems: Sequence[str]) -> None:
    """Raise `DataError` with the first problem and the number of all."""
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more, "--dry-run lists the first 20")
