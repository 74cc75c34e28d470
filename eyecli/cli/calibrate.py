"""``eyecli calibrate``: fit a model to one user."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.errors import DataError, EyecliError, MissingError

if TYPE_CHECKING:
    from eyecli.calibration.samples import Samples
    from eyecli.calibration.stage import Origin
    from eyecli.data.raw import Raw
    from eyecli.sources.source import Source
    from eyecli.workspace.stage import Outcome
    from eyecli.workspace.store import Artifact

log = logging.getLogger(__name__)

app = group("Fit a model to one user.")
TASK = "gaze"


@command(app, "user")
def calibrate_user(
    shell: Shell,
    calibration: Annotated[
        str,
        typer.Argument(
            help="Embeddings (.csv, .npz), an image table (.csv or its folder), a folder of eye "
            "crops, or a source's reference."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="The frozen base model; the latest by default.")
    ] = None,
    fold: Annotated[int, typer.Option(help="Fold of a cross-validated model.")] = -1,
    user: Annotated[str | None, typer.Option(help="Name of the user in the reference.")] = None,
) -> Result:
    """Fit identity, bias, affine or ridge, chosen by leave-one-point-out error.

    Falls back to the base model where there is no gain. The verdict is accept, repeat (these
    points) or reject (exit code 4, nothing published). The head is stored as JSON, NPZ and as a
    Core ML model. A file of several users gives a line a user.
    """
    from eyecli.calibration.stage import calibrate

    base = _base_model(shell, model)
    path = _locate(shell, calibration)
    if _is_embeddings(path):
        found = _from_embeddings(path, base, fold)
    else:
        images = _open_images(shell, path, base, fold)
        known = _known_heads(shell, images, user)
        if known:
            for outcome in known:
                shell.say(f"{outcome.artifact.ref}: already there (calibrate user)")
            return published(*known)
        found = _from_images(shell, images)
    plural = len(found) > 1
    if user and plural:
        found = [(samples, origin) for samples, origin in found if samples.user == user]
        if not found:
            raise DataError(f"{calibration}: no user '{user}' among several", "leave --user out")
    users = [samples for samples, _ in found]
    if shell.dry_run:
        lines = [f"{len(samples)} samples of {len(set(samples.point))} points" for samples in users]
        return Result(lines, lines)
    root = shell.open(create=True)
    outcomes: list[Any] = []
    refused: list[EyecliError] = []
    for samples, origin in found:
        try:
            outcome = calibrate(root, TASK, samples, origin, user, force=shell.force)
        except EyecliError as error:
            # The others of a file are not lost because one user is refused.
            if len(users) == 1:
                raise
            log.warning("%s", error.message)
            refused.append(error)
            continue
        outcomes.append(outcome)
        summary = outcome.artifact.manifest.summary
        shell.say(describe(summary, outcome.artifact.ref))
        if summary["seen_in_training"]:
            log.warning(
                "WARNING: the model was trained on %d of these samples: both errors are too good",
                summary["seen_in_training"],
            )
    if not outcomes:
        raise refused[0]
    result = published(*outcomes, exit_code=4 if refused else 0)
    if not plural:
        return result
    # A list whenever the input has several users, whoever of them was refused.
    documents = result.document if isinstance(result.document, list) else [result.document]
    errors = [{"ok": False, "error": error.message} for error in refused]
    return Result(result.lines, documents + errors, result.exit_code)


def describe(summary: dict[str, Any], ref: str) -> str:
    """Say in a line what a calibration came to."""
    unit = summary["unit"]
    line = (
        f"{ref}: {summary['verdict']}, {summary['kind']} from {summary['points']} points: error "
        f"{summary['before']:.4g} -> {summary['after']:.4g} {unit} (leave one point out)"
    )
    if summary["reasons"]:
        line += f"; {'; '.join(summary['reasons'])}"
    return line


def _locate(shell: Shell, text: str) -> Path:
    """Return the file or folder that a path or a source's reference names."""
    from eyecli.sources.source import open_source
    from eyecli.workspace.references import REFERENCE, resolve

    path = Path(text)
    if path.exists() or not REFERENCE.fullmatch(text) or not text.startswith("source/"):
        return path
    root = shell.open()
    return open_source(root, resolve(root, text, "source", TASK)).folder


def _base_model(shell: Shell, reference: str | None) -> Artifact | None:
    """Return the base model; None if none is named and none is in the workspace."""
    from eyecli.training.folds import find_model
    from eyecli.workspace.store import versions

    if reference is None and not versions(shell.workspace, f"model/{TASK}"):
        return None
    artifact = find_model(shell.open(), reference, TASK)
    shell.say_input(reference, artifact.ref)
    return artifact


def _is_embeddings(path: Path) -> bool:
    if path.suffix.lower() == ".npz":
        return True
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        header = stream.readline()
    return "embedding_0" in header or "base_x" in header


