"""Calibration samples of one user: what a frozen gaze model said while the target was known.

The embeddings file, as CSV or as NPZ with arrays of the same names:

========================  ==================================================  ========
column                    meaning                                             needed
========================  ==================================================  ========
``embedding_0`` ...       the model's embedding (NPZ: ``embedding``, (n, D))  yes
``base_x``, ``base_y``    the model's own prediction (NPZ: ``base``, (n, 2))  yes
``target_x``, ``target_y``  where the target was (NPZ: ``target``, (n, 2))    yes
``point``                 id of the calibration point                         yes
``time``                  seconds                                             no
``quality``               0 (useless) to 1                                    no
``user``                  id of the user, for files of several users          no
``model``                 digest of the base model, the same in every row     no
``unit``                  ``px`` or ``cm``, the same in every row             no
========================  ==================================================  ========

An NPZ may give ``user``, ``model`` and ``unit`` once instead of once a row. Other columns are
ignored.
"""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from eyecli.errors import DataError, suggest

Unit = Literal["px", "cm"]
Floats = NDArray[np.float64]
Texts = NDArray[np.str_]

AXES = ("x", "y")
# Networks compute in single precision at most; anything larger would overflow when squared.
LARGEST = float(np.finfo(np.float32).max)
# Nothing else in an NPZ is unpacked.
NPZ_NAMES = ("embedding", "base", "target", "point", "time", "quality", "user", "model", "unit")
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Samples:
    """Calibration samples of one user, one row a frame.

    Parameters
    ----------
    embedding
        (n, D) embedding of the frozen model.
    base
        (n, 2) prediction of the frozen model, in `unit`.
    target
        (n, 2) position of the target, in `unit`; one position a point.
    point
        (n,) id of the calibration point, as text.
    time
        (n,) seconds, or None.
    quality
        (n,) 0..1, or None where all frames are good.
    unit
        ``px`` or ``cm``.
    model
        Digest of the frozen model; empty where unknown.
    user
        Id of the user, or None.

    Raises
    ------
    DataError
        If shapes disagree, or a value is not finite or outside its range; names row and column.
    """

    embedding: Floats
    base: Floats
    target: Floats
    point: Texts
    time: Floats | None = None
    quality: Floats | None = None
    unit: Unit = "px"
    model: str = ""
    user: str | None = None

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in ("embedding", "base", "target", "point")}
        columns |= {n: v for n in ("time", "quality") if (v := getattr(self, n)) is not None}
        for name, values in columns.items():
            kind = np.str_ if name == "point" else np.float64
            object.__setattr__(self, name, np.asarray(values, kind))
            columns[name] = getattr(self, name)
        if self.unit not in get_args(Unit):
            raise DataError(f"samples: unit is {self.unit!r}", "the unit is px or cm")
        _check(columns, "samples", first=0)
        _one_target_a_point(columns, "samples", first=0)

    def __len__(self) -> int:
        return len(self.point)


