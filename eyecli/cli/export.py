"""``eyecli export``: a model or a head to Core ML."""

from __future__ import annotations

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.cli.options import Reference
from eyecli.coreml.stage import ExportSettings, export_head, export_model
from eyecli.tasks.base import load_task
from eyecli.training.model import choose_fold
from eyecli.workspace.lineage import input_of
from eyecli.workspace.references import resolve

app = group("A model to a verified Core ML package.")


@command(app, "coreml", settings=(ExportSettings,))
def coreml(shell: Shell, settings: ExportSettings, model: Reference = None) -> Result:
    """Convert a model, or a user's head, to an .mlpackage and verify it on this machine.

    float16, uint8 images with the scaling folded in. The exported program is executed on
    validation samples and compared with Keras; if it differs, nothing is published (exit code 4).
    """
    root = shell.open()
    artifact = resolve(root, model, None if model and not model.startswith("@") else "model")
    shell.say_input(model, artifact.ref)
    if artifact.manifest.kind != "head":
        artifact = resolve(root, model, "model")
    if artifact.manifest.kind == "model":
        choose_fold(artifact, settings.fold)
    if shell.dry_run:
        line = f"would export {artifact.ref}"
        return Result([line], {"model": artifact.ref})
    if artifact.manifest.kind == "head":
        return published(export_head(root, artifact, force=shell.force))
    task = load_task(artifact.manifest.task)
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
