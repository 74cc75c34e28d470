"""Normalisation of fundus crops: Graham's subtraction of the local mean, and CLAHE."""

from __future__ import annotations

import numpy as np

# Graham 2015: deviation of the blur in radii, gain, the grey of the mean, and what is kept.
SIGMA, GAIN, GREY, KEPT = 1 / 30, 4.0, 128, 0.9
# The fast form blurs at one such part of the size.
COARSER = 4


def graham(crop: np.ndarray, radius: float | None = None, fast: bool = False) -> np.ndarray:
    """Subtract the local mean from a fundus, amplify what is left, and cut the border off.

    ``4 * crop - 4 * Gaussian(crop, sigma=radius / 30) + 128``, and 128 beyond 0.9 radii: Graham,
    *Kaggle diabetic retinopathy detection: competition report* (2015), whose light and colour
    are then the same for all cameras.

    Parameters
    ----------
    crop
        (size, size, 3) uint8, with the centre of the fundus in its middle.
    radius
        Of the fundus in pixels of the crop; half of its side without.
    fast
        Blur at a quarter of the resolution: several times faster, and close but not the same.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
    """
    import cv2

    size = crop.shape[0]
    radius = size / 2 if radius is None else radius
    blurred = _blurred(crop, radius * SIGMA, COARSER if fast else 1)
    out = np.asarray(cv2.addWeighted(crop, GAIN, blurred, -GAIN, GREY))
    offset = np.arange(size) + 0.5 - size / 2
    out[offset[:, None] ** 2 + offset**2 > (KEPT * radius) ** 2] = GREY
    return out


def clahe(crop: np.ndarray, clip: float = 2.0, tiles: int = 8) -> np.ndarray:
    """Equalise lightness within tiles, with limited contrast; colour stays.

    CLAHE (Zuiderveld, *Graphics Gems IV*, 1994) of L in CIE Lab.

    Parameters
    ----------
    crop
        (height, width, 3) uint8 RGB.
    clip
        No level may be more frequent than so many times the average.
    tiles
        Along each side.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    import cv2

    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)
    equalised = cv2.createCLAHE(clip, (tiles, tiles)).apply(np.ascontiguousarray(lab[..., 0]))
    lab[..., 0] = equalised
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def _blurred(crop: np.ndarray, sigma: float, coarser: int) -> np.ndarray:
    import cv2

    if coarser == 1:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma))
    size = crop.shape[1], crop.shape[0]
    part = (max(1, size[0] // coarser), max(1, size[1] // coarser))
    small = cv2.resize(crop, part, interpolation=cv2.INTER_AREA)
    # Averaging and linear interpolation blur, too: the variances of a box and of a triangle.
    rest = (sigma**2 - (coarser**2 - 1) / 12 - coarser**2 / 6) / coarser**2
    if rest > 0.01:
        small = cv2.GaussianBlur(small, (0, 0), rest**0.5)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))
