"""A sample of scanpaths: fixations and saccades over a picture, by people of three trainings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eyecli.synthesis.samples import begin, write_table

HZ = 60
SCREEN_PX = (1920, 1080)
PX_PER_DEG = 40.0
# Layman, resident, specialist: median fixation in ms, median saccade in degrees, fixations.
# Experts search with fewer, longer saccades and find sooner (Van der Gijp et al. 2017).
GROUPS = {"L": (260, 4.0, 34), "R": (290, 5.5, 28), "S": (330, 7.5, 22)}


def write_scanpaths(folder: Path, subjects: int, scans: int, seed: int) -> None:
    """Write recordings of gaze at 60 Hz, a CSV each, and a table of who they are.

    Writes ``raw/<group>_<person>_<picture>.csv`` (timestamp in ms, x and y in px; blinks are
    blank) and ``labels.csv`` (path, label, person, image).

    Parameters
    ----------
    folder
        Where to write; new or empty.
    subjects
        People; the groups L, R and S (layman, resident, specialist) are dealt to them in turn.
    scans
        Recordings of each, on another picture every time.
    seed
        Start of all random streams.

    Raises
    ------
    UsageError
        If a number is out of range.
    DataError
        If the folder already holds something.
    """
    begin(folder, {"subjects": subjects, "scans": scans}, seed, __name__)
    (folder / "raw").mkdir()
    rows = []
    for subject in range(1, subjects + 1):
        rng = np.random.default_rng([seed, subject])
        group = tuple(GROUPS)[(subject - 1) % len(GROUPS)]
        pace = rng.normal(1, 0.08)
        for picture in range(1, scans + 1):
            path = f"raw/{group}_p{subject:02d}_{picture}.csv"
            samples = _recording(group, pace, rng)
            write_table(folder / path, ("timestamp", "x", "y"), samples)
            rows.append((path, group, f"p{subject:02d}", picture))
    write_table(folder / "labels.csv", ("path", "label", "person", "image"), rows)


def _recording(
    group: str, pace: float, rng: np.random.Generator
) -> list[tuple[int, object, object]]:
    """Draw a recording: log-normal fixations and saccades that stay on the screen."""
    duration, amplitude, count = GROUPS[group]
    place = np.array(SCREEN_PX) * rng.uniform(0.3, 0.7, 2)
    points: list[np.ndarray] = []
    for _ in range(max(round(count * rng.normal(1, 0.15)), 3)):
        frames = max(round(pace * duration * rng.lognormal(0, 0.35) * HZ / 1000), 3)
        drift = np.cumsum(rng.normal(0, 0.4, (frames, 2)), axis=0)
        points.extend(place + drift + rng.normal(0, 3, (frames, 2)))
        target = _next(place, amplitude * rng.lognormal(0, 0.4) * PX_PER_DEG, rng)
        # Peak velocity rises with amplitude (Bahill et al. 1975), so that all last a few frames.
        points.extend(place + (target - place) * step for step in (0.25, 0.75))
        place = target
    blank = rng.random(len(points)) < 0.002
    blank = np.convolve(blank, np.ones(8), "same") > 0  # a blink lasts some 130 ms
    return [
        (round(1000 * n / HZ), *(("", "") if shut else (round(x, 1), round(y, 1))))
        for n, ((x, y), shut) in enumerate(zip(points, blank, strict=True))
    ]


def _next(place: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """Draw where a saccade of a length in px ends: on the screen."""
    while True:
        angle = rng.uniform(0, 2 * np.pi)
        target = place + length * np.array([np.cos(angle), np.sin(angle)])
        if ((target > 20) & (target < np.array(SCREEN_PX) - 20)).all():
            return np.asarray(target)
        length *= 0.95  # no direction fits a long one from a corner
