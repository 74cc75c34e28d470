"""File names of raw data as they are published, and which layout each is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from archives import write_files

from eyecli.sources.layouts import Found, find_layout
from eyecli.tasks.base import all_layouts


def recognised(folder: Path, files: Mapping[str, str] | list[str]) -> Found:
    """Recognise files of these names, with these contents."""
    texts = files if isinstance(files, Mapping) else dict.fromkeys(files, "")
    write_files(folder, {name: text.encode() for name, text in texts.items()})
    return find_layout(folder, all_layouts(), folder / "no-workspace")
