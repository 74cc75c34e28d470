"""Sources of fundus photographs for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eyecli.sources.source import Source
from eyecli.workspace.manifest import sha256_file


def make_source(folder: Path, layout: str, files: Mapping[str, bytes], **more: Any) -> Source:
    """Write files and describe them as `fetch path` does."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Source(folder, layout, digests(folder), **more)


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
