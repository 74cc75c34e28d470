"""Encoded bytes to pixels."""

from __future__ import annotations

import numpy as np

from eyecli.errors import DataError


def decode_rgb(content: bytes, name: str) -> np.ndarray:
    """Decode an image to RGB; grey is repeated.

    Parameters
    ----------
    content
        The file's bytes: BMP, JPEG, PNG, TIFF or what else OpenCV reads.
    name
        What to call it in an error.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    DataError
        If the bytes are no image.
    """
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise DataError(f"{name}: not a readable image", "drop it, or save it again")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def resize_square(pixels: np.ndarray, size: int) -> np.ndarray:
    """Scale an image to (size, size, channels), by area when it shrinks."""
    import cv2

    shrinks = max(pixels.shape[:2]) > size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(pixels, (size, size), interpolation=method)
