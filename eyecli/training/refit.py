"""Training once more on all groups what was cross-validated, to ship it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import msgspec

from eyecli.data.prepared import SPLIT, groups_and_parts, open_prepared, read_split
from eyecli.data.split import Partition, make_split
from eyecli.errors import DataError, UsageError
from eyecli.training.folds import REFIT, weights_of
from eyecli.training.settings import TrainSettings
from eyecli.training.stage import Trainer, train
from eyecli.workspace.lineage import input_of
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

# Validation groups are drawn as the test groups of this: a tenth of the samples.
VALIDATION = "holdout:0.1"


def refit(
    root: Path,
    trainer: Callable[[], Trainer],
    settings: type[TrainSettings],
    model: Artifact,
    *,
    force: bool = False,
) -> Outcome:
    """Train a model's settings on all of its groups but a few for validation.

    Parameters
    ----------
    root
        The workspace.
    trainer, settings
        What the task supplies, and its settings.
    model
        The model that was evaluated.

    Returns
    -------
    Outcome
        A model with one fold; nobody is left to test it on.

    Raises
    ------
    UsageError
        If the model is itself such a one.
    DataError
        If it was trained by a version with other settings.
    """
    if "refit_of" in model.manifest.summary:
        raise UsageError(f"{model.ref} is trained on all groups already", "leave --refit-all out")
    prepared, split = input_of(root, model, "prepared"), input_of(root, model, "split")
    params = model.manifest.params
    unknown = params.keys() - {entry.name for entry in fields(settings)}
    if unknown:
        raise DataError(
            f"{model.ref} was trained by another version: unknown setting {min(unknown)}",
            "train it again",
        )
    everybody = _refit_split(root, prepared, split).artifact
    chosen = settings(**params)
    task = model.manifest.task
    return train(root, task, trainer, prepared, everybody, chosen, force=force, refit_of=model,
                 weights=weights_of(root, model))[0]  # fmt: skip


def _refit_split(root: Path, prepared: Artifact, split: Artifact) -> Outcome:
    """Make the split without a test part; what the original can claim is inherited."""
    inputs = {"prepared": prepared, "split": split}
    work = Work("refit", "split", prepared.manifest.task, REFIT, {}, inputs)

    def build(folder: Path) -> Built:
        plan = read_split(split)
        groups, _ = groups_and_parts(open_prepared(prepared), plan, 0)
        val = make_split(groups.tolist(), VALIDATION, plan.seed).partitions[0].test
        made = msgspec.structs.replace(plan, scheme=REFIT, partitions=[Partition(0, 0, [], val)])
        (folder / SPLIT).write_bytes(msgspec.json.encode(made, order="deterministic") + b"\n")
        return Built(
            summary={
                "scheme": REFIT,
                "groups": len(made.groups),
                "partitions": 1,
                "reason": made.reason,
            }
        )

    return run_stage(root, work, build)


def require_tested(model: Artifact) -> None:
    """Refuse to evaluate a model that was trained on all groups.

    Raises
    ------
    DataError
        With the model that was evaluated in its place.
    """
    origin = model.manifest.summary.get("refit_of")
    if origin:
        raise DataError(
            f"{model.ref} was trained on all groups: nobody is left to test it on",
            f"its figures are those of {origin}: eyecli evaluate {origin}",
        )
