"""Tensors that lie somewhere in a file: what they are, and views of them that copy nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eyecli.errors import DataError

# torch's name of a type to numpy's, as stored. bfloat16 is the upper half of a float32.
DTYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2",
    "complex64": "<c8", "complex128": "<c16",
    "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "i1",
    "uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "u1", "bool": "?",
}  # fmt: skip
# An expanded tensor repeats its elements: few bytes in a file may stand for terabytes.
REPEATED_BYTES = 64 * 2**20
# numpy's own limit.
DIMENSIONS = 32
LARGEST = 2**58
# The largest networks have some thousands.
MOST = 100_000


@dataclass(frozen=True)
class Tensor:
    """A tensor in a file.

    Attributes
    ----------
    key
        Which block of the file it lies in.
    dtype
        A key of `DTYPES`.
    offset
        Where it begins in the block, in elements.
    size, stride
        Of every axis, in elements.
    """

    key: str
    dtype: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """Where bytes of a file are that one or more tensors share."""

    start: int
    bytes: int


class Blocks:
    """The blocks of a file, memory-mapped.

    Parameters
    ----------
    path
        The file.
    blocks
        Where each is.
    """

    def __init__(self, path: Path, blocks: Mapping[str, Block]) -> None:
        self.path = path
        self.blocks = blocks
        self._file = np.memmap(path, np.uint8, mode="r").view(np.ndarray)
        self._elements: dict[tuple[str, str], np.ndarray] = {}
        self._repeated = 0

    def array(self, tensor: Tensor, name: str) -> np.ndarray:
        """Return a tensor as a read-only view of the file; bfloat16 widened to float32.

        Parameters
        ----------
        tensor, name
            What to read, and what to call it in messages.

        Raises
        ------
        DataError
            If any of it lies outside its block, or it is absurdly large.
        """
        size, stride = tensor.size, tensor.stride
        numbers = (*size, *stride, tensor.offset)
        if (
            not all(isinstance(n, int) and 0 <= n < LARGEST for n in numbers)
            or len(size) != len(stride)
            or len(size) > DIMENSIONS
            # numpy multiplies the axes of an empty array too.
            or math.prod(n for n in size if n) >= LARGEST
        ):
            raise DataError(f"{self.path}: {name}: damaged: no possible shape")
        elements = self._block(tensor, name)
        if 0 in size:
            return np.empty(size, elements.dtype)
        span = 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if tensor.offset + span > len(elements):
            raise DataError(
                f"{self.path}: {name}: damaged: reaches beyond its storage of "
                f"{len(elements)} elements"
            )
        if math.prod(size) > span:
            self._repeated += math.prod(size) * elements.itemsize
            if self._repeated > REPEATED_BYTES:
                raise DataError(f"{self.path}: {name}: an expanded tensor of absurd size")
        strides = [
            step * elements.itemsize if n > 1 else 0 for n, step in zip(size, stride, strict=True)
        ]
        return np.lib.stride_tricks.as_strided(
            elements[tensor.offset :], size, strides, writeable=False
        )

    def _block(self, tensor: Tensor, name: str) -> np.ndarray:
        """Return all elements of a block; widened once, however many tensors share it."""
        at = tensor.key, tensor.dtype
        if at not in self._elements:
            block = self.blocks.get(tensor.key)
            if block is None:
                raise DataError(f"{self.path}: {name}: damaged: its storage is missing")
            dtype = np.dtype(DTYPES[tensor.dtype])
            whole = block.bytes // dtype.itemsize * dtype.itemsize
            stored = self._file[block.start : block.start + whole].view(dtype)
            if tensor.dtype == "bfloat16":
                stored = (stored.astype("<u4") << 16).view("<f4")
            self._elements[at] = stored
        return self._elements[at]
