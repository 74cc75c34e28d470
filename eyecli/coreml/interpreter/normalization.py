"""Normalisations, with their statistics in float32."""

from __future__ import annotations

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments, Array
from eyecli.errors import CheckError


def _channels(values: Array, rank: int) -> Array:
    return values.reshape(-1, *[1] * (rank - 2))


def batch_norm(arguments: Arguments) -> Array:
    """Scale and shift each channel by statistics of the training."""
    x = arguments["x"]
    scale = 1 / np.sqrt(arguments["variance"] + np.float32(arguments["epsilon"]))
    if "gamma" in arguments:
        scale = scale * arguments["gamma"]
    # Centred first: scaled means are large where variances are small, and would cancel.
    result = x - _channels(arguments["mean"], x.ndim)
    result *= _channels(scale, x.ndim)
    if "beta" in arguments:
        result += _channels(arguments["beta"], x.ndim)
    return np.asarray(result)


def instance_norm(arguments: Arguments) -> Array:
    """Normalise each channel of each sample over its spatial axes."""
    x = arguments["x"]
    axes = tuple(range(2, x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    result = np.asarray(centred / np.sqrt(variance + np.float32(arguments["epsilon"])))
    if "gamma" in arguments:
        result = result * _channels(arguments["gamma"], x.ndim)
    if "beta" in arguments:
        result = result + _channels(arguments["beta"], x.ndim)
    return result


def local_response_norm(arguments: Arguments) -> Array:
    """Divide by a power of the mean square of the neighbouring channels.

    ``x / (k + alpha / size * sum of squares) ** beta`` (coremltools, MIL operations,
    local_response_norm).

    Raises
    ------
    CheckError
        If `size` is even: which side has one channel more is not documented.
    """
    x, size = arguments["x"], int(arguments["size"])
    if size % 2 == 0:
        raise CheckError(f"it is not documented how an even size lies, {size}")
    squares = np.zeros((x.shape[0], x.shape[1] + size - 1, *x.shape[2:]), np.float32)
    squares[:, size // 2 : size // 2 + x.shape[1]] = np.square(x)
    near = sum(squares[:, i : i + x.shape[1]] for i in range(size))
    base = np.float32(arguments["k"]) + np.float32(arguments["alpha"]) / size * near
    return np.asarray(x / base ** np.float32(arguments["beta"]))
