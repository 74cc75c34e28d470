"""A sample of fundus photographs: one real retina in many looks, with lesions of every grade."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eyecli.synthesis.samples import begin, smooth_noise, write_picture, write_table

SIZE = 256
GRADES = 5
# Pixels by which vessels are moved, times a normal number.
MOVED = 10.0
# Lesions a grade, about: microaneurysms, haemorrhages, hard exudates, new vessels. After the
# International Clinical Diabetic Retinopathy scale (Wilkinson et al. 2003): microaneurysms only,
# more than that, haemorrhages all over, new vessels.
LESIONS = ((0, 0, 0, 0), (6, 0, 0, 0), (12, 5, 6, 0), (20, 18, 8, 0), (16, 12, 8, 5))
DARK, BRIGHT = np.array((0.35, 0.06, 0.05)), np.array((0.95, 0.88, 0.55))


def write_fundus(folder: Path, subjects: int, seed: int) -> None:
    """Write photographs of both eyes of people with retinopathy of grades 0 to 4.

    Made of the photograph that scikit-image ships (M. Haggstrom, CC0), turned, scaled and in other
    colours, so that only the lesions tell the grade. Writes ``<subject>_{left,right}.jpeg`` and
    ``trainLabels.csv`` (image, level), as the Kaggle competition of 2015 does.

    Parameters
    ----------
    folder
        Where to write; new or empty.
    subjects
        People; grades are dealt to them in turn, and the two eyes differ at times.
    seed
        Start of all random streams.

    Raises
    ------
    UsageError
        If a number is out of range.
    DataError
        If the folder already holds something.
    """
    import cv2
    from skimage import data

    begin(folder, {"subjects": subjects}, seed, __name__)
    retina = cv2.resize(data.retina(), (SIZE, SIZE), interpolation=cv2.INTER_AREA) / 255
    rows = []
    for subject in range(1, subjects + 1):
        rng = np.random.default_rng([seed, subject])
        tint = rng.normal(1, 0.06, 3)
        for side in ("left", "right"):
            worse = int(rng.random() < 0.2)
            grade = min((subject - 1) % GRADES + worse, GRADES - 1)
            eye = _look(retina, rng) * tint
            eye = _with_lesions(eye[:, ::-1] if side == "right" else eye, grade, rng)
            write_picture(folder / f"{subject}_{side}.jpeg", eye)
            rows.append((f"{subject}_{side}", grade))
    write_table(folder / "trainLabels.csv", ("image", "level"), rows)


def _look(retina: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn and scale the retina, and change its light."""
    import cv2

    middle = (SIZE / 2, SIZE / 2)
    turn = cv2.getRotationMatrix2D(middle, rng.uniform(-20, 20), rng.uniform(0.94, 1.04))
    turned = cv2.warpAffine(retina, turn, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    # Vessels elsewhere: else all would be near-duplicates of one another, as they should be found.
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    inside = np.clip(1 - np.hypot(x - SIZE / 2, y - SIZE / 2) / (SIZE / 2), 0, 1)
    moved = [
        (place + MOVED * inside * smooth_noise(rng, (SIZE, SIZE), SIZE / 10)).astype(np.float32)
        for place in (x, y)
    ]
    turned = cv2.remap(turned, moved[0], moved[1], cv2.INTER_LINEAR)
    light = 1 + 0.06 * smooth_noise(rng, (SIZE, SIZE), SIZE / 6)
    noise = rng.normal(0, 0.008, turned.shape)
    return np.asarray(turned * light[..., None] * rng.uniform(0.85, 1.1) + noise)


def _with_lesions(eye: np.ndarray, grade: int, rng: np.random.Generator) -> np.ndarray:
    """Paint the lesions of a grade, in numbers that vary by a third."""
    import cv2

    counts = [round(n * rng.uniform(0.7, 1.3)) for n in LESIONS[grade]]
    aneurysms, bleeds, exudates, vessels = counts
    dark, bright = (np.zeros((SIZE, SIZE), np.float32) for _ in range(2))
    for _ in range(aneurysms):
        cv2.circle(dark, _spot(rng), 1, 0.8, -1, cv2.LINE_AA)
    for _ in range(bleeds):
        axes = tuple(int(n) for n in rng.integers(2, 6, 2))
        cv2.ellipse(dark, _spot(rng), axes, rng.uniform(0, 180), 0, 360, 0.7, -1, cv2.LINE_AA)
    for _ in range(exudates):
        x, y = _spot(rng)
        for dx, dy in rng.integers(-6, 7, (5, 2)):
            cv2.circle(bright, (x + int(dx), y + int(dy)), 1, 0.8, -1, cv2.LINE_AA)
    for _ in range(vessels):
        # A tangle: a random walk that turns fast.
        angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.9, 40))
        walk = np.array(_spot(rng)) + 2 * np.cumsum(np.c_[np.cos(angles), np.sin(angles)], axis=0)
        cv2.polylines(dark, [walk.round().astype(np.int32)], False, 0.75, 1, cv2.LINE_AA)
    for mask, colour in ((dark, DARK), (bright, BRIGHT)):
        eye = eye * (1 - mask[..., None]) + colour * mask[..., None]
    return eye


def _spot(rng: np.random.Generator) -> tuple[int, int]:
    """Draw a place on the retina, uniform over its disc."""
    radius, angle = 0.38 * SIZE * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    return int(SIZE / 2 + radius * np.cos(angle)), int(SIZE / 2 + radius * np.sin(angle))
