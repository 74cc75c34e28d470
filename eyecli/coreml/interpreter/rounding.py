"""Emulated float16: values that were rounded to half, held in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

# From here on OpenCV's conversion (about 15 times as fast as NumPy's) is worth its import.
LARGE = 1 << 14


def real(values: Any, half: bool) -> Any:
    """Bring floats to float32, through float16 where that is emulated, and int64 to int32.

    Parameters
    ----------
    values
        An array, a NumPy scalar, a list of them, or anything else, which is returned as it is.
        Integers and bools are never rounded.
    half
        Round to float16, to nearest even; beyond 65504 that is infinite.
    """
    if isinstance(values, list):
        return [real(v, half) for v in values]
    if not isinstance(values, np.ndarray | np.generic):
        return values
    if values.dtype == np.int64:
        return values.astype(np.int32)
    if values.dtype.kind != "f":
        return values
    if not half or values.dtype == np.float16:
        return values.astype(np.float32, copy=False)
    if values.size < LARGE:
        return values.astype(np.float16).astype(np.float32)
    import cv2

    flat = np.ascontiguousarray(values, np.float32).reshape(1, -1)
    return cv2.convertFp16(cv2.convertFp16(flat)).reshape(values.shape)
