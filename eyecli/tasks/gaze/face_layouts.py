"""Layouts whose samples are known only once faces were looked for: videos and whole pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.data.raw import Raw, Read
from eyecli.data.tables import refuse_settings
from eyecli.errors import UsageError
from eyecli.sources.source import Source
from eyecli.tasks.gaze.faces import CROPS, MIRRORED, face_specs
from eyecli.tasks.gaze.fields import FRAME, TARGETS
from eyecli.tasks.gaze.sessions import read_sessions
from eyecli.tasks.gaze.settings import GazePreprocess, parse_clock_offset, parse_size

# Where a person finds the sample: file, and row of a table.
WHERE = "where"

Row = dict[str, Any]


def list_sessions(source: Source, settings: GazePreprocess) -> Raw:
    """Return the stimuli of face sessions, whose frames are still to be looked at.

    Raises
    ------
    UsageError
        If the settings say what the sessions' JSON says.
    """
    refuse_settings(source, "face-sessions")
    for value, flag in (
        (settings.screen_px, "--screen-px"),
        (settings.screen_cm, "--screen-cm"),
        (settings.distance_cm, "--distance-cm"),
    ):
        if value:
            raise UsageError(f"{flag} does not go with face sessions", "their JSON says it")
    recordings, problems = read_sessions(source, parse_clock_offset(settings.clock_offset_ms))
    # Screens differ; cm from the camera are what a face can tell on any of them.
    setup = setup_of(replace(settings, unit="cm"), ["face", "left"], True)
    # A user's videos are treated as those that the model was made of.
    setup |= {"settle_ms": settings.settle_ms, "clock_offset_ms": settings.clock_offset_ms}
    table = [
        {
            "sample": f"{r.stem}/{number}", "subject": r.session.subject,
            "session": r.session.session, "device": r.session.device,
            "orientation": r.session.orientation, "point": stimulus.point,
            "target_x": stimulus.x, "target_y": stimulus.y,
        }
        for r in recordings
        for number, stimulus in enumerate(r.session.stimuli)
    ]  # fmt: skip
    files = [[r.video, r.notes] for r in recordings for _ in r.session.stimuli]
    where = [str(source.folder / r.notes) for r in recordings for _ in r.session.stimuli]

    def extract(scratch: Path) -> Raw:
        from eyecli.tasks.gaze.extraction import extract_sessions

        return extract_sessions(source, recordings, settings, setup, scratch)

    return _expected(table, files, where, setup, problems, settings, extract)


def list_pictures(
    source: Source, samples: list[Row], files: list[list[str]], problems: list[str],
    settings: GazePreprocess,
) -> Raw:  # fmt: skip
    """Return the rows of a table of whole pictures, whose faces are still to be found."""
    setup = setup_of(settings, ["face", "left"], True)
    where = [sample[WHERE] for sample in samples]
    table = [{k: v for k, v in sample.items() if k not in (FRAME, WHERE)} for sample in samples]

    def extract(scratch: Path) -> Raw:
        from eyecli.tasks.gaze.extraction import extract_table

        return extract_table(
            source, table, where, [file for (file,) in files], settings, setup, scratch
        )

    def restrict(rows: Sequence[int]) -> Raw:
        own = [samples[i] for i in rows]
        return list_pictures(source, own, [files[i] for i in rows], problems, settings)

    listed = _expected(table, files, where, setup, problems, settings, extract)
    return replace(listed, restrict=restrict)


def _expected(
    table: list[Row], files: list[list[str]], where: list[str], setup: dict[str, Any],
    problems: list[str], settings: GazePreprocess, extract: Callable[[Path], Raw],
) -> Raw:  # fmt: skip
    """Return samples whose faces are still to be found."""

    def convert(position: int, read: Read) -> dict[str, np.ndarray]:
        raise AssertionError("faces are extracted first")

    return Raw(
        table, files, face_specs(settings.face_size, settings.eye_size), convert, setup, problems,
        targets=TARGETS, identifying=CROPS, where=where, extract=extract,
        details=[{k: v for k, v in row.items() if k != "sample"} for row in table],
    )  # fmt: skip


def setup_of(settings: GazePreprocess, images: list[str], has_boxes: bool) -> dict[str, Any]:
    """Return what training and export must know of crops with these images."""
    inputs = (["face"] if "face" in images else []) + (["eyes"] if "left" in images else [])
    return {
        "inputs": inputs + (["boxes"] if has_boxes else []),
        "eye_size": settings.eye_size,
        "face_size": settings.face_size,
        "mirrored": list(MIRRORED),
        "unit": settings.unit,
        "screen_px": parse_size(settings.screen_px, "--screen-px"),
        "screen_cm": parse_size(settings.screen_cm, "--screen-cm"),
        "distance_cm": settings.distance_cm or None,
    }
