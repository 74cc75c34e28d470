"""Resizing of the last axes, linear or to the nearest neighbour."""

from __future__ import annotations

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments, Array
from eyecli.errors import CheckError


def grid(source: int, target: int, mode: str) -> Array:
    """Return where in the source the samples of a resized axis lie.

    Parameters
    ----------
    source, target
        Lengths of the axis, in pixels.
    mode
        MIL's `sampling_mode` (coremltools, MIL operations, resize_bilinear).

    Returns
    -------
    numpy.ndarray
        (target,), float64, within 0..source - 1.
    """
    i = np.arange(target, dtype=np.float64)
    if mode == "ALIGN_CORNERS" and target == 1:
        points = np.full(1, (source - 1) / 2)
    elif mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        points = i * (source - 1) / max(target - 1, 1)
    elif mode == "DEFAULT":
        points = i * source / target
    elif mode == "OFFSET_CORNERS":
        points = (i + 0.5) * max(1, source - 1) / target
    elif mode == "UNALIGN_CORNERS":
        points = (i + 0.5) * source / target - 0.5
    else:
        raise CheckError(f"unknown sampling mode {mode}")
    return np.clip(points, 0, source - 1)


def _linear(x: Array, axis: int, points: Array) -> Array:
    low = np.floor(points).astype(np.intp)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    share = (points - low).astype(np.float32).reshape(-1, *[1] * (-axis - 1))
    below = x.take(low, axis)
    return np.asarray(below + (x.take(high, axis) - below) * share)


def resize_bilinear(arguments: Arguments) -> Array:
    """Resize height and width to a target size."""
    height, width = int(arguments["target_size_height"]), int(arguments["target_size_width"])
    return _resize(arguments["x"], (height, width), str(arguments["sampling_mode"]))


def upsample_bilinear(arguments: Arguments) -> Array:
    """Resize height and width by factors that are computed anew from the rounded sizes."""
    mode = "STRICT_ALIGN_CORNERS" if arguments["align_corners"] else "UNALIGN_CORNERS"
    return _resize(arguments["x"], _scaled(arguments), mode)


def resize_nearest_neighbor(arguments: Arguments) -> Array:
    """Take the source pixel below each target pixel's centre.

    coremltools' TensorFlow front end emits it for half-pixel centres only.
    """
    sizes = int(arguments["target_size_height"]), int(arguments["target_size_width"])
    return _nearest(arguments["x"], sizes, "UNALIGN_CORNERS")


def upsample_nearest_neighbor(arguments: Arguments) -> Array:
    """Repeat pixels; coremltools' TensorFlow front end emits it for corners that are aligned."""
    return _nearest(arguments["x"], _scaled(arguments), "DEFAULT")


def resize(arguments: Arguments) -> Array:
    """Resize the last `resized_dims` axes to the last numbers of `shape`; 0 keeps a size."""
    x, count = arguments["x"], int(arguments["resized_dims"])
    wanted = [int(n) for n in arguments["shape"][-count:]]
    sizes = tuple(n or old for n, old in zip(wanted, x.shape[-count:], strict=True))
    mode = str(arguments["sampling_mode"])
    if arguments["interpolation_mode"] == "LINEAR":
        return _resize(x, sizes, mode).astype(x.dtype)
    return _nearest(x, sizes, mode)


def _scaled(arguments: Arguments) -> tuple[int, int]:
    height, width = arguments["x"].shape[-2:]
    factors = float(arguments["scale_factor_height"]), float(arguments["scale_factor_width"])
    return int(np.floor(height * factors[0])), int(np.floor(width * factors[1]))


def _resize(x: Array, sizes: tuple[int, ...], mode: str) -> Array:
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        if size != x.shape[axis]:
            x = _linear(x, axis, grid(x.shape[axis], size, mode))
    return x


def _nearest(x: Array, sizes: tuple[int, ...], mode: str) -> Array:
    # How the other modes round is not documented.
    if mode not in ("DEFAULT", "UNALIGN_CORNERS"):
        raise CheckError(f"it is not documented how {mode} rounds")
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        i, source = np.arange(size), x.shape[axis]
        indices = i * source // size if mode == "DEFAULT" else (2 * i + 1) * source // (2 * size)
        x = x.take(indices, axis)
    return x


def crop(arguments: Arguments) -> Array:
    """Cut pixels off height and width."""
    top, bottom = (int(n) for n in arguments["crop_height"])
    left, right = (int(n) for n in arguments["crop_width"])
    height, width = arguments["x"].shape[-2:]
    return np.asarray(arguments["x"][..., top : height - bottom, left : width - right])
