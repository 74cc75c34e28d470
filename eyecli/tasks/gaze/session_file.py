"""The JSON beside a face video: who looked, at what, on which screen, before which camera."""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from eyecli.errors import DataError

# Far beyond any screen.
LARGEST = 1e6
# What screens and seats can be in cm; what is beyond is in another unit.
LEAST_CM, MOST_CM = 2.0, 200.0
NEAREST, FARTHEST = 8.0, 300.0
# Pixels are nearly square: else width and height were swapped in one of the two.
SQUARE = 1.2
# How like one of ours an unknown field must be to be taken for a slip of the pen.
ALIKE = 0.75
# Rounding of positions at a screen's edge.
SLACK = 1e-6
# A recording may be stopped a moment before its last stimulus.
SPARE_MS = 100.0
# What an estimated offset may be.
FARTHEST_MS = 1000.0


class Stimulus(msgspec.Struct, frozen=True):
    """A target and the time for which it was shown, in ms since the video's first frame."""

    start_ms: float
    end_ms: float
    x: float
    y: float
    point: str = ""


class _File(msgspec.Struct, frozen=True):
    subject: str
    screen_px: tuple[float, float]
    screen_cm: tuple[float, float]
    camera_cm: tuple[float, float]
    stimuli: list[Stimulus]
    session: str = ""
    device: str = ""
    orientation: str = ""
    distance_cm: float | None = None
    mirrored: bool = False
    unit: Literal["px", "cm"] = "px"


@dataclass(frozen=True)
class Screen:
    """A screen as its camera sees it.

    Attributes
    ----------
    px, cm
        Width and height.
    camera_cm
        The camera from the screen's top left corner: x to the viewer's right, y up.
    """

    px: tuple[float, float]
    cm: tuple[float, float]
    camera_cm: tuple[float, float]

    def to_cm(self, position: np.ndarray) -> np.ndarray:
        """From pixels of the top left corner, y down, to cm of the camera, y up; (n, 2)."""
        scaled = np.asarray(position) * np.divide(self.cm, self.px)
        return scaled * (1, -1) - self.camera_cm


@dataclass(frozen=True)
class Session:
    """What a session's JSON says, checked; positions in cm from the camera.

    Attributes
    ----------
    subject, session, device, orientation
        As written, '' where it is not said; the orientation is then that of the screen.
    screen
        The screen and its camera.
    distance_cm
        Eyes to screen, None where it is not known.
    mirrored
        Whether the video is a mirror image.
    stimuli
        In order of time.
    """

    subject: str
    session: str
    device: str
    orientation: str
    screen: Screen
    distance_cm: float | None
    mirrored: bool
    stimuli: tuple[Stimulus, ...]


def parse_session(content: bytes, name: str) -> Session:
    """Read a session's JSON.

    Parameters
    ----------
    content
        The file's bytes.
    name
        What to call it in an error.

    Raises
    ------
    DataError
        If it is no JSON, or a field is missing or cannot be; the field is named.
    """
    try:
        # msgspec would refuse NaN, which careless programs write, without saying where it is.
        document = json.loads(content)
        found = msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        raise DataError(f"{name}: {error}", "see `eyecli schema face-sessions`") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not JSON: {error}", "see `eyecli schema face-sessions`") from None
    problem = _misspelt(document) or _problem(found)
    if problem:
        raise DataError(f"{name}: {problem}", "see `eyecli schema face-sessions`")
    screen = Screen(found.screen_px, found.screen_cm, found.camera_cm)
    places = np.array([(s.x, s.y) for s in found.stimuli])
    if found.unit == "px":
        places = screen.to_cm(places)
    stimuli = tuple(
        # Frames of one target belong together even where the file does not number them.
        Stimulus(s.start_ms, s.end_ms, x, y, s.point or f"{s.x:g}_{s.y:g}")
        for s, (x, y) in zip(found.stimuli, places.round(4).tolist(), strict=True)
    )
    wide = found.screen_cm[0] >= found.screen_cm[1]
    return Session(
        found.subject, found.session, found.device,
        found.orientation or ("landscape" if wide else "portrait"), screen, found.distance_cm,
        found.mirrored, stimuli,
    )  # fmt: skip


def _misspelt(document: Any) -> str | None:
    """Name a field that is not ours but nearly: what it says would be passed over."""
    known = {field.name for field in msgspec.structs.fields(_File)}
    for name in document:
        near = difflib.get_close_matches(name, known, 1, ALIKE)
        if name not in known and near:
            return f"unknown field '{name}': did you mean '{near[0]}'?"
    return None


