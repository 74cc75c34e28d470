"""Baselines of a grade: what brightness, sizes and edges of a photograph already tell."""

from __future__ import annotations

import numpy as np

# Below this share of the bright parts' value, a pixel is outside of the fundus.
DARK = 0.12
HOG_SIDE = 128
# More train rows than this are thinned, evenly over the table: they gain little and cost minutes.
MOST = 3_000


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
