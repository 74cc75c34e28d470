"""``eyecli evaluate``: metrics with intervals, baselines, report."""

from __future__ import annotations

import typer

from eyecli.cli.contract import Result, Shell, command, published
from eyecli.cli.options import Reference
from eyecli.evaluation.stage import EvaluateSettings, evaluate
from eyecli.tasks.base import load_task
from eyecli.training.folds import find_model
from eyecli.training.refit import require_tested
from eyecli.training.stage import predictions
from eyecli.workspace.lineage import input_of

app = typer.Typer(add_completion=False)


@command(app, "evaluate", settings=(EvaluateSettings,))
def evaluate_model(shell: Shell, settings: EvaluateSettings, model: Reference = None) -> Result:
    """Metrics with 95 % intervals, trivial baselines on the same samples, report and plots.

    Reads stored predictions; prints the report's reference. Its first line says whether the model
    beats its baselines.
    """
    root = shell.open()
    artifact = find_model(root, model)
    shell.say_input(model, artifact.ref)
    require_tested(artifact)
    prepared, split = input_of(root, artifact, "prepared"), input_of(root, artifact, "split")
    if shell.dry_run:
        line = f"would evaluate {artifact.ref} on {prepared.ref}, {split.ref}"
        return Result([line], {"model": artifact.ref, "prepared": prepared.ref, "split": split.ref})
    task = load_task(artifact.manifest.task)
    predicted = predictions(root, task.module(task.learning), artifact, prepared, split)
    outcome = evaluate(
        root, task.module(task.reporting), predicted.artifact, artifact, prepared, split, settings,
        force=shell.force,
    )  # fmt: skip
    shell.say(outcome.artifact.manifest.summary["verdict"])
    shell.say(f"report: {outcome.artifact.path / 'report.html'}")
    return published(outcome)
