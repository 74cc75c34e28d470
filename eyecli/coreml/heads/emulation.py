"""A head as it runs in Core ML: all values float16, sums of a convolution in float32."""

from __future__ import annotations

import numpy as np

from eyecli.coreml.heads.forms import Head
from eyecli.coreml.heads.half import half
from eyecli.coreml.heads.programs import PROGRAMS, program_of


class Emulation:
    """The operations on (n, c) arrays of float16."""

    def shift(self, x: np.ndarray, by: np.ndarray, name: str) -> np.ndarray:
        """Add a constant to every channel."""
        return x + half(by, name)

    def scale(self, x: np.ndarray, by: np.ndarray, name: str) -> np.ndarray:
        """Multiply every channel by a constant."""
        return x * half(by, name)

    def mul(self, x: np.ndarray, y: np.ndarray, name: str) -> np.ndarray:
        """Multiply two arrays."""
        return x * y

    def conv(
        self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, name: str
    ) -> np.ndarray:
        """Sum in float32, round once."""
        total = x.astype(np.float32) @ half(weight, f"{name} weight").T.astype(np.float32)
        if bias is not None:
            total += half(bias, f"{name} bias").astype(np.float32)
        return total.astype(np.float16)

    def concat(self, values: tuple[np.ndarray, ...], name: str) -> np.ndarray:
        """Join channels."""
        return np.concatenate(values, axis=1)

    def exp(self, x: np.ndarray, name: str) -> np.ndarray:
        """Exponential function, rounded once."""
        return np.exp(x.astype(np.float32)).astype(np.float16)

    def relu(self, x: np.ndarray, name: str) -> np.ndarray:
        """Positive part."""
        return np.maximum(x, np.float16(0))


def apply_head_fp16(head: Head, gaze: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Apply a head as it runs in Core ML.

    Parameters
    ----------
    head
        Before rounding.
    gaze, embedding
        (n, 2) and (n, D).

    Returns
    -------
    numpy.ndarray
        Calibrated gaze (n, 2), float16 values as float64; infinite where they exceed float16.

    Raises
    ------
    CheckError
        If a weight is not finite in float16.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = (np.asarray(values).astype(np.float16) for values in (gaze, embedding))
        out: np.ndarray = PROGRAMS[program_of(head)](Emulation(), head, *inputs)
    return out.astype(np.float64)
