"""Augmentation geometry and light: any number of steps, one warp, one pass over the pixels."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

# From stored pixels, 0 to 255, to what networks are trained on, -1..1.
SCALE, OFFSET = 1 / 127.5, -1.0
# Drawing a normal number for every pixel costs more than all the rest: noise is cut at a random
# place out of this many, kept as bytes of 1/32 of a deviation about 128.
NOISE, STEPS, ZERO = 2**22, 32, 128


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
        Contrast about the mean (relative) and brightness, in units of -1..1.
    noise
        Standard deviation of Gaussian noise, in units of -1..1.
    """

    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    gain: float = 0.0
    offset: float = 0.0
    noise: float = 0.0

    def in_words(self) -> str:
        """Describe the changes for the methods of a paper, without those that are off."""
        said = {
            "shift": f"shifts of up to {100 * self.shift:g} % of the side",
            "rotation": f"rotation by up to {self.rotation:g} degrees",
            "zoom": f"scaling by a factor of exp(±{self.zoom:g})",
            "gain": f"contrast by up to {100 * self.gain:g} %",
            "offset": f"brightness by up to {50 * self.offset:g} % of the range",
            "noise": f"Gaussian noise with a deviation of {50 * self.noise:g} % of the range",
        }
        return ", ".join(text for field, text in said.items() if getattr(self, field))


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
        (height, width, channels) uint8, as stored.
    ranges
        How far each change may go.
    rng
        Seeded by (seed, epoch, index), so that a sample looks the same whoever loads it.

    Returns
    -------
    ndarray of float32, shape (height, width, channels)
        In -1..1, but for what light and noise add.
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
    gain = rng.uniform(-ranges.gain, ranges.gain)
    offset = rng.uniform(-ranges.offset, ranges.offset)
    # Contrast turns about the mean, so that it does not change the brightness.
    base = OFFSET + offset - moved.mean() * SCALE * gain if gain else OFFSET + offset
    rough = _noise(moved.size, rng).reshape(moved.shape) if ranges.noise else moved
    weight = ranges.noise / STEPS
    lit = cv2.addWeighted(
        moved, SCALE * (1 + gain), rough, weight, base - ZERO * weight, dtype=cv2.CV_32F
    )
    return lit.reshape(pixels.shape)


def _noise(size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut `size` bytes of noise at a random place; longer ones repeat it."""
    bank = _noise_bank()
    if 2 * size > len(bank):
        bank = np.resize(bank, 2 * size)
    start = int(rng.integers(len(bank) - size + 1))
    return bank[start : start + size]


@functools.cache
def _noise_bank() -> np.ndarray:
    values = np.random.default_rng(0).standard_normal(NOISE, dtype=np.float32)
    return np.clip(np.rint(values * STEPS + ZERO), 0, 255).astype(np.uint8)
