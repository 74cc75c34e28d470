"""Element by element: what coremltools' value inference lacks, does slowly or does wrong."""

from __future__ import annotations

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments, Array
from eyecli.errors import CheckError


def erf(arguments: Arguments) -> Array:
    """Error function; coremltools' own is a Python call for each element."""
    from scipy import special

    return np.asarray(special.erf(arguments["x"]))


def gelu(arguments: Arguments) -> Array:
    """Gaussian error linear unit, exact or approximated; coremltools' own is slow like `erf`."""
    from scipy import special

    x, mode = arguments["x"], str(arguments["mode"])
    if mode == "TANH_APPROXIMATION":
        inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)
        return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inner)))
    if mode == "SIGMOID_APPROXIMATION":
        return np.asarray(x * special.expit(np.float32(1.702) * x))
    return np.asarray(np.float32(0.5) * x * (1 + special.erf(x / np.float32(np.sqrt(2)))))


def silu(arguments: Arguments) -> Array:
    """``x * sigmoid(x)``; coremltools has no value inference."""
    from scipy import special

    return np.asarray(arguments["x"] * special.expit(arguments["x"]))


def clamped_relu(arguments: Arguments) -> Array:
    """``min(beta, x)`` from 0 on, ``min(beta, alpha * x)`` below.

    coremltools' own adds both terms, which is wrong for a negative `beta`.
    """
    x = arguments["x"]
    return np.asarray(np.minimum(np.where(x >= 0, x, arguments["alpha"] * x), arguments["beta"]))


def thresholded_relu(arguments: Arguments) -> Array:
    """``x`` from alpha on, 0 below; coremltools' own writes into its input."""
    x = arguments["x"]
    return np.where(x >= arguments["alpha"], x, np.float32(0))


def softplus_parametric(arguments: Arguments) -> Array:
    """``alpha * log(1 + exp(beta * x))`` for each channel; coremltools' own overflows."""
    x = arguments["x"]
    alpha, beta = (arguments[k].reshape(-1, *[1] * (x.ndim - 2)) for k in ("alpha", "beta"))
    return np.asarray(alpha * np.logaddexp(np.float32(0), x * beta))


def cast(arguments: Arguments) -> Array:
    """Cast to integers or bool; between floats the caller rounds, or does not."""
    dtype = str(arguments["dtype"])
    kinds = {"fp16": np.float32, "fp32": np.float32, "bool": np.bool_}
    kinds |= {k: np.dtype(k).type for k in ("int8", "uint8", "int16", "uint16", "int32")}
    if dtype not in kinds:
        raise CheckError(f"unknown type {dtype}")
    return np.asarray(arguments["x"]).astype(kinds[dtype])
