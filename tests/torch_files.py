"""Files as PyTorch writes them, made without it: the opcodes of pickle, and its two containers."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
CLASSES = {"float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage",
           "bfloat16": "BFloat16Storage", "int64": "LongStorage", "int32": "IntStorage",
           "int16": "ShortStorage", "int8": "CharStorage", "uint8": "ByteStorage",
           "bool": "BoolStorage"}  # fmt: skip


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are, for what should be refused."""

    opcodes: bytes


@dataclass(eq=False)
class Stored:
    """A storage; its elements are those of `data` unless `elements` claims another number."""

    data: np.ndarray
    dtype: str = ""
    elements: int | None = None


@dataclass(frozen=True)
class Part:
    """A tensor: a view of a storage."""

    storage: Stored
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass
class _Pickle:
    storages: list[Stored] = field(default_factory=list)
    legacy: bool = False

    def encode(self, value: Any) -> bytes:
        return b"".join(self._opcodes(value))

    def _opcodes(self, value: Any) -> Iterator[bytes]:
        if isinstance(value, Raw):
            yield value.opcodes
        elif value is None or isinstance(value, bool):
            yield {None: b"N", True: b"\x88", False: b"\x89"}[value]
        elif isinstance(value, int):
            size = (value.bit_length() + 8) // 8
            yield b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        elif isinstance(value, float):
            yield b"G" + struct.pack(">d", value)
        elif isinstance(value, str):
            yield b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        elif isinstance(value, tuple):
            yield b"(" + b"".join(map(self.encode, value)) + b"t"
        elif isinstance(value, list):
            yield b"](" + b"".join(map(self.encode, value)) + b"e"
        elif isinstance(value, Mapping):
            pairs = b"".join(self.encode(key) + self.encode(part) for key, part in value.items())
            yield b"ccollections\nOrderedDict\n)R(" + pairs + b"u"
        elif isinstance(value, Stored):
            yield self._storage(value)
        elif isinstance(value, Part):
            yield b"ctorch._utils\n_rebuild_tensor_v2\n("
            yield from map(self.encode, (value.storage, value.offset, value.size, value.stride))
            yield b"\x89ccollections\nOrderedDict\n)RtR"
        else:
            yield self.encode(tensor(np.asarray(value)))

    def _storage(self, storage: Stored) -> bytes:
        if not any(storage is other for other in self.storages):
            self.storages.append(storage)
        key = str(next(n for n, other in enumerate(self.storages) if other is storage))
        cls = Raw(f"ctorch\n{CLASSES[dtype_of(storage)]}\n".encode())
        more = (None,) if self.legacy else ()
        return self.encode(("storage", cls, key, "cuda:0", elements_of(storage), *more)) + b"Q"


def tensor(array: np.ndarray) -> Part:
    """Return a tensor that has a storage of its own."""
    size = array.shape
    stride = tuple(int(np.prod(size[axis + 1 :])) for axis in range(len(size)))
    return Part(Stored(np.ascontiguousarray(array).reshape(-1)), 0, size, stride)


def dtype_of(storage: Stored) -> str:
    return storage.dtype or str(storage.data.dtype)


def elements_of(storage: Stored) -> int:
    return len(storage.data) if storage.elements is None else storage.elements


def write_zip(path: Path, value: Any, **members: bytes) -> Path:
    """Write a file in the format of PyTorch 1.6 and later."""
    pickle = _Pickle()
    content = b"\x80\x02" + pickle.encode(value) + b"."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", members.pop("byteorder", b"little"))
        for key, storage in enumerate(pickle.storages):
            archive.writestr(f"archive/data/{key}", storage.data.tobytes())
        for name, extra in members.items():
            archive.writestr(f"archive/{name}", extra)
    return path


def write_legacy(path: Path, value: Any, little_endian: bool = True) -> Path:
    """Write a file in the format of PyTorch before 1.6."""
    pickle = _Pickle(legacy=True)
    content = pickle.encode(value)
    parts = [
        MAGIC,
        pickle.encode(1001),
        pickle.encode({"protocol_version": 1001, "little_endian": little_endian}),
        content,
        pickle.encode([str(key) for key in range(len(pickle.storages))]),
    ]
    with path.open("wb") as stream:
        stream.write(b"".join(b"\x80\x02" + part + b"." for part in parts))
        for storage in pickle.storages:
            stream.write(struct.pack("<q", elements_of(storage)) + storage.data.tobytes())
    return path