def _from_embeddings(path: Path, base: Artifact | None, fold: int) -> list[tuple[Samples, Origin]]:
    from eyecli.calibration.samples import read_samples, require_model
    from eyecli.calibration.stage import Origin
    from eyecli.training.model import choose_fold, network_digest
    from eyecli.workspace.manifest import sha256_file

    users = read_samples(path)
    if base is not None:
        digest = network_digest(base, choose_fold(base, fold))
        for samples in users:
            require_model(samples, digest, str(path))
            _require_unit(samples, base, path)
    elif not users[0].model:
        raise DataError(
            f"{path} does not say which model made the embeddings, and none is in the workspace",
            "add a column `model` with its digest, or name it with --model",
        )
    origin = Origin(str(path.absolute()), sha256_file(path), base)
    return [(samples, origin) for samples in users]


def _require_unit(samples: Samples, base: Artifact, path: Path) -> None:
    """Refuse samples in another unit than the model's."""
    from eyecli.training.model import read_model

    unit = read_model(base).setup["unit"]
    if samples.unit != unit:
        raise DataError(
            f"{path}: unit is {samples.unit}, {base.ref} predicts {unit}",
            "give targets and predictions in the model's unit",
        )


@dataclass(frozen=True)
class Images:
    """A user's images, found but not yet decoded."""

    source: Source
    raw: Raw
    base: Artifact
    partition: int
    origin: Origin


def _open_images(shell: Shell, path: Path, base: Artifact | None, fold: int) -> Images:
    """Find the images; nothing heavy is imported."""
    from eyecli.calibration.stage import Origin
    from eyecli.sources.source import Source, recognise
    from eyecli.sources.tree import hash_tree
    from eyecli.tasks.base import all_layouts, load_task
    from eyecli.training.model import choose_fold, read_model

    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file() and path.suffix.lower() != ".csv":
        raise DataError(
            f"{path}: neither embeddings (.csv, .npz) nor an image table (.csv) nor a folder"
        )
    if base is None:
        raise MissingError("images need a model to calibrate, there is none", "eyecli train gaze")
    folder = (path if path.is_dir() else path.parent).absolute()
    tree = hash_tree(shell.open(), folder)
    digests = {name: state.sha256 for name, state in tree.items()}
    if path.is_dir():
        source = Source(folder, recognise(digests, all_layouts(), folder)[1], digests)
    else:
        source = Source(folder, "image-table", digests, table=path.name)
    setup, task = read_model(base).setup, load_task(TASK)
    settings = task.preprocess(
        eye_size=setup["eye_size"], face_size=setup["face_size"], unit=setup["unit"]
    )
    listing = "".join(f"{name}\n{digest}\n" for name, digest in digests.items())
    content = hashlib.sha256(f"{source.table}\n{listing}".encode()).hexdigest()
    origin = Origin(str(path.absolute()), content, base)
    raw = task.read_raw(source, settings)
    return Images(source, raw, base, choose_fold(base, fold), origin)


def _known_heads(shell: Shell, images: Images, name: str | None) -> list[Outcome]:
    """Return the heads of the same images if all are there; else nothing."""
    from eyecli.calibration.stage import head_work
    from eyecli.training.model import network_digest
    from eyecli.workspace.memo import recall
    from eyecli.workspace.stage import Outcome

    users = list(dict.fromkeys(str(row["subject"]) for row in images.raw.table))
    if name and len(users) > 1:
        users = [user for user in users if user == name]
    if shell.force or shell.dry_run or images.raw.problems:
        return []
    network = network_digest(images.base, images.partition)
    unit = images.raw.setup["unit"]
    found = [
        recall(shell.open(), head_work(TASK, user or None, unit, network, images.origin, name))
        for user in users
    ]
    heads = [Outcome(head, cached=True) for head in found if head]
    return heads if len(heads) == len(users) else []


def _from_images(shell: Shell, images: Images) -> list[tuple[Samples, Origin]]:
    """Run the model over the images."""
    from eyecli.calibration.images import embed
    from eyecli.tasks.base import load_task
    from eyecli.training.stage import trained_files
    from eyecli.workspace.verify import require_whole

    base, raw, digests = images.base, images.raw, images.source.digests
    require_whole(base)
    task = load_task(TASK)
    users = embed(images.source, raw, base, images.partition, task.module(task.learning))
    known = trained_files(shell.open(), base, images.partition)

    def seen(user: str | None) -> int:
        """Samples of a user of which the fold has seen a file."""
        return sum(
            row["subject"] == (user or "") and any(digests[file] in known for file in files)
            for row, files in zip(raw.table, raw.files, strict=True)
        )

    return [(samples, replace(images.origin, seen=seen(samples.user))) for samples in users]
