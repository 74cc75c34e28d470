"""Weights in half precision."""

from __future__ import annotations

import numpy as np

from eyecli.errors import CheckError


def half(values: np.ndarray, what: str) -> np.ndarray:
    """Round once, from the precision that values come in to float16, to nearest even.

    Raises
    ------
    CheckError
        If a value is not finite in float16; names `what`.
    """
    with np.errstate(over="ignore"):
        rounded = np.asarray(values).astype(np.float16)
    if not np.isfinite(rounded).all():
        worst = np.abs(np.asarray(values, np.float64)).max()
        raise CheckError(
            f"the head's {what} does not fit float16: {worst:g}, the largest is 65504",
            "calibrate in cm, or on standardised embeddings",
        )
    return rounded
