"""Convolutions: dense ones as matrix products, depthwise ones as shifted multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments, Array, padded, padding, windows

# Columns of a dense convolution that are copied at once: few enough to stay in the cache.
COLUMN_BYTES = 4 << 20
# Pixels of all channels that a depthwise convolution works on at once, for the same reason.
CHUNK_BYTES = 256 << 10


def conv(arguments: Arguments) -> Array:
    """Convolve x (n, c, *spatial) with weight (o, c / groups, *kernel); MIL's `conv`.

    Returns
    -------
    numpy.ndarray
        (n, o, *output), for one to three spatial axes.
    """
    x, weight, groups = arguments["x"], arguments["weight"], int(arguments["groups"])
    strides = [int(s) for s in arguments["strides"]]
    dilations = [int(d) for d in arguments["dilations"]]
    extents = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    x = padded(x, padding(x.shape[2:], extents, arguments), 0.0)
    convolve = _depthwise if groups == x.shape[1] > 1 else _dense
    result = convolve(x, weight, groups, strides, dilations)
    if "bias" in arguments:
        result += arguments["bias"].reshape(-1, *[1] * (x.ndim - 2))
    return result


def _dense(
    x: Array, weight: Array, groups: int, strides: Sequence[int], dilations: Sequence[int]
) -> Array:
    """Multiply the weights with columns (c / groups * kernel, output), a few rows at a time."""
    kernel, rank = weight.shape[2:], x.ndim - 2
    view = windows(x, kernel, strides, dilations)
    output = view.shape[2 : 2 + rank]
    # (n, c, *output, *kernel) -> (n, c, *kernel, *output)
    view = view.transpose(0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    rows = weight.reshape(groups, len(weight) // groups, -1)
    inside = math.prod(output[1:])
    result = np.empty((len(x), len(weight), output[0], inside), np.float32)
    a_row = 4 * len(x) * x.shape[1] * math.prod(kernel) * inside
    # A kernel of one pixel needs no copies.
    step = output[0] if math.prod(kernel) == 1 else max(COLUMN_BYTES // a_row, 1)
    for first in range(0, output[0], step):
        part = view[(..., slice(first, first + step), *[slice(None)] * (rank - 1))]
        taken = part.shape[-rank]
        columns = part.reshape(len(x), groups, rows.shape[2], taken * inside)
        block = (rows @ columns).reshape(len(x), len(weight), taken, inside)
        result[:, :, first : first + taken] = block
    return result.reshape(len(x), len(weight), *output)


def _depthwise(
    x: Array, weight: Array, groups: int, strides: Sequence[int], dilations: Sequence[int]
) -> Array:
    """Add up shifted copies of each channel, times one weight each.

    The image is split into one image for each remainder of the strides, so that every shift is a
    slice of flat memory; the rows keep the columns that only their neighbours need.
    """
    kernel, rank = weight.shape[2:], x.ndim - 2
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    sizes = zip(x.shape[2:], extents, strides, strict=True)
    output = [(n - e) // s + 1 for n, e, s in sizes]
    pitch = [o + (e - 1) // s for o, e, s in zip(output, extents, strides, strict=True)]
    x = _fit(x, [p * s for p, s in zip(pitch, strides, strict=True)])
    steps = [math.prod(pitch[i + 1 :]) for i in range(rank)]
    flat = sum((o - 1) * step for o, step in zip(output, steps, strict=True)) + 1
    per = len(weight) // groups
    weight = weight.reshape(groups, per, -1)
    result = np.empty((len(x), groups, per, math.prod(pitch)), np.float32)
    chunk = max(CHUNK_BYTES // (4 * flat), 1)
    for i, first in product(range(len(x)), range(0, groups, chunk)):
        part = slice(first, first + chunk)
        images: dict[tuple[int, ...], Array] = {}
        total = result[i, part, :, :flat]
        term = np.empty_like(total)
        for k, offset in enumerate(product(*map(range, kernel))):
            reach = [o * d for o, d in zip(offset, dilations, strict=True)]
            rest = tuple(r % s for r, s in zip(reach, strides, strict=True))
            if rest not in images:
                take = [slice(r, None, s) for r, s in zip(rest, strides, strict=True)]
                images[rest] = x[(i, part, *take)].reshape(-1, 1, math.prod(pitch))
            start = sum(r // s * step for r, s, step in zip(reach, strides, steps, strict=True))
            shifted = images[rest][:, :, start : start + flat]
            np.multiply(shifted, weight[part, :, k, None], out=term if k else total)
            if k:
                total += term
    result = result.reshape(len(x), groups * per, *pitch)
    return result[(slice(None), slice(None), *map(slice, output))]


def _fit(x: Array, sizes: Sequence[int]) -> Array:
    """Cut or pad the ends of x (n, c, *spatial) to these sizes."""
    x = x[(slice(None), slice(None), *map(slice, sizes))]
    return padded(x, [(0, n - m) for n, m in zip(sizes, x.shape[2:], strict=True)], 0.0)


def conv_transpose(arguments: Arguments) -> Array:
    """Transpose the convolution with weight (c, o / groups, *kernel); MIL's `conv_transpose`.

    Every input adds its kernel to the output at ``stride * position``; of that the padding is cut
    off. ``same`` cuts what the convolution it transposes would have padded (TensorFlow).

    Returns
    -------
    numpy.ndarray
        (n, o, *output).
    """
    x, weight, groups = arguments["x"], arguments["weight"], int(arguments["groups"])
    strides = [int(s) for s in arguments["strides"]]
    dilations = [int(d) for d in arguments["dilations"]]
    kernel, sizes = weight.shape[2:], x.shape[2:]
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    full = [(n - 1) * s + e for n, s, e in zip(sizes, strides, extents, strict=True)]
    mode = arguments["pad_type"]
    if mode == "custom":
        pad = [int(p) for p in arguments["pad"]]
        before, after = pad[::2], pad[1::2]
    else:
        before, after = [0] * len(sizes), [0] * len(sizes)
    output = [f - b - a for f, b, a in zip(full, before, after, strict=True)]
    if mode in ("same", "same_lower"):
        output = [n * s for n, s in zip(sizes, strides, strict=True)]
    if "output_shape" in arguments:
        output = [int(n) for n in arguments["output_shape"][2:]]
    if mode in ("same", "same_lower"):
        before = [pads[mode == "same_lower"] for pads in _halves(full, output)]
    channels = weight.shape[1] * groups
    total = np.zeros((len(x), channels, *map(max, full, map(int.__add__, before, output))), x.dtype)
    columns = x.reshape(len(x), groups, -1, math.prod(sizes))
    # (c, o / groups, *kernel) -> (kernel, group, o / groups, c / groups)
    taps = weight.reshape(groups, len(weight) // groups, weight.shape[1], -1).transpose(3, 0, 2, 1)
    for tap, offset in zip(taps, product(*map(range, kernel)), strict=True):
        starts = [o * d for o, d in zip(offset, dilations, strict=True)]
        at = [
            slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(starts, sizes, strides, strict=True)
        ]
        added = (tap @ columns).reshape(len(x), channels, *sizes)
        total[(slice(None), slice(None), *at)] += added
    result = total[
        (slice(None), slice(None), *(slice(b, b + n) for b, n in zip(before, output, strict=True)))
    ]
    if "bias" in arguments:
        result = result + arguments["bias"].reshape(-1, *[1] * len(sizes))
    return result


def _halves(full: Sequence[int], output: Sequence[int]) -> list[tuple[int, int]]:
    """Split what `same` cuts off into the smaller and the larger half."""
    cut = [max(f - o, 0) for f, o in zip(full, output, strict=True)]
    return [(c // 2, c - c // 2) for c in cut]
