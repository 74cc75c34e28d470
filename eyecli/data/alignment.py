"""Is one image the other, processed? Both are aligned, then their fine detail is compared.

Two photographs of one eye share vessels, but neither the noise nor, in OCT, the speckle: at the
scale of one to three pixels only copies agree. Alignment maximises the enhanced correlation
coefficient (Evangelidis and Psarakis 2008, IEEE TPAMI 30(10), 1858-1865) over affine motions, from
coarse to fine; most pairs differ at a coarse scale already and are given up there.
"""

from __future__ import annotations

import numpy as np

from eyecli.data.fingerprints import FORMS, turn_matrix

# Side at which detail is compared: a JPEG of quality 50 keeps it, of a photograph of 512 and more.
SIDE = 128
# Sides and iterations of the alignment, coarse to fine, and the correlation of fine structure
# below which a pair is given up. Of planted copies the least is 0.63 at 32 and 0.46 at 64; half
# the honest pairs are below 0.53 at 32, and 98 of 100 below 0.48 at 64.
STEPS = ((32, 30, 0.5), (64, 20, 0.4), (128, 15, -1.0))
# Standard deviations of the band of detail, pixels.
DETAIL = (0.7, 1.4)
# Darker than this is outside the field of view; its rim, which all images share, is left out.
DARK = 4
RIM = 9
LEAST_OVERLAP = 0.05
# A copy is neither enlarged nor reduced by more than this.
LARGEST_ZOOM = 1.3


def picture_side(shape: tuple[int, ...]) -> int:
    """Side at which an image of this (height, width, ...) is compared."""
    return min(SIDE, max(shape[:2]))


class Picture:
    """An image to compare, and its structure at the scales that were asked for.

    Parameters
    ----------
    pixels
        (height, width) uint8.

    Attributes
    ----------
    pixels
        (side, side) uint8, side at most `SIDE`.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = _square(pixels, picture_side(pixels.shape))
        self._structure: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def structure(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Structure at one scale, whatever gamma and light are, and its fine part."""
        if side not in self._structure:
            values = _structure(self.pixels, side)
            self._structure[side] = values, _band(values)
        return self._structure[side]


def similarity(first: Picture, second: Picture, form: int) -> float:
    """Correlation of fine detail once `first` is laid onto `second`.

    Parameters
    ----------
    first, second
        Pictures of one size.
    form
        Number of the form of `first` that looks like `second`, see `fingerprints.FORMS`.

    Returns
    -------
    float
        -1..1; 0 if they cannot be aligned.
    """
    moved = _align(first, second, form)
    return 0.0 if moved is None else _detail_correlation(first.pixels, second.pixels, moved)


def _align(first: Picture, second: Picture, form: int) -> np.ndarray | None:
    """Motion from pixels of `second` to those of `first`, (2, 3)."""
    import cv2

    side = len(second.pixels)
    linear, shift = turn_matrix(FORMS[form]), np.zeros(2)
    for step, iterations, least in STEPS:
        if step > side:
            break
        motion = _about_corner(linear, shift * step, step)
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, iterations, 1e-4)
        (one, fine), (other, other_fine) = first.structure(step), second.structure(step)
        try:
            _, motion = cv2.findTransformECC(
                other, one, motion, cv2.MOTION_AFFINE, criteria, None, 5 if step > 32 else 3
            )
        except cv2.error:  # It does not converge: there is nothing in common.
            return None
        if _agreement(fine, other_fine, motion) < least:
            return None
        linear = motion[:, :2].astype(np.float64)
        centre = np.full(2, (step - 1) / 2)
        shift = (motion[:, 2] - centre + linear @ centre) / step
    if not 1 / LARGEST_ZOOM < np.sqrt(abs(np.linalg.det(linear))) < LARGEST_ZOOM:
        return None
    return _about_corner(linear, shift * side, side)


def _about_corner(linear: np.ndarray, shift: np.ndarray, side: int) -> np.ndarray:
    """Turn a motion about the centre of the picture into one about its first pixel."""
    centre = np.full(2, (side - 1) / 2)
    return np.column_stack([linear, shift + centre - linear @ centre]).astype(np.float32)


def _square(pixels: np.ndarray, side: int) -> np.ndarray:
    import cv2

    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))


def _structure(pixels: np.ndarray, side: int) -> np.ndarray:
    import cv2

    values = cv2.equalizeHist(_square(pixels, side)).astype(np.float32)
    detail = values - cv2.GaussianBlur(values, (0, 0), side / 8)
    deviation = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), side / 8))
    return detail / (deviation + 3)


def _agreement(first: np.ndarray, second: np.ndarray, motion: np.ndarray) -> float:
    """Correlation of `second` with what of `first` comes to lie on it."""
    import cv2

    moved = cv2.warpAffine(
        first, motion, second.shape[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    ).ravel()
    other = np.where(moved, second.ravel(), 0)
    length = float(np.sqrt((moved @ moved) * (other @ other)))
    return float(moved @ other) / length if length > 0 else 0.0


def _detail_correlation(first: np.ndarray, second: np.ndarray, motion: np.ndarray) -> float:
    import cv2

    size = second.shape[::-1]
    moved = cv2.warpAffine(
        first, motion, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    covered = cv2.warpAffine(
        np.full_like(first, 255), motion, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    lit = (_blur(moved, 2) > DARK) & (_blur(second, 2) > DARK) & (covered > 0)
    inside = cv2.erode(lit.astype(np.uint8), np.ones((RIM, RIM), np.uint8), borderValue=0) > 0
    if inside.mean() < LEAST_OVERLAP:
        return 0.0
    x = _detail(_levels(moved[inside], second[inside])[moved], inside)
    y = _detail(second, inside)
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / length if length > 0 else 0.0


def _levels(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Monotone table of 256 levels after which `values` are distributed as `wanted` are."""
    have = np.cumsum(np.bincount(values, minlength=256))
    want = np.cumsum(np.bincount(wanted, minlength=256))
    # Of levels with equal counts only the first occurs: an image must be mapped to itself.
    counts, levels = np.unique(want, return_index=True)
    return np.interp(have, counts, levels).astype(np.float32)


def _detail(pixels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Band-passed values about their mean; a few bright reflections do not count for all."""
    fine = _band(pixels)[inside]
    fine -= fine.mean()
    limit = 4.5 * float(np.median(np.abs(fine)))
    return np.clip(fine, -limit, limit) if limit else fine


def _band(pixels: np.ndarray) -> np.ndarray:
    return _blur(pixels, DETAIL[0]) - _blur(pixels, DETAIL[1])


def _blur(pixels: np.ndarray, deviation: float) -> np.ndarray:
    import cv2

    return np.asarray(cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), deviation))
