"""Which files of a source are a video and the JSON beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from eyecli.imaging.video import SUFFIXES


def pair_files(names: Iterable[str]) -> dict[str, str | None]:
    """Return every video, in order, and the JSON beside it, or None where there is none."""
    listing = list(names)
    notes = {stem_of(name): name for name in listing if name.lower().endswith(".json")}
    videos = sorted(name for name in listing if name.lower().endswith(SUFFIXES))
    return {video: notes.get(stem_of(video)) for video in videos}


def stem_of(name: str) -> str:
    """Return a path without its ending."""
    return PurePosixPath(name).with_suffix("").as_posix()


def is_face_sessions(names: Iterable[str]) -> bool:
    """Videos with a JSON of the same name beside them."""
    return any(pair_files(names).values())
