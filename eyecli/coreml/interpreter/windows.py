"""Sliding windows as convolutions and pools of MIL define them: padding, strides, dilations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray
Arguments = Mapping[str, Any]
Pads = list[tuple[int, int]]


def padding(sizes: Sequence[int], extents: Sequence[int], arguments: Arguments) -> Pads:
    """Resolve MIL's `pad_type` to explicit pads.

    Parameters
    ----------
    sizes
        Spatial extents of the input.
    extents
        Extents of the window, dilation included.
    arguments
        The operation's `pad_type` (``valid``, ``same``, ``same_lower`` or ``custom``), `pad` and
        `strides`.

    Returns
    -------
    list of (int, int)
        Before and after, for each spatial axis. ``same`` puts the odd pixel after the image,
        ``same_lower`` before it (coremltools, MIL operations, conv).
    """
    mode = arguments["pad_type"]
    if mode == "valid":
        return [(0, 0)] * len(sizes)
    if mode == "custom":
        pad = [int(p) for p in arguments["pad"]]
        return list(zip(pad[::2], pad[1::2], strict=True))
    pads = []
    for size, extent, stride in zip(sizes, extents, arguments["strides"], strict=True):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        small, large = total // 2, total - total // 2
        pads.append((int(large), int(small)) if mode == "same_lower" else (int(small), int(large)))
    return pads


def padded(x: Array, pads: Pads, fill: float) -> Array:
    """Pad the spatial axes of x (n, c, *spatial) with a value; without pads x itself."""
    if not any(map(any, pads)):
        return x
    sizes = [b + n + a for (b, a), n in zip(pads, x.shape[2:], strict=True)]
    out = np.full((*x.shape[:2], *sizes), fill, x.dtype)
    inner = tuple(slice(b, b + n) for (b, _), n in zip(pads, x.shape[2:], strict=True))
    out[(slice(None), slice(None), *inner)] = x
    return out


def windows(
    x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Array:
    """View x (n, c, *spatial) as windows (n, c, *output, *kernel); nothing is copied."""
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    view = sliding_window_view(x, extents, axis=tuple(range(2, x.ndim)))  # type: ignore[call-overload]
    steps = [slice(None, None, int(s)) for s in (*strides, *dilations)]
    return view[(slice(None), slice(None), *steps)]
