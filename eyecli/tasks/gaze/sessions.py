"""Face sessions in a source: videos, the JSON beside each, and what is wrong with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from eyecli.errors import DataError
from eyecli.imaging.video import duration_ms
from eyecli.sources.source import Source
from eyecli.tasks.gaze.session_file import Session, misfit, parse_session
from eyecli.tasks.gaze.session_pairs import pair_files, stem_of


@dataclass(frozen=True)
class Recording:
    """A video and its JSON.

    Attributes
    ----------
    stem
        Their path without its ending.
    video, notes
        Paths of the video and of the JSON.
    session
        What the JSON says.
    """

    stem: str
    video: str
    notes: str
    session: Session

    def columns(self) -> dict[str, Any]:
        """Return what the table of sessions says of it, but for its frames."""
        session, screen = self.session, self.session.screen
        sizes = {
            f"screen_{side}_{unit}": size
            for unit, pair in (("px", screen.px), ("cm", screen.cm))
            for side, size in zip("wh", pair, strict=True)
        }
        return {
            "subject": session.subject,
            "session": session.session,
            "device": session.device,
            "orientation": session.orientation,
            **sizes,
            "camera_x_cm": screen.camera_cm[0],
            "camera_y_cm": screen.camera_cm[1],
            "distance_cm": session.distance_cm,
        }


def read_sessions(
    source: Source, offset_ms: float | None = 0.0
) -> tuple[list[Recording], list[str]]:
    """Read the JSON of every video and compare its times with the video's length.

    Parameters
    ----------
    source
        The files.
    offset_ms
        By how much videos are late; None where that is still to be estimated.

    Returns
    -------
    recordings, problems
    """
    pairs = pair_files(source.digests)
    found: list[Recording] = []
    problems = _alone(source, pairs)
    users = Counter(filter(None, pairs.values()))
    for video, notes in pairs.items():
        stem = stem_of(video)
        if notes is None:
            problems.append(
                f"{source.folder / video}: no {PurePosixPath(stem).name}.json beside it"
            )
            continue
        if users[notes] > 1:
            problems.append(f"{source.folder / video}: another video has {notes} beside it too")
            continue
        try:
            session = parse_session(source.read(notes), str(source.folder / notes))
            # Two recordings of a person are two sessions, whether or not they are numbered.
            session = replace(session, session=session.session or PurePosixPath(stem).name)
        except DataError as error:
            problems.append(error.message)
            continue
        found.append(Recording(stem, video, notes, session))
    # Opening a file is waiting for the disk.
    with ThreadPoolExecutor() as pool:
        checked = list(
            pool.map(lambda recording: _length_problem(source, recording, offset_ms), found)
        )
    problems += [problem for problem in checked if problem] + _twice(source, found)
    return found, problems


def _alone(source: Source, pairs: Mapping[str, str | None]) -> list[str]:
    """Find sessions without a video: a person would be missing without a word."""
    used = set(pairs.values())
    problems = []
    for name in source.digests:
        if name in used or not name.lower().endswith(".json"):
            continue
        try:
            found = json.loads(source.read(name))
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and "stimuli" in found:
            problems.append(f"{source.folder / name}: a session, but no video beside it")
    return problems


def _length_problem(source: Source, recording: Recording, offset_ms: float | None) -> str | None:
    try:
        path = source.path(recording.video)
        length = duration_ms(path)
    except DataError as error:
        return error.message
    return misfit(path, recording.session, length, offset_ms)


def _twice(source: Source, recordings: Iterable[Recording]) -> list[str]:
    """Find recordings of one person under one session: they could not be told apart."""
    first: dict[tuple[str, str], Recording] = {}
    problems = []
    for recording in recordings:
        key = (recording.session.subject, recording.session.session)
        other = first.setdefault(key, recording)
        if other is not recording:
            problems.append(
                f"{source.folder / recording.notes}: the subject and session of "
                f"{source.folder / other.notes}; give every recording its own `session`"
            )
    return problems
