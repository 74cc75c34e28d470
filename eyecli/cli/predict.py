"""``eyecli predict``: a model applied to new files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from eyecli.cli.contract import Result, Shell, command
from eyecli.cli.places import require_place
from eyecli.data.inputs import find_inputs
from eyecli.data.rows import filled, lines_of
from eyecli.data.table_settings import parse_columns
from eyecli.errors import EyecliError, UsageError
from eyecli.tasks.base import load_task
from eyecli.training.applying import (
    Predicting,
    PredictSettings,
    chosen_folds,
    columns_of,
    predicted,
)
from eyecli.training.folds import find_model
from eyecli.training.model import read_model
from eyecli.workspace.store import write_pieces
from eyecli.workspace.verify import require_whole

app = typer.Typer(add_completion=False)


@command(app, "predict", makes=False, settings=(PredictSettings,))
def predict(
    shell: Shell,
    settings: PredictSettings,
    source: Annotated[
        str,
        typer.Argument(
            help="A folder, a .zip or .tar, one file, or a CSV with a column `path` (or file, "
            "image) and, if you like, `id`, `subject` and `laterality`, which go along; or a "
            "source's reference."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="The model; the latest of the workspace by default.")
    ] = None,
    format: Annotated[
        Literal["csv", "jsonl"], typer.Option(help="CSV with a header, or JSON, a line a file.")
    ] = "csv",
    columns: Annotated[
        str, typer.Option(help="The CSV's names of columns, such as path=filename,subject=pid.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(help="File outside of SOURCE to write to; it appears when it is complete."),
    ] = None,
) -> Result:
    """Apply a model to new files: probabilities, decisions, and what it abstains from.

    No labels are needed, and nothing is kept in the workspace. Rows come in the order of the
    files (of folders sorted), each as soon as it is there. Files are prepared as those of the
    training were. A cross-validated model gives the mean of its folds.

    Of photographs for diabetic retinopathy a row has the probability of each grade and of each
    grade or more, the grade, whether it is referable, the photograph's quality, and `abstain`
    with `why`. A model of both eyes (`train dr --fusion both-eyes`) uses those of a patient that
    follow one another, by columns `subject` and `laterality` or names such as `10_left.jpeg`;
    `eyes` says how many it used. For research only: it is no medical device.
    """
    root = shell.open()
    artifact = find_model(root, model)
    shell.say_input(model, artifact.ref)
    task = load_task(artifact.manifest.task)
    if task.predicting is None:
        raise UsageError(
            f"predict does not know {task.name} models yet",
            f"{artifact.ref} is one; name another with --model",
        )
    require_whole(artifact)
    partitions = chosen_folds(artifact, settings.fold)
    place = _locate(shell, source, task.name)
    if output:
        require_place("--output", output, (place, shell.workspace))
    predicting: Predicting = task.module(task.predicting)()
    inputs = find_inputs(
        place, shell.workspace, predicting.FIELDS, predicting.wanted, predicting.WHAT,
        parse_columns(columns),
    )  # fmt: skip
    shell.say(f"{len(inputs.files)} {predicting.WHAT}")
    applied = predicting.applied(artifact, partitions, settings, inputs.files)
    shown = columns_of(inputs, applied)
    rows = predicted(
        inputs, predicting, applied, read_model(artifact).setup, settings.on_error,
        bar=output is not None,
    )  # fmt: skip
    if output:
        _write(output, lines_of(rows, shown, format))
        return Result([str(output)], {"model": artifact.ref, "output": str(output)})
    document = {"model": artifact.ref, "rows": [*filled(rows, shown)]} if shell.json else None
    return Result(lines_of(rows, shown, format), document)


def _locate(shell: Shell, text: str, task: str) -> Path:
    """Return the place that a path or a source's reference names."""
    from eyecli.sources.source import open_source
    from eyecli.workspace.references import REFERENCE, resolve

    path = Path(text)
    if path.exists() or not REFERENCE.fullmatch(text) or not text.startswith("source/"):
        return path
    root = shell.open()
    found = resolve(root, text, "source", task)
    shell.say_input(text, found.ref)
    return open_source(root, found).folder


def _write(path: Path, lines: Iterable[str]) -> None:
    try:
        write_pieces(path.resolve(), (f"{line}\n".encode() for line in lines))
    except OSError as error:
        raise EyecliError(
            f"--output: {path} could not be written: {error.strerror}", "name another place"
        ) from error
