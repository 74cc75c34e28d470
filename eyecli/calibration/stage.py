"""The calibrate stage: a user's samples to a head, its verdict and its Core ML model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eyecli.calibration.head import save_head
from eyecli.calibration.samples import Samples
from eyecli.calibration.select import select
from eyecli.calibration.verdict import judge
from eyecli.coreml.heads import write_head
from eyecli.errors import CheckError
from eyecli.workspace.memo import Work
from eyecli.workspace.references import check_name
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

PACKAGE = "head.mlpackage"
UNKNOWN_USER = "user"


@dataclass(frozen=True)
class Origin:
    """Where calibration samples come from.

    Attributes
    ----------
    label, digest
        The file or folder, and the digest of its content.
    model
        The model that made the embeddings, if it is in the workspace.
    seen
        How many of the samples the model was trained on: then the errors are too good.
    """

    label: str
    digest: str
    model: Artifact | None = None
    seen: int = 0


def head_work(
    task: str, user: str | None, unit: str, network: str, origin: Origin, name: str | None
) -> Work:
    """Return what identifies a user's head, known before any image is looked at.

    Parameters
    ----------
    task
        The task's name.
    user, unit, network
        The user as in the samples, the unit of the targets, the digest of the fold's weights.
    origin, name
        As for `calibrate`.
    """
    inputs: dict[str, Artifact | tuple[str, str]] = {"samples": (origin.label, origin.digest)}
    if origin.model:
        inputs["model"] = origin.model
    params = {"user": user, "unit": unit, "network": network}
    target = check_name(name or user or UNKNOWN_USER, "user")
    return Work("calibrate user", "head", task, target, params, inputs)


def calibrate(
    root: Path,
    task: str,
    samples: Samples,
    origin: Origin,
    name: str | None,
    *,
    force: bool,
    checked: bool = False,
) -> Outcome:
    """Fit a head to one user.

    Parameters
    ----------
    root, task
        The workspace and the task's name.
    samples
        The user's samples.
    origin
        Where they come from.
    name
        The user's name in the reference; that of the samples by default.
    force, checked
        As for `run_stage`.

    Raises
    ------
    CheckError
        If the verdict is reject: nothing is published.
    """
    work = head_work(task, samples.user, samples.unit, samples.model, origin, name)
    user = work.name

    def build(folder: Path) -> Built:
        selection = select(samples)
        verdict = judge(selection)
        if verdict.verdict == "reject":
            raise CheckError(
                f"calibration of {user} rejected: {'; '.join(verdict.reasons)}",
                "nothing was published; show all the points again",
            )
        head = save_head(folder, samples, selection, verdict).head
        metadata = {"model_digest": samples.model, "unit": samples.unit, "kind": head.kind}
        write_head(folder / PACKAGE, head.weight, head.bias, metadata)
        return Built(
            summary={
                "kind": head.kind,
                "verdict": verdict.verdict,
                "repeat": list(verdict.points),
                "reasons": list(verdict.reasons),
                "reason": selection.reason,
                "points": len(selection.points),
                "before": selection.before,
                "after": selection.after,
                "unit": samples.unit,
                "seen_in_training": origin.seen,
            }
        )

    return run_stage(root, work, build, force=force, checked=checked)
