"""The calibrate stage: a user's samples to a head, its verdict and its Core ML model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eyecli.calibration.head import save_head
from eyecli.calibration.parity import Template, check_parity
from eyecli.calibration.samples import Samples
from eyecli.calibration.select import select
from eyecli.calibration.verdict import judge
from eyecli.coreml.heads.forms import Kind
from eyecli.coreml.heads.template import write_head
from eyecli.errors import CheckError
from eyecli.workspace.memo import Work
from eyecli.workspace.references import check_name
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

PACKAGE = "head.mlpackage"
UNKNOWN_USER = "user"


@dataclass(frozen=True)
class Wish:
    """What is wanted of a calibration, the same for all users of a command.

    Attributes
    ----------
    kind
        The kind of head; None chooses on the ladder.
    name
        What to call the only user in the reference; None as the samples do.
    """

    kind: Kind | None = None
    name: str | None = None


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
    task: str, user: str | None, unit: str, network: str, origin: Origin, wish: Wish
) -> Work:
    """Return what identifies a user's head, known before any image is looked at.

    Parameters
    ----------
    task
        The task's name.
    user, unit, network
        The user as in the samples, the unit of the targets, the digest of the fold's weights.
    origin, wish
        As for `calibrate`.
    """
    inputs: dict[str, Artifact | tuple[str, str]] = {"samples": (origin.label, origin.digest)}
    if origin.model:
        inputs["model"] = origin.model
    params = {"user": user, "unit": unit, "network": network}
    params |= {"kind": wish.kind} if wish.kind else {}
    target = check_name(wish.name or user or UNKNOWN_USER, "user")
    return Work("calibrate user", "head", task, target, params, inputs)


def calibrate(
    root: Path,
    task: str,
    samples: Samples,
    origin: Origin,
    wish: Wish,
    *,
    force: bool,
    checked: bool = False,
    proven: set[Template] | None = None,
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
    wish
        Kind and name.
    force, checked
        As for `run_stage`.
    proven
        As for `check_parity`: what the same command has executed already.

    Raises
    ------
    CheckError
        If the verdict is reject, the points do not determine the wanted kind, or the Core ML
        model is not exact enough: nothing is published.
    """
    work = head_work(task, samples.user, samples.unit, samples.model, origin, wish)
    user = work.name
    executed = set() if proven is None else proven

    def build(folder: Path) -> Built:
        try:
            selection = select(samples, wish.kind)
            verdict = judge(selection)
            if verdict.verdict == "reject":
                raise CheckError(
                    "; ".join(verdict.reasons), "nothing was published; show all the points again"
                )
            head = save_head(folder, samples, selection, verdict).head
            metadata = {"model_digest": samples.model, "unit": samples.unit, "kind": head.kind}
            package = write_head(folder / PACKAGE, head, metadata)
            parity = check_parity(package, samples, selection, executed)
        except CheckError as error:
            raise CheckError(
                f"calibration of {user} rejected: {error.message}", error.hint
            ) from error
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
                "parity": parity,
            }
        )

    return run_stage(root, work, build, force=force, checked=checked)
