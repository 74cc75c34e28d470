"""The round picture of the retina in a fundus photograph: where it is, and a square cut of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from eyecli.imaging.fundus_border import by_gradient, by_threshold, has_retina_colours
from eyecli.imaging.scaled import FACTORS, Factor, decode_scaled

Side = Literal["top", "bottom", "left", "right"]
SIDES: tuple[Side, ...] = ("top", "bottom", "left", "right")
# A side cuts the circle if more than so much of a radius lies beyond it: less is not seen.
BEYOND = 0.01
# Up to this side of a crop, decoded pixels are to be smaller by half than those of the crop:
# geometry and averaging cost more there than a larger picture does.
SMALL, OVERSAMPLED = 256, 1.5
# A picture longer than so many times its width is a strip, and shows no fundus.
THINNEST = 5


@dataclass(frozen=True)
class Fundus:
    """The circle of a fundus photograph, in pixels of the image: its top left corner is (0, 0).

    Attributes
    ----------
    x, y
        The centre; the centre of the first pixel lies at one half.
    radius
        In pixels.
    cut
        The sides of the image beyond which the circle goes on.
    residual
        Median distance of the border from the circle, in radii; 1 where no border is seen.
    robust
        Whether the plain threshold failed, and slower means found it.
    """

    x: float
    y: float
    radius: float
    cut: tuple[Side, ...]
    residual: float
    robust: bool

    def scaled(self, factor: float) -> Fundus:
        """Return the same circle in an image whose pixels are smaller by `factor`."""
        return replace(self, x=self.x * factor, y=self.y * factor, radius=self.radius * factor)


@dataclass(frozen=True)
class FundusReading:
    """A fundus photograph, decoded, and cut.

    Attributes
    ----------
    crop
        (size, size, 3) uint8 RGB; the whole picture on black where no fundus was found.
    fundus
        Circle in pixels of the upright original, exactly that of the crop; None without one.
    width, height
        Of the upright original, in pixels.
    factor
        The original was decoded at one such part of its size.
    """

    crop: np.ndarray
    fundus: Fundus | None
    width: int
    height: int
    factor: Factor


def find_fundus(pixels: np.ndarray) -> Fundus | None:
    """Find the circle of the retina.

    First the outline of what is brighter than the background, on a coarse grid; a circle is
    fitted to what of it lies inside of the image, and then to the half-way level of brightness
    along its rays. Where that does not fit (dark pictures, uneven light, much writing) the
    steepest relative falls of brightness along rays are used instead. A picture without a
    border whose colours are those of a retina is one that was cut before: its circle is centred
    on the picture and as wide as its longer side, so that a crop holds all of it.

    Parameters
    ----------
    pixels
        (height, width, 3) uint8 RGB.

    Returns
    -------
    Fundus or None
        In pixels of this image; None where there is no fundus: black, uniform, a page of text,
        a strip.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > THINNEST * min(height, width):
        return None
    for search in (by_threshold, by_gradient):
        border = search(pixels)
        if border is not None:
            circle = border.circle
            cut = _cut(circle.x, circle.y, circle.radius, width, height)
            robust = search is by_gradient
            return Fundus(circle.x, circle.y, circle.radius, cut, border.residual, robust)
    return _frame(width, height) if has_retina_colours(pixels) else None


