"""The programs of the heads, each written once: to be built, traced or emulated.

Only ``add``, ``mul``, ``conv``, ``concat``, ``exp`` and ``relu`` on (1, c, 1, 1) tensors, all
eligible for the Neural Engine. Two rules keep float16 exact enough: a centre is subtracted before
anything is scaled (a gaze of 3,000 px keeps its spacing of 2 px and no more is lost), and the last
convolution adds the base prediction, the features and the bias in one sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from eyecli.coreml.heads.forms import Head, Hidden, Quadratic, Rbf

OUTPUT = "gaze_calibrated"


class Operations(Protocol):
    """The operations that a program may use; `Any` is whatever stands for a tensor."""

    def shift(self, x: Any, by: np.ndarray, name: str) -> Any:
        """Add a constant (c,) to every channel."""

    def scale(self, x: Any, by: np.ndarray, name: str) -> Any:
        """Multiply every channel by a constant (c,)."""

    def mul(self, x: Any, y: Any, name: str) -> Any:
        """Multiply two tensors."""

    def conv(self, x: Any, weight: np.ndarray, bias: np.ndarray | None, name: str) -> Any:
        """Convolve with a 1x1 kernel (o, i) and a bias (o,)."""

    def concat(self, values: tuple[Any, ...], name: str) -> Any:
        """Join channels."""

    def exp(self, x: Any, name: str) -> Any:
        """Exponential function."""

    def relu(self, x: Any, name: str) -> Any:
        """Positive part."""


Program = Callable[[Operations, Head, Any, Any], Any]


def linear(ops: Operations, head: Head, gaze: Any, embedding: Any) -> Any:
    """Convolve gaze and embedding."""
    x = ops.concat((gaze, embedding), "features")
    return ops.conv(x, head.weight, head.bias, OUTPUT)


def quadratic(ops: Operations, head: Head, gaze: Any, embedding: Any) -> Any:
    """Multiply ``(x, y, x, x, y)`` by ``(1, 1, x, y, y)``: all terms in one product.

    The embedding has weights of zero, so that no input of the model is without a reader.
    """
    form = head.features
    assert isinstance(form, Quadratic)
    first = np.eye(2)[[0, 1, 0, 0, 1]] / form.scale
    second = np.vstack([np.zeros((2, 2)), np.eye(2)[[0, 1, 1]] / form.scale])
    centred = ops.shift(gaze, -form.centre, "centred")
    left = ops.conv(centred, first, None, "left")
    right = ops.conv(centred, second, np.array([1.0, 1.0, 0.0, 0.0, 0.0]), "right")
    terms = ops.mul(left, right, "terms")
    x = ops.concat((gaze, embedding, terms), "features")
    weight = np.insert(head.weight, 2, np.zeros((form.dims, 2)), axis=1)
    return ops.conv(x, weight, head.bias, OUTPUT)


def rbf(ops: Operations, head: Head, gaze: Any, embedding: Any) -> Any:
    """Compute ``exp(2 z s_i - |z|^2 - |s_i|^2)``, the exponent in one sum of single precision."""
    form = head.features
    assert isinstance(form, Rbf)
    with np.errstate(over="ignore"):
        support = form.support.astype(np.float16).astype(np.float64)
    centred = ops.shift(embedding, -form.centre, "centred")
    z = ops.scale(centred, 1 / form.scale, "standardised")
    square = ops.mul(z, z, "squares")
    norm = ops.conv(square, -np.ones((1, form.dims)), None, "norm")
    position = ops.concat((z, norm), "position")
    weight = np.hstack([2 * support, np.ones((form.count, 1))])
    exponent = ops.conv(position, weight, -(support**2).sum(axis=1), "exponent")
    kernel = ops.exp(exponent, "kernel")
    x = ops.concat((gaze, kernel), "features")
    return ops.conv(x, head.weight, head.bias, OUTPUT)


def mlp(ops: Operations, head: Head, gaze: Any, embedding: Any) -> Any:
    """Add a hidden layer's output to the gaze."""
    form = head.features
    assert isinstance(form, Hidden)
    inputs = ops.concat((gaze, embedding), "inputs")
    centred = ops.shift(inputs, -form.centre, "centred")
    units = ops.conv(centred, form.layer, form.threshold, "units")
    hidden = ops.relu(units, "hidden")
    x = ops.concat((gaze, hidden), "features")
    return ops.conv(x, head.weight, head.bias, OUTPUT)


# Template file by the name of its program.
PROGRAMS: dict[str, Program] = {"linear": linear, "quadratic": quadratic, "rbf": rbf, "mlp": mlp}


def program_of(head: Head) -> str:
    """Name the program of a head."""
    return "linear" if head.features is None else head.kind
