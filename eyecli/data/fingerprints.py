"""Perceptual fingerprints of images, and the images whose fingerprints are nearest.

A fingerprint is the low-frequency discrete cosine transform of a small picture, as in pHash (Zauner
2010, Implementation and benchmarking of perceptual image hash functions, section 3.2.1), but of its
ranks, locally normalised, and not cut down to signs. Ranks forget gamma; local normalisation
forgets the field of view that all fundus photographs share; and by numbers, not signs, the nearest
image can be told from the many near ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

SIDE = 32
# Frequencies 0..11 each way, and not both high: 5 % cut off moves higher ones by half a wave.
BAND = 12
DIAGONAL = 14
BLUR = 4.0
FLOOR = 0.03
# Mirror first, then turn, degrees counter-clockwise: the 8 symmetries of a square, and thirds of a
# turn as sets that were augmented before they were split have them.
FORMS = tuple((m, d) for m in (False, True) for d in (0, 90, 180, 270, 120, 240))
BLOCK = 512


def channel(pixels: np.ndarray) -> np.ndarray:
    """Return the channel to compare, (height, width): green has most contrast in a retina."""
    return np.ascontiguousarray(pixels[..., 1 if pixels.shape[-1] == 3 else 0])


def turn_matrix(form: tuple[bool, int]) -> np.ndarray:
    """Where a pixel of the transformed picture comes from: (2, 2), coordinates (x, y) about 0."""
    mirrored, degrees = form
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.diag([-1.0, 1.0]) @ turn if mirrored else turn


def inverse(form: int) -> int:
    """Return the number of the form that undoes one; a reflection undoes itself."""
    mirrored, degrees = FORMS[form]
    return FORMS.index((mirrored, degrees if mirrored else -degrees % 360))


def fingerprints(pixels: np.ndarray, forms: Sequence[tuple[bool, int]] = FORMS) -> np.ndarray:
    """Fingerprints of an image in several forms.

    Parameters
    ----------
    pixels
        (height, width) uint8.
    forms
        Those of `FORMS` that are wanted, of which the first is as it is.

    Returns
    -------
    ndarray of float32, shape (len(forms), 107)
        Of unit length; zero for a picture of one value.
    """
    import cv2

    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    centre = (SIDE - 1) / 2
    out = []
    for form in forms:
        matrix = turn_matrix(form)
        if form[1] % 90:
            moved = np.column_stack([matrix, centre - matrix @ (centre, centre)])
            turned = cv2.warpAffine(
                small, moved, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            )
        else:
            turned = np.rot90(small[:, ::-1] if form[0] else small, form[1] // 90)
        out.append(_spectrum(turned))
    return np.stack(out)


def _spectrum(small: np.ndarray) -> np.ndarray:
    import cv2

    ordered = np.sort(small, axis=None)
    ranks = np.searchsorted(ordered, small, "left") + np.searchsorted(ordered, small, "right")
    values = (ranks / (2 * small.size)).astype(np.float32)
    detail = values - cv2.GaussianBlur(values, (0, 0), BLUR)
    deviation = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), BLUR))
    waves = np.arange(BAND)
    kept = (waves[:, None] + waves <= DIAGONAL) & (waves[:, None] + waves > 0)
    spectrum = cv2.dct(detail / (deviation + FLOOR))[:BAND, :BAND][kept]
    length = np.linalg.norm(spectrum)
    return np.zeros_like(spectrum) if small.min() == small.max() else spectrum / length


def nearest(
    queries: np.ndarray,
    base: np.ndarray,
    most: int,
    least: float,
    apart: tuple[np.ndarray, np.ndarray] | None = None,
) -> Iterator[tuple[int, int, int]]:
    """Yield, for every query, the images whose fingerprints are nearest.

    Parameters
    ----------
    queries
        (n, 12, d) fingerprints in all forms.
    base
        (m, d) fingerprints of images as they are.
    most, least
        How many a query at most, and the least cosine.
    apart
        (n,) and (m,) codes; pairs of equal codes are left out.

    Yields
    ------
    query, image, form : int
        Row of the query, row of the image, number of the form in which they are alike.
    """
    most = min(most, len(base))
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        cosine = block[:, 0] @ base.T
        for number in range(1, len(FORMS)):
            np.maximum(cosine, block[:, number] @ base.T, out=cosine)
        if apart:
            cosine[apart[0][start : start + BLOCK, None] == apart[1]] = -1
        best = np.argpartition(cosine, -most, axis=1)[:, -most:]
        near = np.take_along_axis(cosine, best, axis=1) >= least
        for row, column in zip(np.nonzero(near)[0].tolist(), best[near].tolist(), strict=True):
            yield start + row, column, int(np.argmax(block[row] @ base[column]))
