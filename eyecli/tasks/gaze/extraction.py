"""Faces found in videos and pictures, by several processes, as samples like any others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eyecli.data.arrays import Arrays
from eyecli.data.raw import Raw, Read
from eyecli.errors import DataError
from eyecli.machine import usable_cores
from eyecli.processes import in_processes
from eyecli.progress import track
from eyecli.sources.source import Source
from eyecli.tasks.gaze.faces import (
    BLINK,
    CROPS,
    LOST,
    NO_FACE,
    NO_STIMULUS,
    OUTSIDE,
    SETTLING,
    SMALL_FACE,
    face_specs,
)
from eyecli.tasks.gaze.fields import TARGETS
from eyecli.tasks.gaze.frame_reasons import WORST_LAG_MS
from eyecli.tasks.gaze.picture_faces import PictureJob, extract_pictures
from eyecli.tasks.gaze.session_frames import Extracted, VideoJob, extract_video
from eyecli.tasks.gaze.sessions import Recording
from eyecli.tasks.gaze.settings import GazePreprocess, parse_clock_offset

log = logging.getLogger(__name__)

# Pictures that a process is given at once: enough to be worth its start, few enough to share out.
PILE = 64
Job = TypeVar("Job")


def extract_sessions(
    source: Source, recordings: Sequence[Recording], settings: GazePreprocess,
    setup: dict[str, Any], scratch: Path,
) -> Raw:  # fmt: skip
    """Find the faces of all videos of a source."""
    jobs = [
        VideoJob(
            source.path(r.video), source.digests[r.video], r.video, r.stem, r.session,
            scratch / f"{number:06d}", settings.face_size, settings.eye_size, settings.settle_ms,
            parse_clock_offset(settings.clock_offset_ms),
        )
        for number, r in enumerate(recordings)
    ]  # fmt: skip
    found = _run(extract_video, jobs, settings.processes, "videos")
    for recording, one in zip(recordings, found, strict=True):
        session = recording.session
        for row in one.rows:
            row |= {"subject": session.subject, "session": session.session,
                    "device": session.device, "orientation": session.orientation}  # fmt: skip
    _warn(source, recordings, found)
    untold = sum(one.facts.get("lag_ms", 0) is None for one in found)
    if untold and parse_clock_offset(settings.clock_offset_ms) is None:
        log.warning(
            "--clock-offset-ms auto: the lag of %d of %d sessions cannot be told, they are left "
            "uncorrected",
            untold, len(recordings),
        )  # fmt: skip
    files = [[r.video, r.notes] for r, one in zip(recordings, found, strict=True) for _ in one.rows]
    sessions = [
        {**r.columns(), **one.facts}
        for r, one in zip(recordings, found, strict=True)
        if not one.problems
    ]
    return _raw(source, found, files, settings, setup, sessions)


def extract_table(
    source: Source, samples: Sequence[dict[str, Any]], places: Sequence[str],
    files: Sequence[str], settings: GazePreprocess, setup: dict[str, Any], scratch: Path,
) -> Raw:  # fmt: skip
    """Find the faces of all pictures of a table.

    Parameters
    ----------
    samples, places, files
        Columns of every sample, where a person finds it, and its picture.
    """
    pictures = [
        (file, where, columns) for file, where, columns in zip(files, places, samples, strict=True)
    ]
    piles = [pictures[start : start + PILE] for start in range(0, len(pictures), PILE)]
    jobs = [
        PictureJob(
            # A process is told only of the files that it reads.
            replace(source, digests={file: source.digests[file] for file, _, _ in pile}), pile,
            scratch / f"{number * PILE:06d}", settings.face_size, settings.eye_size,
        )
        for number, pile in enumerate(piles)
    ]  # fmt: skip
    found = _run(extract_pictures, jobs, settings.processes, "pictures")
    file_of = {row["sample"]: file for row, file in zip(samples, files, strict=True)}
    kept = [[file_of[row["sample"]]] for one in found for row in one.rows]
    crowded = sum(row["faces"] > 1 for one in found for row in one.rows)
    if crowded:
        log.warning("%d pictures show several faces: the largest was taken", crowded)
    return _raw(source, found, kept, settings, setup, [])


def _run(
    work: Callable[[Job], Extracted], jobs: Sequence[Job], processes: int, label: str
) -> list[Extracted]:
    with closing(in_processes(work, jobs, processes or usable_cores())) as results:
        return [next(results) for _ in track(range(len(jobs)), label)]


def _raw(
    source: Source, found: Sequence[Extracted], files: Sequence[Sequence[str]],
    settings: GazePreprocess, setup: dict[str, Any], sessions: Sequence[dict[str, Any]],
) -> Raw:  # fmt: skip
    problems = [problem for one in found for problem in one.problems]
    dropped: Counter[str] = sum((Counter(one.dropped) for one in found), Counter())
    said = in_words(dropped)
    table = [row for one in found for row in one.rows]
    if not table and not problems:
        raise DataError(
            f"{source.folder}: no frame is left: {said or 'there are none'}", way_out(dropped)
        )
    log.info("faces: %d frames kept, left out: %s", len(table), said or "none")
    owners = [(one, place) for one in found for place in one.places]
    stores: dict[Path, Arrays] = {}

    def convert(position: int, read: Read) -> dict[str, np.ndarray]:
        one, place = owners[position]
        arrays = stores.get(one.folder) or stores.setdefault(one.folder, Arrays(one.folder))
        return {name: arrays.take(name, [place])[0] for name in arrays.names}

    return Raw(
        table, files, face_specs(settings.face_size, settings.eye_size), convert, setup, problems,
        targets=TARGETS, identifying=CROPS, dropped=dict(dropped),
        where=[where for one in found for where in one.where], sessions=sessions,
        exhibits=[exhibit for one in found for exhibit in one.exhibits],
        left_out=[entry for one in found for entry in one.left_out],
    )  # fmt: skip


def in_words(dropped: Mapping[str, int]) -> str:
    """Say how many frames each reason took."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))


