"""An image table of rendered eyes: people, points and frames with exact gaze targets."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.errors import UsageError
from eyecli.synthesis.eyes import FloatArray, Person, Shot, Side, Vector, render_eye, screen_to_cm
from eyecli.synthesis.provenance import require_empty, write_provenance

COLUMNS = ("left", "right", "subject", "session", "target_x", "target_y", "point")
SIZE = 64
MARGIN = 0.03  # of the screen, where no point is shown
LIMITS = {
    "subjects": (1, 999),
    "points": (1, 999),
    "frames": (1, 99),
    "seed": (0, 2**32),
    "screen_px": (100, 20_000),
    "screen_cm": (5, 120),
    "distance_cm": (25, 200),
}

IRISES = ((0.34, 0.21, 0.12), (0.24, 0.15, 0.10), (0.34, 0.29, 0.16), (0.28, 0.36, 0.44))
SKINS = ((0.87, 0.70, 0.60), (0.80, 0.62, 0.50), (0.72, 0.53, 0.42), (0.60, 0.43, 0.33))
SIDES: tuple[Side, Side] = ("left", "right")


def write_gaze_table(
    folder: Path,
    subjects: int,
    points: int,
    frames: int,
    seed: int,
    screen_px: tuple[int, int] = (1366, 768),
    screen_cm: tuple[float, float] = (34.4, 19.3),
    distance_cm: float = 60.0,
) -> None:
    """Write eye crops and the table of what each pair looks at.

    Writes ``left/`` and ``right/`` (PNG, 64 px, the owner's left and right eye as the camera sees
    them, not mirrored), ``table.csv`` and ``provenance.json``. The same arguments give the same
    bytes on one machine; each subject has a random stream of its own, so the number of subjects
    changes none of them.

    Parameters
    ----------
    folder
        Where to write; new or empty.
    subjects, points, frames
        People, stimuli for each of them, and frames for each stimulus.
    seed
        Start of all random streams, 0 or more.
    screen_px, screen_cm
        Width and height of the screen; the targets are in its pixels, origin top left, y down.
    distance_cm
        Mean distance of the eyes from the screen.

    Raises
    ------
    UsageError
        If a number is out of range.
    DataError
        If the folder already holds something.
    """
    parameters = {
        "subjects": subjects,
        "points": points,
        "frames": frames,
        "screen_px": list(screen_px),
        "screen_cm": list(screen_cm),
        "distance_cm": distance_cm,
    }
    _check({**parameters, "seed": seed})
    if max(screen_cm) > 1.5 * distance_cm:
        raise UsageError(
            f"a screen of {max(screen_cm):g} cm at {distance_cm:g} cm is too near for the eyes",
            "sit at least two thirds of its longer side away",
        )
    require_empty(folder)
    for side in SIDES:
        (folder / side).mkdir(parents=True, exist_ok=True)
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for subject in range(1, subjects + 1):
            rng = np.random.default_rng([seed, subject])
            table.writerows(
                _session(folder, rng, subject, points, frames, screen_px, screen_cm, distance_cm)
            )
    write_provenance(folder, __name__, seed, parameters)


def _check(parameters: dict[str, Any]) -> None:
    for name, (low, high) in LIMITS.items():
        value = parameters[name]
        numbers = value if isinstance(value, (list, tuple)) else [value]
        if len(numbers) != (2 if name.startswith("screen") else 1):
            raise UsageError(f"{name} is {value}", "give a width and a height")
        if not all(low <= number <= high for number in numbers):
            raise UsageError(f"{name} is {value}", f"it must be from {low} to {high}")


def draw_person(rng: np.random.Generator) -> Person:
    """Draw the appearance and the kappa angle of one person.

    Like adults: kappa 5 +/- 1.7 degrees nasal and 1.5 +/- 1.5 up, corneal
    diameter 11.8 +/- 0.5 mm. Lids, brows and colours vary less than in the world, so that a few
    people are enough to learn from.
    """
    return Person(
        eyeball_radius=rng.normal(1.2, 0.04),
        iris_radius=rng.normal(0.59, 0.025),
        pupil_radius=rng.uniform(0.14, 0.27),
        kappa_deg=(rng.normal(5.0, 1.7), rng.normal(1.5, 1.5)),
        lid_width=rng.normal(2.9, 0.12),
        lid_opening=rng.normal(1.0, 0.04),
        lid_tilt=rng.normal(0.05, 0.02),
        brow_height=rng.normal(1.55, 0.06),
        brow_strength=rng.uniform(0.5, 0.85),
        iris=_near(rng, IRISES, 0.04),
        skin=_near(rng, SKINS, 0.03),
        hair=_near(rng, ((0.10, 0.07, 0.06), (0.25, 0.16, 0.10)), 0.02),
        phases=tuple(rng.uniform(0, 2 * np.pi, 6)),
    )


def _near(rng: np.random.Generator, colours: tuple[Vector, ...], spread: float) -> Vector:
    """Draw one of the colours, in another lightness and a slightly other tint."""
    change = rng.normal(0, spread) + rng.normal(0, spread / 3, 3)
    return _vector(np.add(colours[rng.integers(len(colours))], change).clip(0.03, 1))


def draw_targets(
    rng: np.random.Generator, points: int, screen_px: tuple[int, int]
) -> list[tuple[float, float]]:
    """Spread points over a screen so that any first few of them cover it.

    The R2 sequence from a random start (Roberts 2018, "The unreasonable effectiveness of
    quasirandom sequences"), within a margin of the edges.
    """
    places = (rng.random(2) + np.outer(np.arange(points), (0.7548776662, 0.5698402910))) % 1
    x, y = ((MARGIN + (1 - 2 * MARGIN) * places) * screen_px).round(1).T
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _session(
    folder: Path,
    rng: np.random.Generator,
    subject: int,
    points: int,
    frames: int,
    screen_px: tuple[int, int],
    screen_cm: tuple[float, float],
    distance_cm: float,
) -> list[tuple]:
    """Write one person's crops; return the rows of the table."""
    import cv2

    person = draw_person(rng)
    interocular = rng.normal(6.3, 0.3)
    # A landmark detector errs in its own way with each face, and once more in each frame.
    habit = rng.normal(0, 0.03, 2)
    scale = rng.normal(1.0, 0.04)
    seat = np.array([0.0, -0.4 * screen_cm[1], distance_cm]) + rng.normal(0, (2, 2, 3))
    lamp = np.array([rng.uniform(-60, 60), rng.uniform(30, 100), rng.uniform(-20, 30)])
    gain = rng.uniform(0.9, 1.1)
    blur = rng.uniform(0.4, 0.9)
    rows = []
    for point, target_px in enumerate(draw_targets(rng, points, screen_px), 1):
        target = screen_to_cm(target_px, screen_px, screen_cm)
        for frame in range(1, frames + 1):
            head = seat + rng.normal(0, (0.8, 0.8, 1.0))
            shot = Shot(
                scale=scale * rng.normal(1, 0.015),
                roll_deg=rng.normal(0, 1),
                light=_vector(lamp),
                gain=gain * rng.normal(1, 0.03),
                blur_px=blur,
                noise=0.012,
            )
            names = []
            for side, sign in zip(SIDES, (-0.5, 0.5), strict=True):
                centre = _vector(head + np.array([sign * interocular, 0, 0]))
                dx, dy = habit + rng.normal(0, 0.02, 2)
                crop = replace(shot, shift=(dx, dy))
                image = render_eye(person, side, centre, target, crop, SIZE, rng)
                names.append(f"{side}/s{subject:03d}_p{point:03d}_f{frame:02d}.png")
                # OpenCV, when it writes itself, cannot say why it did not.
                encoded = cv2.imencode(".png", image[..., ::-1])[1]
                (folder / names[-1]).write_bytes(encoded.tobytes())
            rows.append((*names, f"s{subject:03d}", "1", *target_px, point))
    return rows


def _vector(point: FloatArray) -> Vector:
    x, y, z = point.tolist()
    return x, y, z
