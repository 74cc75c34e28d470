"""``eyecli export``: a model or a head to Core ML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.coreml.figures import parity_lines
from eyecli.coreml.personal import Personal, require_one
from eyecli.coreml.settings import ExportSettings, check_settings
from eyecli.coreml.stage import check_export, export_head, export_model
from eyecli.errors import UsageError
from eyecli.tasks.base import load_task
from eyecli.training.folds import find_model
from eyecli.training.model import choose_fold
from eyecli.training.refit import refit
from eyecli.workspace.lineage import input_of
from eyecli.workspace.references import resolve
from eyecli.workspace.store import Artifact

app = group("A model to a verified Core ML package.")


@command(app, "coreml", settings=(ExportSettings,))
def coreml(
    shell: Shell,
    settings: ExportSettings,
    model: Annotated[
        str | None,
        typer.Argument(
            help="Reference of a model, or of a head, which is published as it is; the latest "
            "model by default."
        ),
    ] = None,
    refit_all: Annotated[
        bool,
        typer.Option(
            "--refit-all",
            help="Train the same settings once more on all groups, a tenth of them for validation "
            "only, and export that; the figures stay those of the cross-validated model.",
        ),
    ] = False,
    head: Annotated[
        list[str] | None,
        typer.Option(help="A user's head to put into the package; repeat it for more users."),
    ] = None,
    combine: Annotated[
        Literal["functions", "pipeline"],
        typer.Option(
            help="Heads as functions beside `main`, which share the model's weights (iOS18), or "
            "one head as the second part of a pipeline (any system)."
        ),
    ] = "functions",
) -> Result:
    """Convert a model, or a user's head, to an .mlpackage and verify it on this machine.

    float16, uint8 images with the scaling folded in. The exported program is executed on
    validation samples and compared with Keras; if it differs, or if the model gives nearly the
    same answer to all samples so that no fault would show, nothing is published (exit code 4).
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
            "name one with --fold, or train on all groups with --refit-all",
        )
    if artifact.manifest.kind == "head" and (head or settings != ExportSettings()):
        raise UsageError(
            f"{artifact.ref} is a head: it is published as it is, no settings apply",
            "leave them out, or export its model with --head",
        )
    heads = [_personal(root, reference) for reference in head or ()]
    for asked, found in zip(head or (), heads, strict=True):
        shell.say_input(asked, found.artifact.ref)
    if artifact.manifest.kind == "head" and combine != "functions":
        raise UsageError(f"--combine is for a model, {artifact.ref} is a head", "leave it out")
    task = load_task(artifact.manifest.task)
    exporter = task.module(task.exporting)
    if refit_all:
        # The rest can be checked once it is trained; these not only after hours of it.
        require_one(heads, combine)
        check_settings(settings, bool(heads), combine)
    if shell.dry_run:
        if artifact.manifest.kind == "model" and not refit_all:
            check_export(exporter, artifact, settings, heads, combine)
        return _plan(artifact, heads, settings)
    if artifact.manifest.kind == "head":
        outcome = export_head(root, artifact, force=shell.force)
        for line in parity_lines(outcome.artifact):
            shell.say(line)
        return published(outcome)
    if refit_all:
        artifact = refit(root, task.module(task.learning), task.train, artifact).artifact
        shell.say(f"trained on all groups but those for validation: {artifact.ref}")
    prepared, split = input_of(root, artifact, "prepared"), input_of(root, artifact, "split")
    outcome = export_model(
        root, exporter, artifact, prepared, split, settings, heads,
        combine, force=shell.force,
    )  # fmt: skip
    for line in parity_lines(outcome.artifact):
        shell.say(line)
    return published(outcome)


def _plan(artifact: Artifact, heads: list[Personal], settings: ExportSettings) -> Result:
    """Say what would be exported."""
    users = [head.artifact.ref for head in heads]
    if artifact.manifest.kind == "head":
        return Result([f"would export {artifact.ref}"], {"head": artifact.ref})
    what = f", fold {settings.fold}" if settings.fold != -1 else ""
    with_heads = f" with {', '.join(users)}" if users else ""
    forms = {
        name: getattr(settings, name)
        for name in ("precision", "compress", "inputs", "deployment_target")
    }
    line = f"would export {artifact.ref}{what}{with_heads}: " + ", ".join(
        f"{key} {value}" for key, value in forms.items()
    )
    return Result([line], {"model": artifact.ref, "fold": settings.fold, "heads": users, **forms})


def _personal(root: Path, reference: str) -> Personal:
    """Find a user's head, and how it is applied."""
    from eyecli.calibration.head import apply_head, load_head
    from eyecli.calibration.stage import PACKAGE

    artifact = resolve(root, reference, "head")
    stored = load_head(artifact.path)
    return Personal(
        artifact.manifest.name or "user",
        artifact,
        artifact.path / PACKAGE,
        lambda base, embedding: apply_head(stored.head, base, embedding),
    )
