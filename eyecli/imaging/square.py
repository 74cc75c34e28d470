"""Squares cut out of an image, turned upright and scaled, with the transform that did it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Square:
    """A square in an image, in pixels: the top left corner of the image is (0, 0).

    Attributes
    ----------
    x, y
        Its centre.
    side
        Its side.
    roll_deg
        How far it is turned, clockwise as seen.
    """

    x: float
    y: float
    side: float
    roll_deg: float = 0.0


def square_transform(square: Square, size: int) -> np.ndarray:
    """Return the affine map from the image to the crop.

    Parameters
    ----------
    square
        What is cut.
    size
        Side of the crop in pixels.

    Returns
    -------
    ndarray, shape (2, 3)
        Image pixels (x, y, 1) to crop pixels; a pixel's centre lies at one half.
    """
    scale, roll = size / square.side, np.deg2rad(square.roll_deg)
    turn = scale * np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    shift = size / 2 - turn @ (square.x, square.y)
    return np.column_stack([turn, shift])


def crop_square(pixels: np.ndarray, square: Square, size: int) -> np.ndarray:
    """Cut a square, turn it upright and scale it; beyond the image its edge is repeated.

    Parameters
    ----------
    pixels
        (height, width, channels) uint8.
    square
        What to cut.
    size
        Side of the crop in pixels.

    Returns
    -------
    ndarray, shape (size, size, channels)
    """
    import cv2

    height, width = pixels.shape[:2]
    # Half of the upright square around the turned one, and what interpolation looks at.
    lean = np.deg2rad(square.roll_deg)
    reach = square.side / 2 * (abs(np.cos(lean)) + abs(np.sin(lean))) + 2 * square.side / size + 2
    left, top = (int(np.clip(c - reach, 0, n - 1)) for c, n in ((square.x, width),
                                                               (square.y, height)))  # fmt: skip
    right = int(np.clip(np.ceil(square.x + reach), left + 1, width))
    bottom = int(np.clip(np.ceil(square.y + reach), top + 1, height))
    part, sx, sy = pixels[top:bottom, left:right], 1.0, 1.0
    if square.side > size:
        # By area first: interpolation alone would skip pixels, and a thin lid would flicker.
        shrunk = (
            max(1, round((right - left) * size / square.side)),
            max(1, round((bottom - top) * size / square.side)),
        )
        sx, sy = shrunk[0] / (right - left), shrunk[1] / (bottom - top)
        part = cv2.resize(part, shrunk, interpolation=cv2.INTER_AREA)
    matrix = square_transform(square, size)
    # From pixels of the part to those of the image, and to OpenCV's centres at whole numbers.
    matrix[:, 2] += matrix[:, :2] @ (left, top)
    matrix[:, :2] /= (sx, sy)
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return np.asarray(
        cv2.warpAffine(part, matrix, (size, size), flags=cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_REPLICATE)
    )  # fmt: skip
