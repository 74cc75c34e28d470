"""The content of a weight.bin, as coremltools lays it out: a header, then blobs."""

from __future__ import annotations

import struct

from eyecli.errors import DataError
from eyecli.mlprogram import BLOB_HEADER, BLOB_MARK

# How a program of one part names its file.
WEIGHTS = "@model_path/weights/weight.bin"
FLOAT16 = 1
_FILE_HEADER = struct.Struct("<II")
_VERSION = 2
_ALIGNMENT = 64


def append_blob(weights: bytearray, raw: bytes, kind: int = FLOAT16) -> int:
    """Append a blob to the content of a weight.bin.

    The file's header counts the blobs; every blob is a header and its data, each at a multiple of
    64 bytes.

    Parameters
    ----------
    weights
        The content so far, changed in place; empty for a new file.
    raw, kind
        The blob's data, and the number of their type.

    Returns
    -------
    int
        The offset of the blob's header.
    """
    if not weights:
        weights += _FILE_HEADER.pack(0, _VERSION).ljust(_ALIGNMENT, b"\0")
    weights += bytes(-len(weights) % _ALIGNMENT)
    offset = len(weights)
    header = BLOB_HEADER.pack(BLOB_MARK, kind, len(raw), offset + _ALIGNMENT)
    weights += header.ljust(_ALIGNMENT, b"\0") + raw
    count, version = _FILE_HEADER.unpack_from(weights)
    _FILE_HEADER.pack_into(weights, 0, count + 1, version)
    return offset


def read_blob(weights: bytes, offset: int) -> tuple[bytes, int]:
    """Return the data of the blob whose header is at an offset, and the number of their type.

    Raises
    ------
    DataError
        If there is none.
    """
    if offset + BLOB_HEADER.size <= len(weights):
        mark, kind, size, start = BLOB_HEADER.unpack_from(weights, offset)
        if mark == BLOB_MARK and start + size <= len(weights):
            return bytes(weights[start : start + size]), kind
    raise DataError(f"no blob at {offset} of the weights", "copy the whole package again")
