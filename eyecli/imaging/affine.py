"""Augmentation geometry and light: any number of steps, one warp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Jitter:
    """Ranges of random changes to a crop; each is drawn uniformly from -range to range.

    Attributes
    ----------
    shift
        Fraction of the side.
    rotation
        Degrees.
    zoom
        Logarithm of the scale.
    gain, offset
        Contrast about the mean (relative) and brightness, with pixels in -1..1.
    noise
        Standard deviation of Gaussian noise, with pixels in -1..1.
    """

    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    gain: float = 0.0
    offset: float = 0.0
    noise: float = 0.0


def warp_matrix(
    size: tuple[int, int], shift: tuple[float, float], rotation: float, zoom: float
) -> np.ndarray:
    """Compose zoom and rotation about the centre with a shift.

    Parameters
    ----------
    size
        Width and height in pixels.
    shift
        Pixels to the right and down.
    rotation
        Degrees, clockwise on screen.
    zoom
        Scale factor.

    Returns
    -------
    ndarray, shape (2, 3)
        For ``cv2.warpAffine``, source to destination.
    """
    angle = np.deg2rad(rotation)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (np.array(size) - 1) / 2
    return np.column_stack([turn, centre - turn @ centre + np.array(shift)])


def jitter(pixels: np.ndarray, ranges: Jitter, rng: np.random.Generator) -> np.ndarray:
    """Move, turn, scale, light and roughen a crop: one composed warp, one interpolation.

    Parameters
    ----------
    pixels
        (height, width, channels) in -1..1.
    ranges
        How far each change may go.
    rng
        Seeded by (seed, epoch, index), so that a sample looks the same whoever loads it.

    Returns
    -------
    ndarray of float32, shape (height, width, channels)
    """
    import cv2

    height, width = pixels.shape[:2]
    shift = rng.uniform(-ranges.shift, ranges.shift, 2) * (width, height)
    matrix = warp_matrix(
        (width, height),
        (shift[0], shift[1]),
        rng.uniform(-ranges.rotation, ranges.rotation),
        float(np.exp(rng.uniform(-ranges.zoom, ranges.zoom))),
    )
    moved = cv2.warpAffine(
        pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mean = moved.mean()
    lit = (moved - mean) * (1 + rng.uniform(-ranges.gain, ranges.gain))
    lit += mean + rng.uniform(-ranges.offset, ranges.offset)
    if ranges.noise:
        lit += ranges.noise * rng.standard_normal(lit.shape, dtype=np.float32)
    return lit.astype(np.float32).reshape(pixels.shape)
