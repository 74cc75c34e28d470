"""Calibration of many users in one go: one that is refused does not lose the others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from eyecli.calibration.candidate import Base, Candidate
from eyecli.calibration.embeddings import from_embeddings
from eyecli.calibration.parity import Template
from eyecli.calibration.share import Imaging, from_images
from eyecli.calibration.stage import Wish, calibrate, head_work
from eyecli.calibration.users import EMBEDDINGS, Found, Part
from eyecli.errors import CheckError, DataError, EyecliError, MissingError, UsageError
from eyecli.workspace.memo import Work, recall
from eyecli.workspace.stage import Outcome
from eyecli.workspace.store import Artifact
from eyecli.workspace.verify import require_whole

log = logging.getLogger(__name__)


def find_candidates(
    open_root: Callable[[], Path], found: Found, base: Base | None, imaging: Imaging | None
) -> tuple[list[Candidate], list[EyecliError]]:
    """Find the users in what there is.

    Parameters
    ----------
    open_root
        Opens the workspace, which images need.
    found
        What there is.
    base
        The model; None if there is none, which only embeddings can do without.
    imaging
        What images need; None without a model.

    Returns
    -------
    candidates, refused
        The users, and what is wrong with the data of others.

    Raises
    ------
    MissingError
        If there are images and no model.
    """
    candidates: list[Candidate] = []
    refused: list[EyecliError] = list(found.refused)
    for part in found.parts:
        try:
            if part.layout == EMBEDDINGS:
                own = from_embeddings(part, base)
            elif base is None or imaging is None:
                raise MissingError(
                    "images need a model to calibrate, there is none", "eyecli train gaze"
                )
            else:
                own, others = from_images(open_root(), part, base, imaging)
                refused += others
        except DataError as error:
            refused.append(error)
            continue
        _say_other_names(part, own)
        candidates += own
    if found.many or len(candidates) > 1:
        for wrong in refused:
            log.warning("%s", wrong.message)
    return candidates, refused


def _say_other_names(part: Part, own: Sequence[Candidate]) -> None:
    others = [candidate.name for candidate in own if candidate.user != part.name]
    if part.name and others:
        log.info("%s: its data say user %s", part.place, ", ".join(others))


def pick(
    candidates: Sequence[Candidate], name: str, place: str, refused: Sequence[EyecliError]
) -> list[Candidate]:
    """Return the one of many who is called `name`.

    Raises
    ------
    DataError
        If nobody is.
    """
    found = [candidate for candidate in candidates if candidate.user == name]
    if not found:
        unread = f", and {len(refused)} could not be read" if refused else ""
        raise DataError(
            f"{place}: no user '{name}' among {len(candidates)}{unread}",
            "leave --user out; --dry-run lists them",
        )
    return found


def refuse_doubles(candidates: Sequence[Candidate]) -> None:
    """Refuse users who would share a head.

    Raises
    ------
    DataError
        If a name is there twice, or two differ in case only; both places are named.
    """
    known: dict[str, Candidate] = {}
    for candidate in candidates:
        first = known.setdefault(candidate.name.casefold(), candidate)
        if first is candidate:
            continue
        if first.name == candidate.name:
            raise DataError(
                f"user '{candidate.name}' is both in {first.place} and in {candidate.place}",
                "leave one out; several files of a user go into a sub-folder of their own",
            )
        raise DataError(
            f"users '{first.name}' ({first.place}) and '{candidate.name}' ({candidate.place}) "
            "differ only in case",
            "rename one: many disks take them for the same",
        )


def calibrate_all(
    root: Path,
    task: str,
    candidates: Sequence[Candidate],
    wish: Wish,
    *,
    many: bool,
    force: bool,
) -> tuple[list[Outcome], list[EyecliError]]:
    """Fit a head to every user, and say a line of each.

    Parameters
    ----------
    root, task
        The workspace and the task's name.
    candidates
        The users.
    wish
        What is wanted.
    many
        Whether to go on to say who was refused.
    force
        Do it again where a head is there.

    Returns
    -------
    outcomes, refused
        The heads, and why others have none.

    Raises
    ------
    DataError
        If the model is damaged.
    """
    outcomes: list[Outcome] = []
    refused: list[EyecliError] = []
    proven: set[Template] = set()
    known = [None if force else _known_head(root, task, one, wish) for one in candidates]
    models = {one.origin.model.ref: one.origin.model for one, head in
              zip(candidates, known, strict=True) if one.origin.model and not head}  # fmt: skip
    for model in models.values():
        # Hashed once, not once a user; and if it is damaged, nobody can be calibrated.
        require_whole(model)
    for candidate, head in zip(candidates, known, strict=True):
        try:
            outcome = (
                Outcome(head, cached=True)
                if head
                else _calibrate(root, task, candidate, wish, force, proven)
            )
        except (CheckError, DataError) as error:
            refused.append(error)
            if many:
                log.warning("%s", error.message)
            continue
        outcomes.append(outcome)
        summary = outcome.artifact.manifest.summary
        there = " (already there)" if outcome.cached else ""
        log.info("%s%s", describe(summary, outcome.artifact.ref), there)
        if summary["seen_in_training"]:
            log.warning(
                "WARNING: the model was trained on %d of these samples: both errors are too good",
                summary["seen_in_training"],
            )
    return outcomes, refused


def _known_head(root: Path, task: str, candidate: Candidate, wish: Wish) -> Artifact | None:
    try:
        return recall(root, _work(task, candidate, wish))
    except DataError:
        return None


def _work(task: str, candidate: Candidate, wish: Wish) -> Work:
    """Return what identifies a head; a name from the data that is none is bad data."""
    try:
        return head_work(
            task, candidate.user, candidate.unit, candidate.network, candidate.origin, wish
        )
    except UsageError as error:
        if wish.name:
            raise
        raise DataError(f"{candidate.place}: {error.message}", error.hint) from error


def _calibrate(
    root: Path,
    task: str,
    candidate: Candidate,
    wish: Wish,
    force: bool,
    proven: set[Template],
) -> Outcome:
    _work(task, candidate, wish)  # Before the slow work.
    samples, seen = candidate.read()
    origin = replace(candidate.origin, seen=seen)
    return calibrate(root, task, samples, origin, wish, force=force, checked=True, proven=proven)


def describe(summary: dict[str, Any], ref: str) -> str:
    """Say in a line what a calibration came to."""
    unit = summary["unit"]
    line = (
        f"{ref}: {summary['verdict']}, {summary['kind']} from {summary['points']} points: error "
        f"{summary['before']:.4g} -> {summary['after']:.4g} {unit} (leave one point out)"
    )
    if summary["reasons"]:
        line += f"; {'; '.join(summary['reasons'])}"
    return line


def summarise(outcomes: Sequence[Outcome], refused: Sequence[EyecliError]) -> str:
    """Say in a line what the calibration of several users came to."""
    heads = [outcome.artifact.manifest.summary for outcome in outcomes]
    verdicts = Counter(head["verdict"] for head in heads)
    rejected = sum(isinstance(error, CheckError) for error in refused)
    counts = {"accept": verdicts["accept"], "repeat": verdicts["repeat"], "rejected": rejected}
    line = ", ".join(f"{n} {word}" for word, n in counts.items())
    if len(refused) > rejected:
        line += f", {len(refused) - rejected} with bad data"
    if heads:
        kinds = Counter(head["kind"] for head in heads).most_common()
        before, after = (median(head[key] for head in heads) for key in ("before", "after"))
        line += (
            f"; {', '.join(f'{n} {kind}' for kind, n in kinds)}; median error {before:.4g} -> "
            f"{after:.4g} {heads[0]['unit']}"
        )
    return line


def gravest(refused: Sequence[EyecliError]) -> EyecliError | None:
    """Return the error that decides the exit code: bad data before a verdict."""
    return min(refused, key=lambda error: error.exit_code, default=None)
