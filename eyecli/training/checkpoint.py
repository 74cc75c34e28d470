"""Checkpoints of a running training: one file, whole or ignored, never pickled."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np

from eyecli.data.arrays import NPY_ERRORS
from eyecli.workspace.store import write_atomic

log = logging.getLogger(__name__)

NAME = "checkpoint"
PREVIOUS = "checkpoint.previous"
MAGIC = b"eyecli-checkpoint-1"
Groups = dict[str, list[np.ndarray]]
Metrics = dict[str, int | float]


class Position(msgspec.Struct):
    """How far a training is.

    Attributes
    ----------
    epoch, batch
        Epochs done, and batches done of the next one.
    sums
        Metric to its sum over the samples of the running epoch.
    samples
        Samples of the running epoch so far.
    history
        Metrics of every epoch done.
    best
        Number of the epoch with the best validation loss, 1 for the first; 0 if none.
    seconds
        Time spent so far.
    """

    epoch: int = 0
    batch: int = 0
    sums: dict[str, float] = {}
    samples: int = 0
    history: list[Metrics] = []
    best: int = 0
    seconds: float = 0.0


class _Header(msgspec.Struct):
    identity: str
    position: Position
    lengths: dict[str, int]


def save(
    folder: Path, identity: str, position: Position, groups: Mapping[str, Sequence[np.ndarray]]
) -> None:
    """Write a checkpoint; the one before stays beside it.

    Parameters
    ----------
    folder
        The training's own folder.
    identity
        What the training is: its checkpoint is of no use to another.
    position, groups
        Where it is, and its arrays.
    """
    lengths = {name: len(arrays) for name, arrays in groups.items()}
    header = msgspec.json.encode(_Header(identity, position, lengths))
    named = {f"{name}-{i}": a for name, arrays in groups.items() for i, a in enumerate(arrays)}
    content = io.BytesIO()
    np.savez(content, header=np.frombuffer(header, np.uint8), **named)
    body = content.getvalue()
    if (folder / NAME).exists():
        (folder / NAME).replace(folder / PREVIOUS)
    digest = hashlib.sha256(body).hexdigest().encode()
    write_atomic(folder / NAME, b" ".join((MAGIC, digest)) + b"\n" + body)


def load(
    folder: Path, identity: str, fits: Callable[[Position, Groups], bool] = lambda at, groups: True
) -> tuple[Position, Groups] | None:
    """Return the latest whole checkpoint of a training, None if there is none.

    What is damaged, of another training or does not fit is named in a warning and ignored.
    """
    for path in (folder / NAME, folder / PREVIOUS):
        try:
            header, groups = _read(path)
        except FileNotFoundError:
            continue
        except (*NPY_ERRORS, KeyError, BadZipFile, msgspec.MsgspecError) as error:
            log.warning("%s: damaged checkpoint, ignored: %s", path, error)
            continue
        if header.identity != identity:
            log.warning("%s: checkpoint of another training, ignored", path)
        elif not fits(header.position, groups):
            log.warning("%s: damaged checkpoint, ignored: no state of this training", path)
        else:
            return header.position, groups
    return None


def _read(path: Path) -> tuple[_Header, Groups]:
    first, _, body = path.read_bytes().partition(b"\n")
    if first != b" ".join((MAGIC, hashlib.sha256(body).hexdigest().encode())):
        raise ValueError("not what was written")
    with np.load(io.BytesIO(body), allow_pickle=False) as stored:
        header = msgspec.json.decode(stored["header"].tobytes(), type=_Header)
        groups = {
            name: [stored[f"{name}-{i}"] for i in range(length)]
            for name, length in header.lengths.items()
        }
    return header, groups


def remove(folder: Path) -> None:
    """Remove the checkpoints of a training that is done."""
    for name in (NAME, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
