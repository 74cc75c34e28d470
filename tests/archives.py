"""Archives of all kinds, made by the libraries that everybody makes them with."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

TAR_MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def write_zip(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return path


def write_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a tar, compressed as its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (mode,) = (mode for suffix, mode in TAR_MODES.items() if path.name.endswith(suffix))
    with tarfile.open(path, mode) as target:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return path


def split(path: Path, parts: int, first: int = 1) -> list[Path]:
    """Cut a file into ``<name>.001`` and so on, and remove it."""
    content = path.read_bytes()
    size = -(-len(content) // parts)
    made = []
    for number in range(parts):
        part = path.with_name(f"{path.name}.{first + number:03d}")
        part.write_bytes(content[number * size : (number + 1) * size])
        made.append(part)
    path.unlink()
    return made


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
