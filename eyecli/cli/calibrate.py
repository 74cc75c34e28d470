"""``eyecli calibrate``: fit a model to one user, or to each of many."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eyecli.cli.contract import Result, Shell, command, group, published

if TYPE_CHECKING:
    from eyecli.calibration.candidate import Base, Candidate
    from eyecli.calibration.share import Imaging
    from eyecli.errors import EyecliError
    from eyecli.workspace.store import Artifact

app = group("Fit a model to one user, or to each of many.")
TASK = "gaze"
# Settings of the preparation that a user's images share with those of the model.
LIKE_MODEL = ("eye_size", "face_size", "unit", "settle_ms", "clock_offset_ms")


@command(app, "user")
def calibrate_user(
    shell: Shell,
    calibration: Annotated[
        str,
        typer.Argument(
            help="Face sessions (.mp4 and .json in a folder), embeddings (.csv, .npz), an image "
            "table (.csv or its folder), a folder of eye crops, a source's reference, or a folder "
            "of users: such files and sub-folders."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="The frozen base model; the latest by default.")
    ] = None,
    fold: Annotated[int, typer.Option(help="Fold of a cross-validated model.")] = -1,
    user: Annotated[
        str | None,
        typer.Option(help="Name of the user in the reference; of several users, the only one."),
    ] = None,
    kind: Annotated[
        Literal["auto", "identity", "bias", "affine", "ridge", "quadratic", "rbf", "mlp"],
        typer.Option(help="Take this kind of head, whatever its error; auto chooses."),
    ] = "auto",
) -> Result:
    """Fit identity, bias, affine or ridge, chosen by leave-one-point-out error, or a named kind.

    Falls back to the base model where there is no gain; a named kind stays, and what it gains is
    said all the same. The verdict is accept, repeat (these
    points) or reject (exit code 4, nothing published). The head is stored as JSON, NPZ and as a
    Core ML model. Several users give a line each; if some are refused, the others are not lost,
    and the exit code is 3 for bad data, else 4.
    """
    from eyecli.calibration.batch import (
        calibrate_all,
        find_candidates,
        gravest,
        pick,
        refuse_doubles,
        summarise,
    )
    from eyecli.calibration.candidate import open_base
    from eyecli.calibration.stage import Wish
    from eyecli.calibration.users import find_parts
    from eyecli.tasks.base import layouts_of

    frozen = _base_model(shell, model)
    place, layout = _locate(shell, calibration)
    layouts = {name: (TASK, known) for name, known in layouts_of(TASK).items()}
    found = find_parts(place, layouts, shell.workspace, layout)
    base = open_base(frozen, fold) if frozen else None
    users, refused = find_candidates(shell.open, found, base, _imaging(shell, base))
    many = found.many or len(users) > 1
    if user and many:
        users, refused = pick(users, user, calibration, refused), []
    refuse_doubles(users)
    if shell.dry_run:
        return _tell(users, refused)
    # A folder in which nobody was found does not begin a workspace.
    root = shell.open(create=True) if users else shell.workspace
    wish = Wish(None if kind == "auto" else kind, None if many else user)
    outcomes, failed = calibrate_all(root, TASK, users, wish, many=many, force=shell.force)
    refused += failed
    worst = gravest(refused)
    if many:
        shell.say(f"{len(users)} users: {summarise(outcomes, refused)}")
    if worst and not outcomes:
        raise worst
    result = published(*outcomes, exit_code=worst.exit_code if worst else 0)
    if not many:
        return result
    # A list whenever the input is one of several users, whoever of them was refused.
    documents = result.document if isinstance(result.document, list) else [result.document]
    errors = [{"ok": False, "error": error.message} for error in refused]
    return Result(result.lines, documents + errors, result.exit_code)


def _tell(users: Sequence[Candidate], refused: Sequence[EyecliError]) -> Result:
    """Say who would be calibrated, from what."""
    from eyecli.calibration.batch import gravest

    worst = gravest(refused)
    if worst and not users:
        raise worst
    lines = [f"{one.name}: {one.samples} samples of {one.points} points" for one in users]
    return Result(lines, lines, worst.exit_code if worst else 0)


def _locate(shell: Shell, text: str) -> tuple[Path, str | None]:
    """Return the file or folder that a path or a source's reference names, and its layout."""
    from eyecli.sources.source import open_source
    from eyecli.workspace.references import REFERENCE, resolve

    path = Path(text)
    if path.exists() or not REFERENCE.fullmatch(text) or not text.startswith("source/"):
        return path, None
    root = shell.open()
    source = open_source(root, resolve(root, text, "source", TASK))
    return source.path(""), source.layout


def _base_model(shell: Shell, reference: str | None) -> Artifact | None:
    """Return the base model; None if none is named and none is in the workspace."""
    from eyecli.training.folds import find_model
    from eyecli.workspace.store import versions

    if reference is None and not versions(shell.workspace, f"model/{TASK}"):
        return None
    artifact = find_model(shell.open(), reference, TASK)
    shell.say_input(reference, artifact.ref)
    return artifact


def _imaging(shell: Shell, base: Base | None) -> Imaging | None:
    """Return what images need of the task and the model; the network is loaded when it is used."""
    if base is None:
        return None
    from eyecli.calibration.images import load_network
    from eyecli.calibration.share import Imaging
    from eyecli.tasks.base import load_task
    from eyecli.training.stage import trained_files

    task, model, partition = load_task(TASK), base.model, base.partition

    settings = task.preprocess(**{key: base.setup[key] for key in LIKE_MODEL if key in base.setup})

    return Imaging(
        lambda source: task.read_raw(source, settings),
        functools.cache(lambda: load_network(model, partition, task.module(task.learning))),
        functools.cache(lambda: trained_files(shell.open(), model, partition)),
    )