def read_samples(path: Path, unit: Unit = "px") -> list[Samples]:
    """Read an embeddings file; the module's text has its columns.

    Parameters
    ----------
    path
        A ``.csv`` or ``.npz`` file. Nothing in it is unpickled.
    unit
        Used where the file has no ``unit``.

    Returns
    -------
    list of Samples
        One a user, in order of first appearance.

    Raises
    ------
    DataError
        If a column is missing, a dimension wrong, a value not a finite number or outside its range,
        or the file empty or damaged. Rows are lines for a CSV (the header is line 1) and array
        indices for an NPZ.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.suffix.lower() not in (".csv", ".npz"):
        raise DataError(f"{path}: not an embeddings file", "give a .csv or .npz file")
    first = 2 if path.suffix.lower() == ".csv" else 0
    columns = _read_csv(path) if first else _read_npz(path)
    _check(columns, str(path), first)
    n = len(columns["point"])
    model = _constant(columns.pop("model", np.array("")), "model", path, first)
    found = cast(Unit, _constant(columns.pop("unit", np.array(unit)), "unit", path, first))
    if found not in get_args(Unit):
        raise DataError(f"{path}: unit is {found!r}", "the unit is px or cm")
    users = columns.pop("user", None)
    if users is None:
        _one_target_a_point(columns, str(path), first)
        return [Samples(**columns, unit=found, model=model, user=None)]
    users = np.broadcast_to(users, (n,))
    found_users = []
    for user in dict.fromkeys(users.tolist()):
        rows = np.flatnonzero(users == user)
        own = {name: values[rows] for name, values in columns.items()}
        _one_target_a_point(own, f"{path}, user {user}", first, rows)
        found_users.append(Samples(**own, unit=found, model=model, user=user))
    return found_users


def write_samples(path: Path, users: Sequence[Samples]) -> None:
    """Write samples as an embeddings file that `read_samples` reads back exactly.

    Parameters
    ----------
    path
        A ``.csv`` or ``.npz`` file.
    users
        Samples of one or more users of the same model and unit; several must all have a user id.

    Raises
    ------
    DataError
        If the users do not fit into one file.
    """
    path = Path(path)
    heads = {(s.embedding.shape[1], s.unit, s.model, s.time is None, s.quality is None)
             for s in users}  # fmt: skip
    names = [s.user for s in users]
    if len(heads) != 1 or (len(names) > 1 and (None in names or len(set(names)) < len(names))):
        raise DataError(
            f"{path}: these samples do not fit into one file",
            "write users of one model and unit, with the same columns and different ids",
        )
    columns: dict[str, NDArray] = {
        name: np.concatenate([getattr(s, name) for s in users])
        for name in ("embedding", "base", "target", "point", "time", "quality")
        if getattr(users[0], name) is not None
    }
    n = len(columns["point"])
    constants = {"model": users[0].model, "unit": users[0].unit}
    if names[0] is not None:
        columns["user"] = np.repeat(np.array(names, np.str_), [len(s) for s in users])
    if path.suffix.lower() == ".npz":
        with path.open("wb") as stream:
            arrays = columns | {name: np.array(text) for name, text in constants.items()}
            np.savez(stream, **arrays)
        return
    cells: dict[str, Sequence[object]] = {}
    for name, values in columns.items():
        if values.ndim == 1:
            cells[name] = values.tolist()
        else:
            parts = range(values.shape[1]) if name == "embedding" else AXES
            cells |= {f"{name}_{part}": values[:, i].tolist() for i, part in enumerate(parts)}
    cells |= {name: [text] * n for name, text in constants.items()}
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))


def require_model(samples: Samples, digest: str, source: str = "the samples") -> None:
    """Refuse samples of another model: their embedding means something else.

    Parameters
    ----------
    samples
        What to check.
    digest
        Digest of the model that is to be calibrated.
    source
        What to call the samples in the message, a file name for instance.

    Raises
    ------
    DataError
        If the digests differ, or the samples do not say which model made them.
    """
    if samples.model != digest:
        made = f"come from model {samples.model[:12]}" if samples.model else "name no model"
        raise DataError(
            f"{source}: the embeddings {made}, the model to calibrate is {digest[:12]}",
            "make the embeddings with this model, its digest in the column model",
        )


def _read_csv(path: Path) -> dict[str, NDArray]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.reader(stream, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise DataError(f"{path}: the file is empty")
    header, rows = [name.strip() for name in lines[0]], lines[1:]
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}, line 1: the column {twice!r} is there twice")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {number}: {len(row)} cells, the header has {len(header)}"
            )
    dims = sum(name.removeprefix("embedding_").isdecimal() for name in header)
    groups = {
        "embedding": [f"embedding_{i}" for i in range(max(dims, 1))],
        "base": [f"base_{axis}" for axis in AXES],
        "target": [f"target_{axis}" for axis in AXES],
        "point": ["point"],
    } | {name: [name] for name in ("time", "quality", "user", "model", "unit") if name in header}
    for name in (name for names in groups.values() for name in names):
        if name not in header:
            raise DataError(f"{path}: no column {name!r}", suggest(name, header))
    if not rows:
        raise DataError(f"{path}: no rows below the header")
    columns: dict[str, NDArray] = {}
    for group, names in groups.items():
        at = [header.index(name) for name in names]
        cells = [[row[i] for i in at] for row in rows]
        if group in ("point", "user", "model", "unit"):
            columns[group] = np.array(cells, np.str_)[:, 0]
            continue
        try:
            # Several times as fast as an array of text that becomes one of numbers.
            numbers = np.array([list(map(float, row)) for row in cells])
        except ValueError as error:
            line, name, text = _first_bad_cell(cells, names)
            raise DataError(
                f"{path}, line {line}, column {name}: {text!r} is not a number"
            ) from error
        columns[group] = numbers if group in ("embedding", "base", "target") else numbers[:, 0]
    return columns


def _first_bad_cell(cells: Sequence[Sequence[str]], names: Sequence[str]) -> tuple[int, str, str]:
    for i, row in enumerate(cells):
        for name, text in zip(names, row, strict=True):
            try:
                float(text)
            except ValueError:
                return i + 2, name, text
    raise AssertionError("every cell is a number")


def _read_npz(path: Path) -> dict[str, NDArray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name in NPZ_NAMES}
    # A lone .npy array under this name is no context manager (TypeError); RuntimeError is a zip
    # with a password or an unknown compression.
    except (ValueError, TypeError, OSError, EOFError, RuntimeError, MemoryError,
            *ZIP_ERRORS) as error:  # fmt: skip
        why = "it holds Python objects" if "Object arrays" in str(error) else "no sound NPZ file"
        raise DataError(
            f"{path}: cannot be read as arrays: {why}",
            "write it with numpy.savez from arrays of numbers and text",
        ) from error
    columns: dict[str, NDArray] = {}
    for name in ("embedding", "base", "target", "point"):
        if name not in arrays:
            raise DataError(f"{path}: no array {name!r}", suggest(name, arrays))
    for name in ("embedding", "base", "target", "time", "quality"):
        if name in arrays:
            if arrays[name].dtype.kind not in "fiu":
                raise DataError(f"{path}: the array {name} holds {arrays[name].dtype}, not numbers")
            columns[name] = arrays[name].astype(np.float64)
    for name in ("point", "user", "model", "unit"):
        if name in arrays:
            if arrays[name].dtype.kind not in "fiuU":
                raise DataError(f"{path}: the array {name} holds {arrays[name].dtype}, not text")
            columns[name] = arrays[name].astype(np.str_)
    return columns


def _check(columns: dict[str, NDArray], source: str, first: int) -> None:
    """Check shapes and values; `first` is what the first row is called."""
    word = "line" if first else "row"
    if columns["point"].ndim != 1:
        raise DataError(f"{source}: point has shape {columns['point'].shape}, needed: (n,)")
    n = len(columns["point"])
    if n == 0:
        raise DataError(f"{source}: no rows")
    for name, values in columns.items():
        size = values.shape[-1] if values.ndim == 2 and values.shape[-1] else "D"
        dims = {"embedding": size, "base": 2, "target": 2}.get(name)
        shape = (n,) if dims is None else (n, dims)
        if values.shape != shape and not (values.dtype.kind == "U" and values.shape == ()):
            need = f"({n},)" if dims is None else f"({n}, {'D' if name == 'embedding' else 2})"
            raise DataError(f"{source}: {name} has shape {values.shape}, needed: {need}")
        if name in ("point", "user"):
            wrong, why = values == "", "is empty"
        elif name in ("model", "unit"):
            continue
        else:
            wrong, why = ~(np.abs(values) <= LARGEST), "is not a finite number of single precision"
            if name == "quality" and not wrong.any():
                wrong, why = (values < 0) | (values > 1), "is outside 0..1"
        if wrong.any():
            row, *column = np.argwhere(np.atleast_1d(wrong))[0].tolist()
            part = f"_{column[0] if name == 'embedding' else AXES[column[0]]}" if column else ""
            value = values[(row, *column)] if values.dtype.kind == "f" else "it"
            raise DataError(f"{source}, {word} {row + first}, column {name}{part}: {value} {why}")


def _one_target_a_point(
    columns: dict[str, NDArray], source: str, first: int, rows: NDArray | None = None
) -> None:
    """Refuse a point id that stands for two positions: it could not be left out as one."""
    _, start, code = np.unique(columns["point"], return_index=True, return_inverse=True)
    target = columns["target"]
    moved = (target != target[start][code]).any(axis=1)
    if moved.any():
        i = int(np.flatnonzero(moved)[0])
        row = (i if rows is None else int(rows[i])) + first
        raise DataError(
            f"{source}, {'line' if first else 'row'} {row}: point {columns['point'][i]!r} has "
            "another target than before",
            "give every target position its own point id",
        )


def _constant(values: Texts, name: str, path: Path, first: int) -> str:
    flat = values.reshape(-1)
    other = np.flatnonzero(flat != flat[0])
    if len(other):
        row = f"{'line' if first else 'row'} {other[0] + first}"
        raise DataError(
            f"{path}, {row}, column {name}: {str(flat[other[0]])[:12]!r} after "
            f"{str(flat[0])[:12]!r}",
            f"one file, one {name}",
        )
    return str(flat[0])
