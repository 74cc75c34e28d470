"""``eyecli export``: a model or a head to Core ML."""

from __future__ import annotations

from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.cli.options import Reference
from eyecli.coreml.stage import ExportSettings, export_head, export_model
from eyecli.errors import UsageError
from eyecli.tasks.base import load_task
from eyecli.training.folds import find_model
from eyecli.training.model import choose_fold
from eyecli.training.refit import refit
from eyecli.workspace.lineage import input_of

app = group("A model to a verified Core ML package.")


@command(app, "coreml", settings=(ExportSettings,))
def coreml(
    shell: Shell,
    settings: ExportSettings,
    model: Reference = None,
    refit_all: Annotated[
        bool,
        typer.Option(
            "--refit-all",
            help="Train the same settings once more on all groups and export that; the figures "
            "stay those of the cross-validated model.",
        ),
    ] = False,
) -> Result:
    """Convert a model, or a user's head, to an .mlpackage and verify it on this machine.

    float16, uint8 images with the scaling folded in. The exported program is executed on
    validation samples and compared with Keras; if it differs, nothing is published (exit code 4).
    """
    root = shell.open()
    artifact = find_model(root, model, also="head")
    shell.say_input(model, artifact.ref)
    if refit_all and (artifact.manifest.kind == "head" or settings.fold != -1):
        raise UsageError("--refit-all is for models, without --fold", "leave one of them out")
    if artifact.manifest.kind == "model" and not refit_all:
        choose_fold(
            artifact,
            settings.fold,
            "name one with --fold, or export one trained on all groups with --refit-all",
        )
    if shell.dry_run:
        line = f"would export {artifact.ref}"
        return Result([line], {"model": artifact.ref})
    if artifact.manifest.kind == "head":
        return published(export_head(root, artifact, force=shell.force))
    task = load_task(artifact.manifest.task)
    if refit_all:
        artifact = refit(root, task.module(task.learning), task.train, artifact).artifact
        shell.say(f"trained on all groups: {artifact.ref}")
    prepared, split = input_of(root, artifact, "prepared"), input_of(root, artifact, "split")
    outcome = export_model(
        root, task.module(task.exporting), artifact, prepared, split, settings, force=shell.force
    )
    summary = outcome.artifact.manifest.summary
    shell.say(
        f"parity: {summary['parity_samples']} samples, worst difference "
        f"{summary['parity_worst_relative']:.2g} of an output's scale"
    )
    return published(outcome)
