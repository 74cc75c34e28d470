"""Moving values: what coremltools' value inference lacks or does wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from eyecli.coreml.interpreter.windows import Arguments, Array
from eyecli.errors import CheckError

UPDATES: dict[str, Callable[..., Any]] = {
    "add": np.add.at,
    "sub": np.subtract.at,
    "mul": np.multiply.at,
    "div": np.divide.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
    "update": lambda data, indices, updates: data.__setitem__(indices, updates),
}


def concat(arguments: Arguments) -> Array:
    """Join arrays along an axis, or deal out its slices in turn; coremltools' own never deals."""
    values, axis = [np.atleast_1d(v) for v in arguments["values"]], int(arguments["axis"])
    if not arguments.get("interleave"):
        return np.concatenate(values, axis=axis)
    axis %= values[0].ndim
    shape = list(values[0].shape)
    shape[axis] *= len(values)
    return np.stack(values, axis=axis + 1).reshape(shape)


def reshape(arguments: Arguments) -> Array:
    """Give a new shape; 0 keeps an axis, -1 takes what is left.

    coremltools' own builds types for each call.
    """
    x, shape = arguments["x"], [int(n) for n in arguments["shape"]]
    return np.reshape(x, [n or np.shape(x)[i] for i, n in enumerate(shape)])


def reshape_like(arguments: Arguments) -> Array:
    """Give a shape that is put together from parts of the shapes of others."""
    shape: list[int] = []
    parts = (arguments[k] for k in ("ref_tensors", "begins", "ends", "end_masks"))
    for tensor, begin, end, to_the_end in zip(*parts, strict=True):
        shape += tensor.shape[int(begin) : None if to_the_end else int(end)]
    return np.reshape(arguments["x"], shape)


def squeeze(arguments: Arguments) -> Array:
    """Drop axes of length one; coremltools' own leaves some where all are dropped."""
    axes = arguments.get("axes")
    return np.squeeze(arguments["x"], axis=None if axes is None else tuple(map(int, axes)))


def slice_by_index(arguments: Arguments) -> Array:
    """Slice with strides and masks; coremltools' own refuses to squeeze a float16 to a scalar."""
    x = arguments["x"]
    unset = [False] * x.ndim
    begins, ends, squeezes = (
        arguments.get(k, unset) for k in ("begin_mask", "end_mask", "squeeze_mask")
    )
    index: list[Any] = []
    for i in range(x.ndim):
        begin = None if begins[i] else int(arguments["begin"][i])
        end = None if ends[i] else int(arguments["end"][i])
        step = int(arguments["stride"][i]) if "stride" in arguments else 1
        index.append((begin or 0) if squeezes[i] else slice(begin, end, step))
    return np.asarray(x[tuple(index)])


def cumsum(arguments: Arguments) -> Array:
    """Sum up along an axis; coremltools' own fails where the element itself is excluded."""
    x, axis = arguments["x"], int(arguments["axis"])
    x = np.flip(x, axis) if arguments["reverse"] else x
    total = np.cumsum(x, axis=axis, dtype=x.dtype)
    total = total - x if arguments["exclusive"] else total
    return np.flip(total, axis) if arguments["reverse"] else total


def band_part(arguments: Arguments) -> Array:
    """Keep a band around the diagonal, -1 for all of a side.

    coremltools' own multiplies with zero, which makes infinite values NaN.
    """
    x, lower, upper = arguments["x"], int(arguments["lower"]), int(arguments["upper"])
    below = np.subtract.outer(np.arange(x.shape[-2]), np.arange(x.shape[-1]))
    band = ((lower < 0) | (below <= lower)) & ((upper < 0) | (-below <= upper))
    return np.where(band, x, x.dtype.type(0))


def fill(arguments: Arguments) -> Array:
    """Make an array of one value; coremltools' own forgets its type."""
    return np.full([int(n) for n in arguments["shape"]], _plain(arguments["value"]))


def fill_like(arguments: Arguments) -> Array:
    """Make an array of one value in the shape of another."""
    return np.full(arguments["ref_tensor"].shape, _plain(arguments["value"]))


def _plain(value: Any) -> Any:
    value = np.asarray(value)
    return value.astype(np.float32) if value.dtype.kind == "f" else value


def range_1d(arguments: Arguments) -> Array:
    """Count from start to end; coremltools' own gives up beyond a length."""
    start, end, step = (np.asarray(arguments[k]) for k in ("start", "end", "step"))
    return np.arange(start, end, step, dtype=np.result_type(start, step))


def one_hot(arguments: Arguments) -> Array:
    """Put `on_value` where the indices say, on a new axis."""
    indices, axis = np.asarray(arguments["indices"]), int(arguments["axis"])
    spots = np.arange(int(arguments["one_hot_vector_size"]))
    hot = np.expand_dims(indices, axis) == spots.reshape(
        [-1] + [1] * (indices.ndim - axis % (indices.ndim + 1))
    )
    return np.where(hot, arguments["on_value"], arguments["off_value"])


