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


def calibrate(
    root: Path, task: str, samples: Samples, origin: Origin, name: str | None, *, force: bool
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

    Raises
    ------
    CheckError
        If the verdict is reject: nothing is published.
    """
    user = check_name(name or samples.user or UNKNOWN_USER, "user")
    inputs: dict[str, Artifact | tuple[str, str]] = {"samples": (origin.label, origin.digest)}
    if origin.model:
        inputs["model"] = origin.model
    params = {"user": samples.user, "unit": samples.unit, "network": samples.model}
    work = Work("calibrate user", "head", task, user, params, inputs)

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

    return run_stage(root, work, build, force=force)