def misfit(video: Path, session: Session, length_ms: float, offset_ms: float | None) -> str | None:
    """Say that a video begins after its stimuli do, or ends before them; None if it does not.

    Parameters
    ----------
    video
        For the message.
    session
        Its stimuli.
    length_ms
        Of the video.
    offset_ms
        By how much it is late; None where that is still to be estimated.
    """
    first, last = session.stimuli[0], session.stimuli[-1]
    spare, offset = (SPARE_MS, offset_ms) if offset_ms is not None else (FARTHEST_MS, 0.0)
    late = f" (with the clock offset of {offset:g} ms)" if offset else ""
    if first.start_ms + offset < -spare:
        return (
            f"{video}: stimuli[0] of its JSON is shown {-first.start_ms - offset:g} ms before the "
            f"first frame{late}: cut it, or say --clock-offset-ms"
        )
    if last.end_ms + offset <= length_ms + spare:
        return None
    return (
        f"{video}: is {length_ms:.0f} ms long, but stimuli[{len(session.stimuli) - 1}] of its JSON "
        f"ends at {last.end_ms + offset:g} ms{late}"
    )


def _problem(file: _File) -> str | None:
    """Say what is wrong with a file whose fields have the right types; None if nothing is."""
    texts = {"subject": file.subject, "session": file.session, "device": file.device,
             "orientation": file.orientation}  # fmt: skip
    texts |= {f"stimuli[{i}].point": s.point for i, s in enumerate(file.stimuli)}
    for name, text in texts.items():
        if not text.isprintable():
            return f"{name} has control characters"
        if text != text.strip():
            return f"{name} '{text}' begins or ends with a blank"
    if not file.subject:
        return "subject is empty"
    for name, pair in (("screen_px", file.screen_px), ("screen_cm", file.screen_cm)):
        if not all(0 < value < LARGEST for value in pair):
            return f"{name} {list(pair)} is no size"
    if not all(LEAST_CM <= side <= MOST_CM for side in file.screen_cm):
        return f"screen_cm {list(file.screen_cm)} is no screen's: is it in cm?"
    wide, high = (px / cm for px, cm in zip(file.screen_px, file.screen_cm, strict=True))
    if max(wide, high) > SQUARE * min(wide, high):
        return (
            f"screen_px {list(file.screen_px)} and screen_cm {list(file.screen_cm)} have other "
            f"shapes: {wide:.0f} and {high:.0f} px a cm"
        )
    if not all(abs(value) < LARGEST for value in file.camera_cm):
        return f"camera_cm {list(file.camera_cm)} is no place"
    if file.distance_cm is not None and not NEAREST <= file.distance_cm <= FARTHEST:
        return f"distance_cm {file.distance_cm:g} is no distance from a screen: is it in cm?"
    if not file.stimuli:
        return "stimuli is empty"
    return _stimulus_problem(file)


def _stimulus_problem(file: _File) -> str | None:
    shown: dict[str, tuple[int, Stimulus]] = {}
    for i, stimulus in enumerate(file.stimuli):
        for name in ("start_ms", "end_ms", "x", "y"):
            if not math.isfinite(value := getattr(stimulus, name)):
                return f"stimuli[{i}].{name} is {value}, not a number"
        if stimulus.end_ms <= stimulus.start_ms:
            return (
                f"stimuli[{i}] is shown from {stimulus.start_ms:g} to {stimulus.end_ms:g} ms: no "
                "span of time"
            )
        if problem := _off_screen(stimulus, file):
            return f"stimuli[{i}] {problem}"
        first, other = shown.setdefault(stimulus.point, (i, stimulus))
        if stimulus.point and (stimulus.x, stimulus.y) != (other.x, other.y):
            return (
                f"stimuli[{i}]: point '{stimulus.point}' is at ({stimulus.x:g}, {stimulus.y:g}), "
                f"in stimuli[{first}] at ({other.x:g}, {other.y:g})"
            )
    for i, (before, after) in enumerate(pairwise(file.stimuli)):
        if after.start_ms < before.end_ms:
            return (
                f"stimuli[{i + 1}] starts at {after.start_ms:g} ms, before the one before it ends "
                f"at {before.end_ms:g}"
            )
    return None


def _off_screen(stimulus: Stimulus, file: _File) -> str | None:
    if file.unit == "px":
        x, y, (width, height) = stimulus.x, stimulus.y, file.screen_px
    else:
        x, y = stimulus.x + file.camera_cm[0], -stimulus.y - file.camera_cm[1]
        width, height = file.screen_cm
    if -SLACK * width <= x <= width * (1 + SLACK) and -SLACK * height <= y <= height * (1 + SLACK):
        return None
    return (
        f"at ({stimulus.x:g}, {stimulus.y:g}) {file.unit} is off the screen of {width:g}x"
        f"{height:g} {file.unit}"
    )
