"""The two containers of PyTorch: a zip of a pickle and storages, and, before 1.6, one stream."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from eyecli.errors import DataError
from eyecli.weights.pickled import LARGEST, Storage, read_pickle
from eyecli.weights.tensors import DTYPES, Block

ZIP = b"PK\x03\x04"
# The first two pickles of the older format.
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
LOCAL_HEADER = 30
# What zipfile raises on bytes that are no zip.
ZIP_ERRORS = (BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError, EOFError)


def read_zip(path: Path) -> tuple[object, dict[str, Block]]:
    """Read the pickle of a zip file of PyTorch, and find where its storages are.

    Their checksums are not looked at: PyTorch writes wrong ones if told to, and never reads them.

    Returns
    -------
    object
        What the pickle says, see `read_pickle`.
    dict
        Key of a storage to where it is.

    Raises
    ------
    DataError
        If the file is damaged, or holds more than tensors, numbers, strings, lists and dicts.
    """
    with path.open("rb") as stream:
        members = _members(path, stream)
        tops = [name.removesuffix("/data.pkl") for name in members if name.endswith("/data.pkl")]
        tops = [top for top in tops if "/" not in top]
        if len(tops) != 1:
            raise DataError(
                f"{path}: a zip, but no weights of PyTorch: it has {len(tops)} data.pkl, not one"
            )
        order = _read(stream, members.get(f"{tops[0]}/byteorder", Block(0, 0)))
        if order not in (b"", b"little"):
            raise DataError(
                f"{path}: its byte order is '{ascii(order)[2:-1][:20]}', not little",
                "save it on a machine of today",
            )
        pickle = members[f"{tops[0]}/data.pkl"]
        if pickle.bytes > LARGEST:
            raise DataError(f"{path}: its pickle has {pickle.bytes} bytes, too many for weights")
        value, storages = read_pickle(io.BytesIO(_read(stream, pickle)), path)
    places = {}
    for key, storage in storages.items():
        block = members.get(f"{tops[0]}/data/{key}")
        if block is None or block.bytes < _bytes(storage):
            raise DataError(f"{path}: damaged: storage {key[:20]!a} is missing or cut")
        places[key] = Block(block.start, _bytes(storage))
    return value, places


def _members(path: Path, stream: BinaryIO) -> dict[str, Block]:
    """Return where the bytes of every member are, all apart and in the file."""
    try:
        with ZipFile(stream) as archive:
            entries = archive.infolist()
        if any(entry.filename.endswith("/constants.pkl") for entry in entries):
            raise DataError(
                f"{path}: a TorchScript program",
                "where it was made, save its tensors alone: torch.save(program.state_dict(), ...)",
            )
        members = {entry.filename: _block(stream, entry) for entry in entries}
    except ZIP_ERRORS as error:
        raise DataError(f"{path}: damaged: {error}", "fetch or copy it again") from error
    if len(members) != len(entries):
        raise DataError(f"{path}: damaged: two members of one name")
    end = 0
    for block in sorted(members.values(), key=lambda block: (block.start, block.bytes)):
        if block.start < end:
            raise DataError(f"{path}: damaged: members overlap")
        end = block.start + block.bytes
    if end > path.stat().st_size:
        raise DataError(f"{path}: damaged: it is cut", "fetch or copy it again")
    return members


def _block(stream: BinaryIO, entry: ZipInfo) -> Block:
    """Return where the bytes of a member are: what its own header says, not the directory."""
    if entry.compress_type != ZIP_STORED or entry.flag_bits & 1:
        raise BadZipFile("its members are compressed; PyTorch stores them as they are")
    stream.seek(entry.header_offset)
    header = stream.read(LOCAL_HEADER)
    signature, name, extra = struct.unpack("<4s22xHH", header)
    if signature != ZIP or entry.file_size != entry.compress_size:
        raise BadZipFile("a member has no header")
    return Block(entry.header_offset + LOCAL_HEADER + name + extra, entry.file_size)


def _read(stream: BinaryIO, block: Block) -> bytes:
    stream.seek(block.start)
    return stream.read(block.bytes)


def looks_like_legacy(head: bytes) -> bool:
    """Tell from its first bytes whether a file is of PyTorch's older format."""
    return head[:1] == b"\x80" and MAGIC.to_bytes(10, "little") in head[:32]


def read_legacy(path: Path) -> tuple[object, dict[str, Block]]:
    """Read the pickle of a file as PyTorch wrote it before 1.6, and find where its storages are.

    Returns
    -------
    object
        What the pickle says, see `read_pickle`.
    dict
        Key of a storage to where it is.

    Raises
    ------
    DataError
        If the file is damaged, or holds more than tensors, numbers, strings, lists and dicts.
    """
    with path.open("rb") as file:
        stream = io.BytesIO(file.read(LARGEST))
    magic, protocol, machine = (read_pickle(stream, path)[0] for _ in range(3))
    if (magic, protocol) != (MAGIC, PROTOCOL) or not isinstance(machine, dict):
        raise DataError(f"{path}: damaged: does not begin as PyTorch's files do")
    if machine.get("little_endian") is not True:
        raise DataError(f"{path}: its byte order is not little", "save it on a machine of today")
    value, storages = read_pickle(stream, path)
    keys, _ = read_pickle(stream, path)
    if (
        not isinstance(keys, list)
        or not all(isinstance(key, str) for key in keys)
        or sorted(keys) != sorted(storages)
    ):
        raise DataError(f"{path}: damaged: not the storages that its tensors lie in")
    places = {}
    at = stream.tell()
    with path.open("rb") as file:
        for key in keys:
            file.seek(at)
            count, size = file.read(8), _bytes(storages[key])
            if count != struct.pack("<q", storages[key].elements):
                raise DataError(f"{path}: damaged: storage {key[:20]!a} has another length")
            places[key] = Block(at + 8, size)
            at += 8 + size
    if at > path.stat().st_size:
        raise DataError(f"{path}: damaged: it is cut", "fetch or copy it again")
    return value, places


def _bytes(storage: Storage) -> int:
    return storage.elements * np.dtype(DTYPES[storage.dtype]).itemsize
