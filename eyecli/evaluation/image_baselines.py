"""Baselines of a grade: what brightness, outline and edges of a photograph already tell."""

from __future__ import annotations

import functools

import numpy as np

# Below this share of the bright parts' value, a pixel is outside of the fundus.
DARK = 0.12
HOG_SIDE = 128
# Outlines: rays, sectors of them, and how far rays end apart to be told from one another. Finer
# steps would tell how a camera is mounted, and how bright its light is.
RAYS, SECTORS, STEP = 72, 24, 0.05
# A pixel with less than this part of the middle's median lies outside of an outline.
FAINT = 0.3


def brightness(pixels: np.ndarray) -> np.ndarray:
    """Mean and deviation of every channel inside the fundus: (2 c,) of (h, w, c) pixels.

    Inside is where the brightest channel has more than `DARK` of its 90th percentile. 0 of an
    image that is all black.
    """
    values = np.asarray(pixels, float)
    brightest = values.max(axis=2)
    inside = values[brightest > DARK * np.percentile(brightest, 90)]
    if not len(inside):
        return np.zeros(2 * values.shape[2])
    return np.concatenate([inside.mean(axis=0), inside.std(axis=0)])


def hog(pixels: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005) of (h, w, 3) pixels in grey.

    Scaled to 128 x 128 pixels; nine orientations, cells of 16 pixels, blocks of 2 x 2 cells:
    (1764,).
    """
    import cv2
    from skimage.feature import hog as histograms

    grey = np.asarray(pixels, np.float64).mean(axis=2)
    small = cv2.resize(grey, (HOG_SIDE, HOG_SIDE), interpolation=cv2.INTER_AREA)
    return histograms(small / 255, orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2))


def outline(pixels: np.ndarray) -> np.ndarray:
    """How far the bright part of (side, side, 3) pixels reaches: (48,), in half sides.

    The nearest and the farthest end of the rays in each of 24 sectors, in steps of a twentieth.
    They tell how a photograph was turned, by the flat sides of a circle that the sensor cut off,
    its notch or marker, and the black corners of a turned square; not what is on the retina. Of an
    outline without a notch, a half turn is not told.
    """
    rows, columns, reach = _rays(len(pixels))
    light = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))[rows, columns].max(axis=2)
    bright = light > FAINT * np.median(light[:, reach < 0.8])
    ends = np.where(bright.any(axis=1), reach[bright.argmax(axis=1)], 0.0).reshape(SECTORS, -1)
    return np.rint(np.concatenate([ends.min(axis=1), ends.max(axis=1)]) / STEP) * STEP


@functools.lru_cache(maxsize=4)
def _rays(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns along every ray, from outside to the middle, and how far; 1 px is padded."""
    half = side / 2
    reach = np.linspace(1.4, 0, 200, endpoint=False)
    angle = 2 * np.pi * (np.arange(RAYS) + 0.5)[:, None] / RAYS
    places = (np.floor(half + half * reach * way(angle)).astype(int) for way in (np.sin, np.cos))
    rows, columns = (np.clip(place + 1, 0, side + 1) for place in places)
    return rows, columns, reach