def crop_fundus(
    pixels: np.ndarray, fundus: Fundus, size: int, only_circle: bool = False
) -> np.ndarray:
    """Cut the square around the circle, and scale it; by area where it shrinks.

    The square is moved to whole pixels of the image first, as `on_whole_pixels` does, so that
    nothing is interpolated twice.

    Parameters
    ----------
    pixels
        (height, width, 3) uint8.
    fundus
        The circle in pixels of this image.
    size
        Side of the crop in pixels.
    only_circle
        Whether what lies outside of the circle (writing, markers) becomes black, too.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
        Black beyond the image.
    """
    import cv2

    height, width = pixels.shape[:2]
    left, top, side = _square(fundus)
    inside = pixels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    part = cv2.copyMakeBorder(
        inside,
        min(max(-top, 0), side),
        min(max(top + side - height, 0), side),
        min(max(-left, 0), side),
        min(max(left + side - width, 0), side),
        cv2.BORDER_CONSTANT,
    )
    if side >= 2 * size:
        # Halving is many times faster than any other averaging, and leaves less to be done.
        part = cv2.resize(part, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    crop = np.asarray(cv2.resize(part, (size, size), interpolation=method))
    return np.asarray(cv2.copyTo(crop, _disc(size))) if only_circle else crop


def on_whole_pixels(fundus: Fundus) -> Fundus:
    """Return the circle whose square is the nearest that begins and ends between pixels."""
    left, top, side = _square(fundus)
    return replace(fundus, x=left + side / 2, y=top + side / 2, radius=side / 2)


def decode_factor(width: float, height: float, size: int) -> Factor:
    """Return the largest part of its size at which a picture can be decoded for a crop.

    The fundus is taken to be as wide as the shorter side. It keeps 1.5 times the side of the
    crop up to 256 pixels, and the side of the crop above.

    Parameters
    ----------
    width, height
        Of the original; both the diameter of its fundus where that is known.
    size
        Side of the crop in pixels.

    Returns
    -------
    int
        1, 2, 4 or 8.
    """
    least = size * (OVERSAMPLED if size <= SMALL else 1.0)
    return max((f for f in FACTORS if min(width, height) >= least * f), default=1)


def read_fundus(content: bytes, name: str, size: int) -> FundusReading:
    """Decode a fundus photograph as coarsely as a crop allows, find the fundus and cut it.

    What lies outside of a circle whose border is seen, names and dates perhaps, becomes black.

    Parameters
    ----------
    content
        The file's bytes.
    name
        What to call it in an error.
    size
        Side of the crop in pixels.

    Returns
    -------
    FundusReading

    Raises
    ------
    DataError
        If the bytes are no whole picture: see `decode_scaled`.
    """
    from eyecli.imaging.header import read_header

    header = read_header(content)
    # Without a size there is no picture; decoding says what is wrong with it.
    width, height = header.upright if header else (0, 0)
    factor = decode_factor(width, height, size)
    pixels = decode_scaled(content, name, factor)
    found = find_fundus(pixels)
    if found is not None and factor > 1:
        diameter = 2 * found.radius * factor
        finer = decode_factor(diameter, diameter, size)
        if finer < factor:
            pixels = decode_scaled(content, name, finer)
            found = find_fundus(pixels) or found.scaled(factor / finer)
            factor = finer
    if found is None:
        return FundusReading(_fitted(pixels, size), None, width, height, factor)
    whole = on_whole_pixels(found)
    crop = crop_fundus(pixels, whole, size, only_circle=found.residual < 1)
    return FundusReading(crop, whole.scaled(factor), width, height, factor)


@functools.cache
def _disc(size: int) -> np.ndarray:
    """1 within the largest circle of a square, 0 outside."""
    offset = np.arange(size) + 0.5 - size / 2
    return (offset[:, None] ** 2 + offset**2 <= (size / 2) ** 2).astype(np.uint8)


def _square(fundus: Fundus) -> tuple[int, int, int]:
    """Left, top and side in whole pixels; the side is even, so that it can be halved."""
    half = max(1, round(fundus.radius))
    return round(fundus.x) - half, round(fundus.y) - half, 2 * half


def _fitted(pixels: np.ndarray, size: int) -> np.ndarray:
    """Scale a picture to the middle of a black square; the square of a strip would be too large."""
    import cv2

    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    rows, columns = max(1, round(scale * height)), max(1, round(scale * width))
    crop = np.zeros((size, size, 3), np.uint8)
    top, left = (size - rows) // 2, (size - columns) // 2
    crop[top : top + rows, left : left + columns] = cv2.resize(
        pixels, (columns, rows), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return crop


def _frame(width: int, height: int) -> Fundus:
    return Fundus(width / 2, height / 2, max(width, height) / 2, SIDES, 1.0, True)


def _cut(x: float, y: float, radius: float, width: int, height: int) -> tuple[Side, ...]:
    beyond = (radius - y, y + radius - height, radius - x, x + radius - width)
    return tuple(s for s, b in zip(SIDES, beyond, strict=True) if b > BEYOND * radius)
