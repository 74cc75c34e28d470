"""The eight symmetries of a square: exact changes of a picture, without resampling."""

from __future__ import annotations

import numpy as np

from eyecli.data.loader import Row


def turned(inputs: Row, view: int) -> Row:
    """Show square pictures in another of their symmetries.

    Parameters
    ----------
    inputs
        Name to (n, side, side, channels); other inputs stay as they are.
    view
        0 is the identity. Its bits mirror left and right (1), top and bottom (2; 3 is the half
        turn) and along the diagonal (4; 5 and 6 are quarter turns). The first 2, 4 and 8 are
        closed under composition: a mean over them is the same whichever of them is shown.
    """
    return {
        name: _turned(values, view) if values.ndim == 4 else values
        for name, values in inputs.items()
    }


def _turned(pictures: np.ndarray, view: int) -> np.ndarray:
    if view & 1:
        pictures = pictures[:, :, ::-1]
    if view & 2:
        pictures = pictures[:, ::-1]
    if view & 4:
        pictures = pictures.swapaxes(1, 2)
    return np.ascontiguousarray(pictures)
