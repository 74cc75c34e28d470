"""Pools over one to three spatial axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from itertools import product
from typing import Any

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments, Array, Pads, padded, padding, windows


def max_pool(arguments: Arguments) -> Array:
    """Take the largest value of each window; padding never wins."""
    return _reduce(arguments["x"], arguments, *_pads(arguments), -np.inf, np.maximum)


def avg_pool(arguments: Arguments) -> Array:
    """Average each window; padding counts as zeros, or not at all if it is excluded.

    What `ceil_mode` adds behind the padding never counts (as in PyTorch).
    """
    x, (pads, extra) = arguments["x"], _pads(arguments)
    total = _reduce(x, arguments, pads, extra, 0.0, np.add)
    ones = np.ones((1, 1, *x.shape[2:]), np.float32)
    if not arguments.get("exclude_padding_from_average"):
        ones = padded(ones, pads, 1.0)
        pads = [(0, 0)] * len(pads)
    return np.asarray(total / _reduce(ones, arguments, pads, extra, 0.0, np.add))


def l2_pool(arguments: Arguments) -> Array:
    """Take the root of the sum of squares of each window."""
    squares = np.square(arguments["x"])
    return np.sqrt(_reduce(squares, arguments, *_pads(arguments), 0.0, np.add))


def _pads(arguments: Arguments) -> tuple[Pads, Pads]:
    """Return the padding, and what `ceil_mode` adds so that the last window is complete."""
    sizes, kernel = arguments["x"].shape[2:], [int(k) for k in arguments["kernel_sizes"]]
    pads = padding(sizes, kernel, arguments)
    extra = []
    for size, extent, (before, after), stride in zip(
        sizes, kernel, pads, map(int, arguments["strides"]), strict=True
    ):
        whole = size + before + after
        count = -(-(whole - extent) // stride) + 1
        # A window that would start in the padding behind the image is none (coremltools,
        # spatial_dimensions_out_shape).
        if (count - 1) * stride >= size + before and before + after:
            count -= 1
        last = max((count - 1) * stride + extent - whole, 0)
        extra.append((0, last if arguments.get("ceil_mode") else 0))
    return pads, extra


def _reduce(
    x: Array, arguments: Arguments, pads: Pads, extra: Pads, fill: float, join: Callable[..., Any]
) -> Array:
    """Reduce each window with a ufunc: as shifted copies, or whole where windows are large."""
    kernel = [int(k) for k in arguments["kernel_sizes"]]
    strides = [int(s) for s in arguments["strides"]]
    x = padded(padded(x, pads, fill), extra, fill)
    view = windows(x, kernel, strides, [1] * len(kernel))
    output = view.shape[2 : 2 + len(kernel)]
    if math.prod(kernel) > math.prod(output):
        return np.asarray(join.reduce(view, axis=tuple(range(-len(kernel), 0))))  # type: ignore[attr-defined]
    shifts = (view[(..., *offset)] for offset in product(*map(range, kernel)))
    return reduce(lambda total, shift: join(total, shift, out=total), shifts, next(shifts).copy())
