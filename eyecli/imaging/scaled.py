"""Encoded bytes to pixels at 1, 1/2, 1/4 or 1/8 of their size, with a geometry that is exact.

A pixel (x, y) of what is returned covers the ``factor`` by ``factor`` pixels of the upright
original that begin at (factor * x, factor * y): coordinates with centres at one half are mapped
back by multiplying with `factor`, whatever the format. Sizes are rounded up, as JPEG does.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from eyecli.errors import DataError
from eyecli.imaging.header import Header, read_header

Factor = Literal[1, 2, 4, 8]
FACTORS: tuple[Factor, ...] = (1, 2, 4, 8)
# 300 MB of RGB. The largest fundus cameras have 50 million pixels; a few kilobytes of PNG can
# say, and become, billions.
MOST_PIXELS = 100_000_000
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
# What a JPEG decoder fills in for blocks that are missing, and how many pixels of the original
# the smallest unit that can be missing has.
MISSING, UNIT = 128, 8
DAMAGED = "drop it, or copy it again"
UNKNOWN = "drop it, or save it as JPEG, PNG or TIFF"


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture, upright, from its header alone.

    Parameters
    ----------
    content
        The file's bytes: JPEG, PNG, TIFF, BMP, WebP or PNM.

    Returns
    -------
    tuple of int or None
        In pixels, after the EXIF orientation is applied; None where they cannot be told.
    """
    header = read_header(content)
    return header.upright if header else None


def decode_scaled(content: bytes, name: str, factor: Factor = 1) -> np.ndarray:
    """Decode a picture at a fraction of its size, to upright 8-bit RGB.

    JPEG is scaled while it is decoded (by fewer DCT coefficients), which costs a fraction of
    decoding it whole; other formats are decoded whole and averaged. The EXIF orientation (of
    JPEG, TIFF and PNG) is applied here, once. Grey is repeated, CMYK converted, of 16 bits the
    upper 8 are kept, what is transparent becomes black.

    Parameters
    ----------
    content
        The file's bytes: JPEG, PNG, TIFF, BMP, WebP or PNM.
    name
        What to call it in an error.
    factor
        1, 2, 4 or 8.

    Returns
    -------
    ndarray of uint8, shape (ceil(height / factor), ceil(width / factor), 3)
        Height and width are those of `picture_size`.

    Raises
    ------
    DataError
        If the bytes are empty, no picture, broken off, or say that they have more than
        ``MOST_PIXELS`` pixels.
    """
    header = _accepted(content, name)
    if header.kind != "jpeg":
        return _shrunk(_upright(_decoded(content, name, header), header), factor)
    # Where a turn puts the last, partial pixel first, the map back would need an offset.
    divides = header.width % factor == 0 and header.height % factor == 0
    early = factor if header.orientation == 1 or divides else 1
    pixels = _upright(_decoded_jpeg(content, name, early), header)
    return pixels if early == factor else _shrunk(pixels, factor)


def _accepted(content: bytes, name: str) -> Header:
    """Check what can be checked without decoding."""
    if not content:
        raise DataError(f"{name}: an empty file", DAMAGED)
    header = read_header(content)
    if header is None:
        raise DataError(f"{name}: not a picture of a known format, or its beginning is damaged",
                        UNKNOWN)  # fmt: skip
    if header.width * header.height > MOST_PIXELS:
        raise DataError(
            f"{name}: says it has {header.width} by {header.height} pixels, more than "
            f"{MOST_PIXELS // 10**6} million",
            "drop it, or save it smaller",
        )
    if header.kind == "jpeg" and not _ends(content):
        raise DataError(f"{name}: breaks off before the end of the picture", DAMAGED)
    return header


def _ends(content: bytes) -> bool:
    """Whether a JPEG has its end: last, or before what a camera has put behind it."""
    # Markers cannot occur within a scan, so that one after the last scan's beginning is the end.
    return content.endswith(END_OF_IMAGE) or (
        content.find(END_OF_IMAGE, max(content.rfind(START_OF_SCAN), 0)) >= 0
    )


def _decoded_jpeg(content: bytes, name: str, factor: Factor) -> np.ndarray:
    import cv2

    flags = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }[factor]
    rgb = _read(content, name, flags | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    # Broken off, and an end put behind it: the rest is grey. Normalised pictures are grey all
    # around, so that the top is looked at too.
    unit = 2 * UNIT // factor
    low, high = rgb[-unit // 2 :, -unit // 2 :], rgb[: unit // 2, -unit // 2 :]
    if (low == MISSING).all() and not (high == MISSING).all():
        raise DataError(f"{name}: the lower part of the picture is missing", DAMAGED)
    return rgb


def _decoded(content: bytes, name: str, header: Header) -> np.ndarray:
    import cv2

    pixels = _read(content, name, cv2.IMREAD_UNCHANGED)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise DataError(f"{name}: neither 8 nor 16 bits a channel, grey, RGB or RGBA", UNKNOWN)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
    if pixels.shape[2] == 4:
        seen = pixels[..., 3:].astype(np.uint16)
        pixels = ((pixels[..., :3] * seen + 127) // 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _read(content: bytes, name: str, flags: int) -> np.ndarray:
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise DataError(f"{name}: not a readable picture, or it breaks off", DAMAGED)
    return np.asarray(pixels)


def _upright(pixels: np.ndarray, header: Header) -> np.ndarray:
    """Turn stored rows and columns to what the EXIF orientation says (EXIF 2.3, 4.6.4 A)."""
    # OpenCV turns TIFF, whatever it is told.
    orientation = 1 if header.kind == "tiff" else header.orientation
    if orientation == 1:
        return pixels
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _shrunk(pixels: np.ndarray, factor: Factor) -> np.ndarray:
    """Average `factor` by `factor` pixels; the last row and column are repeated to fill up."""
    import cv2

    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    lower, right = -height % factor, -width % factor
    if lower or right:
        pixels = cv2.copyMakeBorder(pixels, 0, lower, 0, right, cv2.BORDER_REPLICATE)
    size = (pixels.shape[1] // factor, pixels.shape[0] // factor)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
