"""The safetensors format: a JSON header and the tensors' bytes, memory-mapped.

The format's own package copies every tensor and has no bfloat16 for numpy.
"""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np

from eyecli.errors import DataError
from eyecli.weights.tensors import DIMENSIONS, DTYPES, MOST, Block, Tensor
from eyecli.workspace.manifest import DAMAGED

# The format allows four times that; of the largest networks it is 10 MB.
LARGEST_HEADER = 25_000_000
NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "C64": "complex64", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


ENTRY = msgspec.json.Decoder(_Entry)


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """Tell from its first bytes and its length whether a file is one."""
    return head[8:9] == b"{" and 8 + int.from_bytes(head[:8], "little") <= size


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Block]]:
    """Return the tensors of a file and where they are.

    Raises
    ------
    DataError
        If it is damaged: not exactly its tensors, one after the other.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LARGEST_HEADER:
            raise DataError(f"{path}: damaged: a header of {length} bytes")
        header = stream.read(length)
    try:
        entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        entries.pop("__metadata__", None)
        if len(entries) > MOST:
            raise DataError(f"{path}: more than {MOST} tensors in it")
        found = {name: ENTRY.decode(entry) for name, entry in entries.items()}
    except DAMAGED as error:
        raise DataError(f"{path}: damaged header: {error}") from error
    end, tensors, blocks = 8 + length, {}, {}
    for name, entry in sorted(found.items(), key=lambda item: item[1].data_offsets):
        if entry.dtype not in NAMES:
            raise DataError(f"{path}: {name[:80]!a} is of type {entry.dtype[:20]!a}",
                            f"known: {', '.join(NAMES)}")  # fmt: skip
        dtype = NAMES[entry.dtype]
        begin, stop = (8 + length + offset for offset in entry.data_offsets)
        shape = tuple(entry.shape[: DIMENSIONS + 1])
        size = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
        if begin != end or stop - begin != size or min(shape, default=0) < 0:
            raise DataError(f"{path}: damaged: {name[:80]!a} is not where it should be")
        end = stop
        blocks[name] = Block(begin, size)
        strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        tensors[name] = Tensor(name, dtype, 0, shape, strides)
    if end != path.stat().st_size:
        raise DataError(f"{path}: damaged: it is cut, or longer than its tensors",
                        "fetch or copy it again")  # fmt: skip
    return tensors, blocks