def way_out(dropped: Mapping[str, int]) -> str:
    """Say what to look at where nothing is left, by the reason that took most."""
    asked = {
        NO_FACE: "is the face upright, lit and in the picture?",
        SMALL_FACE: "sit nearer, or record in a higher resolution",
        OUTSIDE: "keep the whole face in the picture",
        BLINK: "are the eyes open, and seen?",
        SETTLING: "are stimuli shown for longer than --settle-ms?",
        NO_STIMULUS: "are the times of the stimuli in ms since the video's first frame?",
    }
    # Frames that settle are many in any recording.
    blamed = {reason: n for reason, n in dropped.items() if reason in LOST} or dropped
    return asked[max(blamed, key=lambda reason: blamed[reason], default=NO_FACE)]


def _warn(source: Source, recordings: Sequence[Recording], found: Sequence[Extracted]) -> None:
    """Say which videos gave nothing, and which do not keep the time of their stimuli."""
    for recording, one in zip(recordings, found, strict=True):
        if one.facts and not one.rows:
            log.warning(
                "%s gives no sample: %s; %s",
                source.folder / recording.video, in_words(one.dropped), way_out(one.dropped),
            )  # fmt: skip
    crowded = [r.video for r, one in zip(recordings, found, strict=True)
               if one.facts.get("several_faces")]  # fmt: skip
    if crowded:
        log.warning(
            "%d of %d videos show several people, such as %s: the face that is followed may be "
            "another's; see the contact sheet",
            len(crowded), len(recordings), source.folder / crowded[0],
        )  # fmt: skip
    lags = [
        (one.facts["lag_ms"] - one.facts["clock_offset_ms"], one.facts["lag_ms"], r.video)
        for r, one in zip(recordings, found, strict=True)
        if one.facts.get("lag_ms") is not None
    ]
    if not lags:
        log.info("lag between video and stimuli: too little to tell it by")
        return
    log.info(
        "lag between video and stimuli: median %+.0f ms, %+.0f to %+.0f, of %d of %d sessions",
        np.median([lag for _, lag, _ in lags]), min(lag for _, lag, _ in lags),
        max(lag for _, lag, _ in lags), len(lags), len(recordings),
    )  # fmt: skip
    late = [entry for entry in lags if abs(entry[0]) > WORST_LAG_MS]
    if late:
        left, _, video = max(late, key=lambda entry: abs(entry[0]))
        log.warning(
            "%d of %d sessions: video and stimuli are more than %.0f ms apart after the clock "
            "offset applied, most in %s (%+.0f ms): prepare with --clock-offset-ms auto, or with "
            "the offset that you know",
            len(late), len(recordings), WORST_LAG_MS, source.folder / video, left,
        )  # fmt: skip
    corrected = sum(bool(one.facts.get("clock_offset_ms")) for one in found)
    if corrected:
        log.info("clock offset applied to %d of %d sessions", corrected, len(recordings))