def reverse_sequence(arguments: Arguments) -> Array:
    """Reverse the beginning of each sequence of a batch."""
    x, lengths = arguments["x"], arguments["lengths"]
    batch, axis = int(arguments["batch_axis"]) % x.ndim, int(arguments["seq_axis"]) % x.ndim
    sequences = np.moveaxis(x, (batch, axis), (0, 1))
    result = sequences.copy()
    for i, n in enumerate(map(int, lengths)):
        result[i, :n] = sequences[i, :n][::-1]
    return np.moveaxis(result, (0, 1), (batch, axis))


def sliding_windows(arguments: Arguments) -> Array:
    """Give all windows of an axis, the window on a new axis behind it."""
    x, axis, size = arguments["x"], int(arguments["axis"]), int(arguments["size"])
    axis %= x.ndim
    view = sliding_window_view(x, size, axis)[
        (slice(None),) * axis + (slice(None, None, int(arguments["stride"])),)
    ]
    return np.moveaxis(view, -1, axis + 1)


def gather_nd(arguments: Arguments) -> Array:
    """Take the slices that the last axis of the indices names, as `tf.gather_nd`."""
    x, indices, batch = arguments["x"], arguments["indices"], int(arguments.get("batch_dims", 0))
    lead = np.meshgrid(*map(np.arange, indices.shape[:-1]), indexing="ij", sparse=True)[:batch]
    return np.asarray(x[(*lead, *np.moveaxis(indices, -1, 0))])


def scatter(arguments: Arguments) -> Array:
    """Update slices of an axis, in place of or together with what is there."""
    data = np.array(arguments["data"])
    _update(arguments)(np.moveaxis(data, int(arguments["axis"]), 0), arguments["indices"],
                       np.moveaxis(arguments["updates"], int(arguments["axis"]), 0))  # fmt: skip
    return data


def scatter_along_axis(arguments: Arguments) -> Array:
    """Update elements of an axis; coremltools' own ignores the mode."""
    data, indices, axis = np.array(arguments["data"]), arguments["indices"], int(arguments["axis"])
    index = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    index[axis] = indices
    _update(arguments)(data, tuple(index), arguments["updates"])
    return data


def scatter_nd(arguments: Arguments) -> Array:
    """Update the slices that the last axis of the indices names."""
    data = np.array(arguments["data"])
    _update(arguments)(data, tuple(np.moveaxis(arguments["indices"], -1, 0)), arguments["updates"])
    return data


def _update(arguments: Arguments) -> Callable[..., Any]:
    mode = str(arguments["mode"])
    if mode not in UPDATES:
        raise CheckError(f"unknown mode {mode}")
    return UPDATES[mode]


def depth_to_space(arguments: Arguments) -> Array:
    """Spread channels over blocks of pixels, the position in the block before the channel."""
    x, b = arguments["x"], int(arguments["block_size"])
    n, c, h, w = x.shape
    blocks = x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, c // b**2, h * b, w * b)


def pixel_shuffle(arguments: Arguments) -> Array:
    """Spread channels over blocks of pixels, the channel before the position in the block."""
    x, f = arguments["x"], int(arguments["upscale_factor"])
    n, c, h, w = x.shape
    blocks = x.reshape(n, c // f**2, f, f, h, w).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // f**2, h * f, w * f)


def space_to_depth(arguments: Arguments) -> Array:
    """Undo `depth_to_space`."""
    x, b = arguments["x"], int(arguments["block_size"])
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, c * b * b, h // b, w // b)


def pixel_unshuffle(arguments: Arguments) -> Array:
    """Undo `pixel_shuffle`."""
    x, f = arguments["x"], int(arguments["downscale_factor"])
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // f, f, w // f, f).transpose(0, 1, 3, 5, 2, 4)
    return blocks.reshape(n, c * f * f, h // f, w // f)


def space_to_batch(arguments: Arguments) -> Array:
    """Deal out the pixels of blocks to images of a batch."""
    (bh, bw), pads = map(int, arguments["block_shape"]), arguments["paddings"]
    x = np.pad(arguments["x"], [(0, 0), (0, 0), *np.asarray(pads).tolist()])
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // bh, bh, w // bw, bw).transpose(3, 5, 0, 1, 2, 4)
    return blocks.reshape(n * bh * bw, c, h // bh, w // bw)


def batch_to_space(arguments: Arguments) -> Array:
    """Undo `space_to_batch`, and crop."""
    x, (bh, bw) = arguments["x"], map(int, arguments["block_shape"])
    (top, bottom), (left, right) = np.asarray(arguments["crops"]).tolist()
    n, c, h, w = x.shape
    n //= math.prod((bh, bw))
    image = x.reshape(bh, bw, n, c, h, w).transpose(2, 3, 4, 0, 5, 1).reshape(n, c, h * bh, w * bw)
    return image[:, :, top : h * bh - bottom, left : w * bw - right]
