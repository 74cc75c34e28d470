"""Weights that are stored compressed: the constexpr operations of iOS 16 and of iOS 18.

coremltools' own `materialized_val_inference` holds a lookup table for each element of the weight
(3 GB for one layer of Xception in 8 bits); here memory is that of the result.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments, Array


def _bits(packed: Array, width: int, count: int) -> Array:
    """Unpack the first unsigned numbers of a few bits each, the lowest bit first."""
    bits = np.unpackbits(packed.astype(np.uint8), count=width * count, bitorder="little")
    return np.packbits(bits.reshape(count, width), axis=1, bitorder="little")[:, 0]


def _shape(arguments: Arguments) -> tuple[int, ...]:
    return tuple(int(n) for n in arguments["shape"])


def _affine(data: Array, scale: Any, zero: Any, axis: Any) -> Array:
    shape = [1] * data.ndim
    if np.ndim(scale) or np.ndim(zero):
        shape[int(axis)] = -1
    shift = (
        np.float32(0)
        if zero is None
        else np.asarray(zero, np.float32).reshape(_fitting(zero, shape))
    )
    return np.asarray((data.astype(np.float32) - shift) * np.reshape(scale, _fitting(scale, shape)))


def _fitting(values: Any, shape: list[int]) -> list[int]:
    return shape if np.ndim(values) else []


def affine_dequantize(arguments: Arguments) -> Array:
    """``scale * (quantized_data - zero_point)``, one of each or one along `axis`."""
    a = arguments
    return _affine(a["quantized_data"], a["scale"], a["zero_point"], a["axis"])


def dequantize(arguments: Arguments) -> Array:
    """``scale * (input - zero_point)``, one of each or one along `axis`."""
    a = arguments
    return _affine(a["input"], a["scale"], a.get("zero_point"), a.get("axis"))


def quantize(arguments: Arguments) -> Array:
    """``clip(round(input / scale) + zero_point)``, one of each or one along `axis`."""
    x, scale, zero = arguments["input"], arguments["scale"], arguments.get("zero_point", 0)
    shape = [1] * x.ndim
    if np.ndim(scale):
        shape[int(arguments["axis"])] = -1
    levels = np.round(x / np.reshape(scale, _fitting(scale, shape)))
    levels = levels + np.asarray(zero, np.float32).reshape(_fitting(zero, shape))
    kind = np.dtype(str(arguments["output_dtype"]))
    return np.asarray(np.clip(levels, np.iinfo(kind).min, np.iinfo(kind).max).astype(kind))


def cast(arguments: Arguments) -> Array:
    """Store in half, compute in single precision."""
    return np.asarray(arguments["source_val"])


def lut_to_dense(arguments: Arguments) -> Array:
    """Look up weights in a table; on iOS 18 one table for each block, of numbers or of vectors."""
    lut = arguments["lut"]
    if "shape" in arguments:
        shape = _shape(arguments)
        indices = _bits(arguments["indices"], int(math.log2(len(lut))), math.prod(shape))
        return np.asarray(lut[indices].reshape(shape))
    return _look_up(arguments["indices"], lut, arguments.get("vector_axis"))


def _look_up(indices: Array, lut: Array, vector_axis: Any) -> Array:
    # Which table of lut (*tables, entries, vector) an index means follows from where it lies.
    tables = [np.arange(n) // (n // t) for n, t in zip(indices.shape, lut.shape, strict=False)]
    found = lut[(*np.ix_(*tables), indices.astype(np.intp))]
    if lut.shape[-1] == 1:
        return np.asarray(found[..., 0])
    axis, shape = int(vector_axis) % indices.ndim, list(indices.shape)
    shape[axis] *= lut.shape[-1]
    return np.asarray(np.moveaxis(found, -1, axis + 1).reshape(shape))


def sparse_to_dense(arguments: Arguments) -> Array:
    """Put the weights that are not zero where the mask says."""
    mask, data = arguments["mask"], arguments["nonzero_data"]
    if "shape" in arguments:
        shape = _shape(arguments)
        mask = _bits(mask, 1, math.prod(shape)).reshape(shape)
    return _dense(data, mask)


def _dense(data: Array, mask: Array) -> Array:
    result = np.zeros(mask.shape, data.dtype)
    result[mask != 0] = data
    return result


def blockwise_shift_scale(arguments: Arguments) -> Array:
    """``scale * (data - offset)``, one of each for a block of weights."""
    return _blockwise(arguments["data"], arguments["scale"], arguments.get("offset"))


def _blockwise(data: Array, scale: Array, offset: Array | None) -> Array:
    blocks = [n // m for n, m in zip(data.shape, scale.shape, strict=True)]
    # (blocks of the first axis, inside a block, blocks of the second axis...)
    split = [n for m, b in zip(scale.shape, blocks, strict=True) for n in (m, b)]
    wide = [n for m in scale.shape for n in (m, 1)]
    values = data.astype(np.float32).reshape(split)
    if offset is not None:
        values = values - offset.astype(np.float32).reshape(wide)
    return np.asarray((values * scale.reshape(wide)).reshape(data.shape))


def lut_to_sparse(arguments: Arguments) -> tuple[Array, Array]:
    """Look up the weights that are not zero; mask and weights, for `sparse_to_dense`."""
    mask, lut, axis = arguments["indices_mask"], arguments["lut"], arguments.get("vector_axis")
    dense = _look_up(_dense(arguments["indices_nonzero_data"], mask), lut, axis)
    if lut.shape[-1] > 1:
        mask = np.repeat(mask, lut.shape[-1], axis=int(axis))
    return mask, dense[mask != 0]


def sparse_blockwise_shift_scale(arguments: Arguments) -> tuple[Array, Array]:
    """Scale the weights that are not zero; mask and weights, for `sparse_to_dense`."""
    mask = arguments["data_mask"]
    dense = _dense(arguments["nonzero_data"], mask)
    return mask, _blockwise(dense, arguments["scale"], arguments.get("offset"))[mask != 0]
