"""Core ML packages as folders: written the same way every time, read with clear errors."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from eyecli.errors import DataError
from eyecli.mlprogram import MODEL_FILE, WEIGHT_FILE, read_coreml

read = read_coreml


def write(path: Path, spec: bytes, weights: bytes | Mapping[str, bytes] | None = None) -> Path:
    """Write a Core ML package folder; equal content gives equal files.

    Parameters
    ----------
    path
        The folder to make, by custom ending in ``.mlpackage``.
    spec
        The serialised protobuf message `Model`.
    weights
        The content of ``weight.bin``, or of several files by name, as a pipeline has them; None
        for a program whose constants are all immediate.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    DataError
        If the folder exists already.
    """
    if path.exists():
        raise DataError(f"{path} exists already", "name another folder, or remove this one")
    main, folder = Path(MODEL_FILE), Path(WEIGHT_FILE).parent
    files = {main: spec}
    if isinstance(weights, bytes):
        files[Path(WEIGHT_FILE)] = weights
    elif weights:
        files |= {folder / name: weights[name] for name in sorted(weights)}
    for file, content in files.items():
        target = path / "Data" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    items = [("model.mlmodel", "Specification", main, spec)]
    if len(files) > 1:
        items.append(("weights", "Weights", folder, b"".join(list(files.values())[1:])))
    entries = {
        _identifier(name, content): {
            "author": "com.apple.CoreML",
            "description": f"CoreML Model {what}",
            "name": name,
            "path": place.as_posix(),
        }
        for name, what, place, content in items
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": _identifier("model.mlmodel", spec),
    }
    text = json.dumps(manifest, indent=4, sort_keys=True) + "\n"
    (path / "Manifest.json").write_text(text, encoding="utf-8")
    return path


def _identifier(name: str, content: bytes) -> str:
    """Name an item by its content (RFC 9562, version 8), where Apple's library draws at random."""
    raw = bytearray(hashlib.sha256(name.encode() + b"\0" + content).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def functions(path: Path) -> list[str]:
    """Name the functions of a package, sorted: ``main``, or more in a multi-function package."""
    return sorted(read(path).mlProgram.functions)


def digest(path: Path) -> str:
    """Hash a package's file names and contents: sha256, hexadecimal."""
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{content}  {file.relative_to(path).as_posix()}\n".encode())
    return total.hexdigest()
