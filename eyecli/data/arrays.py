"""Arrays on disk: memory-mapped ``.npy`` shards, appended while preparing, read by row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import msgspec
import numpy as np

from eyecli.errors import DataError

SHARD_BYTES = 256 * 2**20
INDEX = "arrays.json"
# What NumPy raises on a damaged .npy: its header is the text of a Python literal.
NPY_ERRORS = (OSError, ValueError, TypeError, SyntaxError, TokenError)


class ArraySpec(msgspec.Struct, frozen=True):
    """Shape and type of one row of an array."""

    shape: tuple[int, ...]
    dtype: str


class _Layout(msgspec.Struct, frozen=True):
    rows: int
    rows_per_shard: int
    spec: ArraySpec


class ArrayWriter:
    """Append rows to named arrays; a shard is a file, so that clusters see few files.

    Parameters
    ----------
    folder
        Where the shards go.
    specs
        Name to row shape and type.
    shard_bytes
        Size of a shard, at most.
    """

    def __init__(
        self, folder: Path, specs: dict[str, ArraySpec], shard_bytes: int = SHARD_BYTES
    ) -> None:
        self.folder = folder
        self.specs = specs
        self.rows = 0
        self._per_shard = {
            name: max(1, shard_bytes // max(1, _row_bytes(spec))) for name, spec in specs.items()
        }
        self._open: dict[str, BinaryIO] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, row: dict[str, np.ndarray]) -> None:
        """Add one row to every array.

        Raises
        ------
        ValueError
            If a row has another shape or type than was said.
        """
        for name, spec in self.specs.items():
            value = row[name]
            if value.shape != tuple(spec.shape) or value.dtype != np.dtype(spec.dtype):
                raise ValueError(f"array {name}: {value.shape} {value.dtype} is not {spec}")
            shard, place = divmod(self.rows, self._per_shard[name])
            if place == 0:
                self._finish(name, self._per_shard[name])
                self._open[name] = (self.folder / shard_name(name, shard)).open("wb")
                # Written again with the number of rows, which makes it no longer.
                _write_header(self._open[name], spec, 0)
            self._open[name].write(np.ascontiguousarray(value).data)
        self.rows += 1

    def _finish(self, name: str, rows: int) -> None:
        if name in self._open:
            with self._open.pop(name) as stream:
                stream.seek(0)
                _write_header(stream, self.specs[name], rows)

    def close(self) -> None:
        """Write what is left and the index of the arrays."""
        layouts = {}
        for name, spec in self.specs.items():
            self._finish(name, (self.rows - 1) % self._per_shard[name] + 1)
            layouts[name] = _Layout(self.rows, self._per_shard[name], spec)
        encoded = msgspec.json.encode(layouts, order="deterministic")
        (self.folder / INDEX).write_bytes(encoded + b"\n")


def _write_header(stream: BinaryIO, spec: ArraySpec, rows: int) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(spec.dtype)),
        "fortran_order": False,
        "shape": (rows, *spec.shape),
    }
    np.lib.format.write_array_header_1_0(stream, header)


def _row_bytes(spec: ArraySpec) -> int:
    return int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize


def shard_name(name: str, shard: int) -> str:
    """File name of a shard."""
    return f"{name}-{shard:05d}.npy"


def read_npy(path: Path) -> np.ndarray:
    """Map a ``.npy`` file; unlike `numpy.load`, nothing else, and never Python objects.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except NPY_ERRORS as error:
        raise DataError(f"{path}: damaged array: {error}", "eyecli workspace verify") from error


class Arrays:
    """Named arrays in a folder, read by row number without loading what is not asked for.

    Raises
    ------
    DataError
        If the folder holds no arrays, or a shard is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / INDEX
        try:
            self._layouts = msgspec.json.decode(path.read_bytes(), type=dict[str, _Layout])
        except (OSError, msgspec.MsgspecError) as error:
            raise DataError(
                f"{path}: no array index: {error}", "eyecli workspace verify"
            ) from error
        self._folder = folder
        self._shards: dict[str, list[np.ndarray]] = {}

    @property
    def names(self) -> list[str]:
        """Names of the arrays."""
        return sorted(self._layouts)

    @property
    def specs(self) -> dict[str, ArraySpec]:
        """Row shape and type of every array."""
        return {name: self.spec(name) for name in self.names}

    def spec(self, name: str) -> ArraySpec:
        """Row shape and type of an array."""
        return self._layouts[name].spec

    def rows(self, name: str) -> int:
        """Number of rows of an array."""
        return self._layouts[name].rows

    def take(self, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read rows into a new array of shape (len(rows), ...)."""
        layout = self._layouts[name]
        if name not in self._shards:
            self._shards[name] = [
                self._open(layout, name, shard)
                for shard in range(-(-layout.rows // layout.rows_per_shard))
            ]
        out = np.empty((len(rows), *layout.spec.shape), dtype=layout.spec.dtype)
        shards = self._shards[name]
        for position, row in enumerate(rows):
            shard, offset = divmod(int(row), layout.rows_per_shard)
            out[position] = shards[shard][offset]
        return out

    def _open(self, layout: _Layout, name: str, shard: int) -> np.ndarray:
        path = self._folder / shard_name(name, shard)
        rows = min(layout.rows_per_shard, layout.rows - shard * layout.rows_per_shard)
        shape, dtype = (rows, *layout.spec.shape), np.dtype(layout.spec.dtype)
        values = read_npy(path)
        if values.shape != shape or values.dtype != dtype:
            raise DataError(
                f"{path}: damaged array: {values.shape} {values.dtype}, expected {shape} {dtype}",
                "eyecli workspace verify",
            )
        return values
