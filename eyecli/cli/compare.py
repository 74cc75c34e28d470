"""``eyecli compare``: several models on the same rows."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from eyecli.cli.contract import Result, Shell, command, published
from eyecli.cli.options import Fold, OtherData, OtherPeople
from eyecli.evaluation.comparison import CompareSettings, compare
from eyecli.evaluation.tables import FORMATS
from eyecli.tasks.base import load_task
from eyecli.training.external import external_data, predictions_for
from eyecli.workspace.references import resolve

app = typer.Typer(add_completion=False)


@command(app, "compare", settings=(CompareSettings,))
def compare_models(
    shell: Shell,
    settings: CompareSettings,
    model: Annotated[
        list[str] | None,
        typer.Argument(help="Models; all differences are to the first. The latest by default."),
    ] = None,
    on: OtherData = None,
    fold: Fold = -1,
    other_people: OtherPeople = "",
    format: Annotated[
        Literal["table", "csv", "markdown", "latex"] | None,
        typer.Option(help="Print the table to stdout, instead of the comparison's reference."),
    ] = None,
) -> Result:
    """Several models on the same test rows: intervals, paired differences, baselines.

    Models that differ only by their seed are one row. The comparison is published; without
    --format its reference is printed, and the table is shown on stderr.
    """
    root = shell.open()
    first = resolve(root, model[0] if model else None, "model")
    task = load_task(first.manifest.task)
    models = [first, *(resolve(root, text, "model", task.name) for text in (model or [])[1:])]
    others = [external_data(root, on, one, fold, other_people) for one in models]
    if shell.dry_run:
        names = [one.ref for one in models]
        judged = others[0].ref if others[0] else f"their {settings.split} rows"
        line = f"would compare {', '.join(names)} on {judged}"
        return Result([line], {"models": names, "on": others[0] and others[0].ref})
    predicted = [
        predictions_for(root, task, one, other, fold, other_people)
        for one, other in zip(models, others, strict=True)
    ]
    outcome = compare(
        root, task.module(task.reporting), predicted, settings, on=others[0], force=shell.force
    )
    folder = outcome.artifact.path
    result = published(outcome)
    text = (folder / FORMATS[format or "table"]).read_text(encoding="utf-8").splitlines()
    if format:
        return Result(text, result.document)
    for row in text:
        shell.say(row)
    shell.say(f"comparison: {folder / 'comparison.html'}")
    return result
