"""A sample of OCT B-scans: drawn layers of a retina, normal and in three diseases."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eyecli.synthesis.samples import begin, smooth_noise, write_picture

WIDTH, HEIGHT = 256, 192
CLASSES = ("CNV", "DME", "DRUSEN", "NORMAL")
# From the inner limiting membrane down: thickness in pixels and brightness of each layer (nerve
# fibres, ganglion cells and inner plexiform, inner nuclear, outer plexiform, outer nuclear,
# photoreceptor segments, pigment epithelium). After the terms of Staurenghi et al. 2014.
LAYERS = ((5, 0.75), (13, 0.5), (9, 0.3), (5, 0.5), (15, 0.22), (5, 0.55), (5, 0.9))
# Layers that are pushed aside at the fovea.
INNER = 4
# Share of a bump that the next layer up still shows.
DAMPING = 0.75


def write_bscans(folder: Path, subjects: int, scans: int, seed: int) -> None:
    """Write B-scans of people with one diagnosis each, named as in Kermany's set.

    Writes ``CLASS/CLASS-<patient>-<n>.jpeg``, grey. Tilt, curvature, thickness, brightness and
    speckle vary from person to person and scan to scan.

    Parameters
    ----------
    folder
        Where to write; new or empty.
    subjects
        People; the diagnoses CNV, DME, DRUSEN and NORMAL are dealt to them in turn.
    scans
        B-scans of each.
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
    for subject in range(1, subjects + 1):
        rng = np.random.default_rng([seed, subject])
        label = CLASSES[(subject - 1) % len(CLASSES)]
        look = {
            "thickness": rng.uniform(0.85, 1.15), "bend": rng.uniform(-12, 12),
            "gain": rng.uniform(0.8, 1.1), "pit": rng.uniform(0.6, 0.9),
        }  # fmt: skip
        for number in range(1, scans + 1):
            path = folder / label / f"{label}-{1000 + subject}-{number}.jpeg"
            write_picture(path, _scan(label, look, rng))


def _scan(label: str, look: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    x = np.linspace(-1, 1, WIDTH)
    depth = np.arange(HEIGHT)[:, None]
    fovea = rng.uniform(-0.3, 0.3)
    bottom = 115 + rng.uniform(-10, 10) + rng.uniform(-12, 12) * x + look["bend"] * x**2
    raised = lift = _lift(label, x, rng)
    pit = 1 - look["pit"] * np.exp(-(((x - fovea) / 0.22) ** 2))
    swelling = 1.0 + (rng.uniform(0.3, 0.6) if label == "DME" else 0) * np.exp(-((x / 0.6) ** 2))
    picture = np.full((HEIGHT, WIDTH), 0.06)
    # From the pigment epithelium up; what lifts it lifts each layer above it a little less.
    height, surface = np.zeros(WIDTH), bottom - lift
    for number in reversed(range(len(LAYERS))):
        size, brightness = LAYERS[number]
        height = height + size * look["thickness"] * (pit * swelling if number < INNER else 1.0)
        below, lift = surface, DAMPING * lift
        surface = np.minimum(bottom - height - lift, below)
        picture[(depth >= surface) & (depth < below)] = brightness
    choroid = np.exp(-np.maximum(depth - bottom, 0) / 25) * (depth >= bottom)
    picture += 0.45 * choroid * (1 + 0.25 * smooth_noise(rng, (HEIGHT, WIDTH), 2))
    under = (depth < bottom) & (depth >= bottom - raised)
    picture[under] = 0.5 if label == "DRUSEN" else 0.62
    if label == "DME":
        _cysts(picture, surface, bottom, rng)
    if label == "CNV":
        _fluid(picture, bottom - raised - 8, rng)
    speckle = rng.gamma(6, 1 / 6, picture.shape)
    return np.asarray(look["gain"] * picture * speckle + rng.normal(0, 0.02, picture.shape))


def _lift(label: str, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How far the pigment epithelium is lifted: small bumps (drusen) or a large one (CNV)."""
    if label == "DRUSEN":
        places, heights = rng.uniform(-0.8, 0.8, 7), rng.uniform(4, 10, 7)
        bumps = heights[:, None] * np.exp(-(((x - places[:, None]) / 0.06) ** 2))
        return np.asarray(bumps.max(axis=0))
    if label == "CNV":
        place = rng.uniform(-0.3, 0.3)
        return np.asarray(rng.uniform(16, 28) * np.exp(-(((x - place) / 0.28) ** 2)))
    return np.zeros_like(x)


def _cysts(
    picture: np.ndarray, surface: np.ndarray, bottom: np.ndarray, rng: np.random.Generator
) -> None:
    """Draw dark cysts between the surface and the photoreceptors."""
    import cv2

    for _ in range(rng.integers(4, 9)):
        column = int(rng.integers(WIDTH // 4, 3 * WIDTH // 4))
        row = int(surface[column] + rng.uniform(0.3, 0.7) * (bottom - surface)[column])
        axes = (int(rng.integers(4, 10)), int(rng.integers(3, 7)))
        cv2.ellipse(picture, (column, row), axes, 0, 0, 360, 0.07, -1)


def _fluid(picture: np.ndarray, above: np.ndarray, rng: np.random.Generator) -> None:
    """Draw fluid over the lifted epithelium."""
    import cv2

    column = int(np.argmin(above) + rng.integers(-25, 26))
    column = min(max(column, 20), WIDTH - 20)
    axes = (int(rng.integers(14, 28)), int(rng.integers(4, 8)))
    cv2.ellipse(picture, (column, int(above[column])), axes, 0, 0, 360, 0.07, -1)
