"""What Keras layers become in an ML Program: one function a kind of layer, and a table of them.

Values of rank 4 and 5 have channels first, those of lower rank are as in Keras; the batch is one
sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eyecli.errors import EyecliError


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes
    ----------
    mb
        coremltools' builder.
    layer
        The Keras layer or operation.
    xs
        Values that it reads.
    shape
        Of its result as in Keras, without the batch.
    """

    mb: Any
    layer: Any
    xs: Sequence[Any]
    shape: tuple[int, ...]

    @property
    def x(self) -> Any:
        """The one value that it reads."""
        return self.xs[0]

    def refuse(self, why: str) -> EyecliError:
        """Return the error of a layer that has no exact counterpart here."""
        return refusal(self.layer, why)


def refusal(layer: Any, why: str = "it is not known for models of volumes") -> EyecliError:
    """Return the error that names a layer and its class."""
    return EyecliError(
        f"cannot export the layer {layer.name} ({type(layer).__name__}): {why}",
        f"known are {', '.join(sorted(EMITTERS))}",
    )


def emit(mb: Any, node: Any, xs: Sequence[Any]) -> list[Any]:
    """Add the operations of one node of a Keras graph to the program under construction.

    Raises
    ------
    EyecliError
        If its layer, or a setting of it, has no exact counterpart here.
    """
    layer = node.operation
    emitter = EMITTERS.get(type(layer).__name__)
    if emitter is None or len(node.outputs) != 1:
        raise refusal(layer)
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        raise refusal(layer, "its channels come first")
    given = [*node.arguments.args, *node.arguments.kwargs.values()]
    loose = [
        v for v in given if isinstance(v, int | float | np.ndarray) and not isinstance(v, bool)
    ]
    if loose:
        raise refusal(layer, f"it works with the constant {np.ravel(loose[0])[0]:g}")
    return [emitter(Call(mb, layer, xs, tuple(node.outputs[0].shape[1:])))]


def channel_axis(x: Any) -> int:
    """Return the axis of channels of a value of the program."""
    return 1 if x.rank > 3 else x.rank - 1


def _axis(x: Any, axis: int) -> int:
    """Return an axis of Keras as an axis of the program."""
    axis = axis % x.rank
    if x.rank <= 3 or axis == 0:
        return axis
    return 1 if axis == x.rank - 1 else axis + 1


def _per_channel(x: Any, values: Any) -> np.ndarray:
    """Shape one number, or one for each channel, so that it broadcasts against a value."""
    array = np.asarray(values, np.float32).reshape(-1)
    if array.size == 1:
        return array[0]
    shape = [1] * x.rank
    shape[channel_axis(x)] = -1
    return array.reshape(shape)


def affine(mb: Any, x: Any, scale: Any, offset: Any) -> Any:
    """Multiply and add, channel by channel, what is not one and not zero."""
    if np.any(np.asarray(scale) != 1):
        x = mb.mul(x=x, y=_per_channel(x, scale))
    if np.any(np.asarray(offset) != 0):
        x = mb.add(x=x, y=_per_channel(x, offset))
    return x


def _channels_last(mb: Any, x: Any) -> Any:
    return mb.transpose(x=x, perm=[0, *range(2, x.rank), 1]) if x.rank > 3 else x


def _channels_first(mb: Any, x: Any) -> Any:
    return mb.transpose(x=x, perm=[0, x.rank - 1, *range(1, x.rank - 1)]) if x.rank > 3 else x


def same_padding(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    """Resolve TensorFlow's padding "same": ceil(size / stride) windows, the odd pixel after.

    Parameters
    ----------
    sizes, kernel, strides, dilations
        One for each axis.

    Returns
    -------
    list of int
        Before and after, axis by axis.
    """
    pads = []
    for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads += [total // 2, total - total // 2]
    return pads


def _pads(c: Call, kernel: Sequence[int], dilations: Sequence[int]) -> list[int]:
    if c.layer.padding == "same":
        return same_padding(c.x.shape[2:], kernel, c.layer.strides, dilations)
    if c.layer.padding != "valid":
        raise c.refuse(f"its padding is {c.layer.padding}")
    return [0] * (2 * len(kernel))


def convolution(c: Call) -> Any:
    """Emit a 2-D or 3-D convolution, strided, dilated or in groups."""
    kernel, *bias = (np.asarray(w, np.float32) for w in c.layer.get_weights())
    rank = kernel.ndim - 2
    y = c.mb.conv(
        x=c.x,
        weight=kernel.transpose(rank + 1, rank, *range(rank)),
        strides=list(c.layer.strides),
        dilations=list(c.layer.dilation_rate),
        groups=c.layer.groups,
        pad_type="custom",
        pad=_pads(c, kernel.shape[:rank], c.layer.dilation_rate),
        **({"bias": bias[0]} if bias else {}),
    )
    return _activate(c, y)


def dense(c: Call) -> Any:
    """Emit a dense layer; on a map it is a convolution of one pixel."""
    kernel, *bias = (np.asarray(w, np.float32) for w in c.layer.get_weights())
    given = {"bias": bias[0]} if bias else {}
    if c.x.rank > 3:
        ones = (1,) * (c.x.rank - 2)
        weight = kernel.T.reshape(*kernel.T.shape, *ones)
        return _activate(c, c.mb.conv(x=c.x, weight=weight, pad_type="valid", **given))
    return _activate(c, c.mb.linear(x=c.x, weight=kernel.T.copy(), **given))


def _pool(kind: str) -> Callable[[Call], Any]:
    def emitter(c: Call) -> Any:
        window = list(c.layer.pool_size)
        options = {"exclude_padding_from_average": True} if kind == "avg_pool" else {}
        return getattr(c.mb, kind)(
            x=c.x,
            kernel_sizes=window,
            strides=list(c.layer.strides),
            pad_type="custom",
            pad=_pads(c, window, [1] * len(window)),
            **options,
        )

    return emitter


def _global(kind: str) -> Callable[[Call], Any]:
    def emitter(c: Call) -> Any:
        axes = list(range(2, c.x.rank))
        return getattr(c.mb, kind)(x=c.x, axes=axes, keep_dims=bool(c.layer.keepdims))

    return emitter


def _last_axis_only(c: Call) -> None:
    axis = c.layer.axis
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if [a % c.x.rank for a in axes] != [c.x.rank - 1]:
        raise c.refuse(f"it normalises along the axes {axes}, not the channels")


def _gamma_and_beta(layer: Any, size: int) -> tuple[np.ndarray, np.ndarray]:
    gamma = np.asarray(layer.gamma) if layer.scale else np.ones(size)
    beta = np.asarray(layer.beta) if layer.center else np.zeros(size)
    return gamma.astype(np.float32), beta.astype(np.float32)


def batch_normalization(c: Call) -> Any:
    """Emit a batch normalisation with its moving statistics."""
    _last_axis_only(c)
    mean = np.asarray(c.layer.moving_mean, np.float32)
    variance = np.asarray(c.layer.moving_variance, np.float32)
    gamma, beta = _gamma_and_beta(c.layer, mean.size)
    epsilon = np.float32(c.layer.epsilon)
    if c.x.rank > 3:
        return c.mb.batch_norm(
            x=c.x, mean=mean, variance=variance, gamma=gamma, beta=beta, epsilon=epsilon
        )
    scale = gamma / np.sqrt(variance + epsilon)
    return affine(c.mb, c.x, scale, beta - mean * scale)


def layer_normalization(c: Call) -> Any:
    """Emit a normalisation of each pixel over its channels."""
    _last_axis_only(c)
    gamma, beta = _gamma_and_beta(c.layer, c.shape[-1])
    axes, epsilon = [channel_axis(c.x)], np.float32(c.layer.epsilon)
    return c.mb.layer_norm(x=c.x, axes=axes, gamma=gamma, beta=beta, epsilon=epsilon)


def group_normalization(c: Call) -> Any:
    """Emit a normalisation of groups of channels, in (1, groups, rest): rank 6 is too much."""
    _last_axis_only(c)
    gamma, beta = _gamma_and_beta(c.layer, c.shape[-1])
    if c.x.rank <= 3:
        raise c.refuse("it is known on maps only")
    x = c.mb.reshape(x=c.x, shape=[1, c.layer.groups, -1])
    x = c.mb.layer_norm(x=x, axes=[2], epsilon=np.float32(c.layer.epsilon))
    return affine(c.mb, c.mb.reshape(x=x, shape=list(c.x.shape)), gamma, beta)


def rescaling(c: Call) -> Any:
    """Emit a multiplication and an addition."""
    return affine(c.mb, c.x, c.layer.scale, c.layer.offset)


def normalization(c: Call) -> Any:
    """Emit a standardisation by stored statistics."""
    mean, variance = (np.asarray(v, np.float64) for v in (c.layer.mean, c.layer.variance))
    if mean.size not in (1, c.shape[-1]):
        raise c.refuse("its statistics are not those of channels")
    deviation = np.maximum(np.sqrt(variance), 1e-7)  # Keras's epsilon
    if c.layer.invert:
        return affine(c.mb, c.x, deviation, mean)
    return affine(c.mb, c.x, 1 / deviation, -mean / deviation)


def activation(c: Call, y: Any, name: str) -> Any:
    """Emit an activation function by Keras's name of it."""
    simple = {"relu", "relu6", "sigmoid", "tanh", "silu", "softplus", "softsign"}
    if name == "linear":
        return y
    if name in simple:
        return getattr(c.mb, name)(x=y)
    if name == "softmax":
        return c.mb.softmax(x=y, axis=channel_axis(y))
    if name == "leaky_relu":
        return c.mb.leaky_relu(x=y, alpha=np.float32(0.2))
    if name == "elu":
        return c.mb.elu(x=y, alpha=np.float32(1))
    if name == "gelu":
        return c.mb.gelu(x=y, mode="EXACT")
    if name == "hard_sigmoid":
        return c.mb.sigmoid_hard(x=y, alpha=np.float32(1 / 6), beta=np.float32(0.5))
    raise c.refuse(f"its activation is {name}")


def _activate(c: Call, y: Any) -> Any:
    return activation(c, y, c.layer.activation.__name__)


def relu(c: Call) -> Any:
    """Emit a rectifier with a slope below zero, or an upper limit."""
    slope, limit = float(c.layer.negative_slope), c.layer.max_value
    if c.layer.threshold or (slope and limit is not None):
        raise c.refuse("it has a threshold, or a slope and a limit")
    if slope:
        return c.mb.leaky_relu(x=c.x, alpha=np.float32(slope))
    if limit is None:
        return c.mb.relu(x=c.x)
    return c.mb.clip(x=c.x, alpha=np.float32(0), beta=np.float32(limit))


def softmax(c: Call) -> Any:
    """Emit a softmax along one axis."""
    if not isinstance(c.layer.axis, int):
        raise c.refuse("it has several axes")
    return c.mb.softmax(x=c.x, axis=_axis(c.x, c.layer.axis))


def _pairs(given: Any) -> list[tuple[int, int]]:
    return [tuple(p) if isinstance(p, list | tuple) else (p, p) for p in given]


def zero_padding(c: Call) -> Any:
    """Emit zeros around a map."""
    pad = [0, 0, 0, 0, *(n for pair in _pairs(c.layer.padding) for n in pair)]
    return c.mb.pad(x=c.x, pad=pad, mode="constant", constant_val=np.float32(0))


def pad(c: Call) -> Any:
    """Emit `keras.ops.pad` with zeros, of channels too."""
    if c.layer.mode != "constant":
        raise c.refuse(f"its mode is {c.layer.mode}")
    pairs = _pairs(c.layer.pad_width)
    order = [0, -1, *range(1, c.x.rank - 1)] if c.x.rank > 3 else range(c.x.rank)
    return c.mb.pad(
        x=c.x,
        pad=[n for axis in order for n in pairs[axis]],
        mode="constant",
        constant_val=np.float32(0),
    )


def cropping(c: Call) -> Any:
    """Emit a map without its border."""
    begin = [0, 0, *(before for before, _ in _pairs(c.layer.cropping))]
    size = [1, c.x.shape[1], *c.shape[:-1]]
    return c.mb.slice_by_size(x=c.x, begin=begin, size=size)


def upsampling(c: Call) -> Any:
    """Emit repeated voxels: rows and columns first, then slices, since Core ML resizes two axes."""
    deep, high, wide = c.layer.size
    _, n, d, h, w = c.x.shape
    x = c.mb.reshape(x=c.x, shape=[1, n * d, h, w])
    x = c.mb.upsample_nearest_neighbor(x=x, scale_factor_height=high, scale_factor_width=wide)
    x = c.mb.reshape(x=x, shape=[1, n, d, h * high * w * wide])
    x = c.mb.upsample_nearest_neighbor(x=x, scale_factor_height=deep, scale_factor_width=1)
    return c.mb.reshape(x=x, shape=[1, n, d * deep, h * high, w * wide])


def _merge(kind: str) -> Callable[[Call], Any]:
    def emitter(c: Call) -> Any:
        if len(c.xs) < 2 or len({x.rank for x in c.xs}) != 1:
            raise c.refuse("its inputs are of different rank")
        total = c.xs[0]
        for x in c.xs[1:]:
            total = getattr(c.mb, kind)(x=total, y=x)
        return total

    return emitter


def average(c: Call) -> Any:
    """Emit the mean of several values."""
    return c.mb.mul(x=_merge("add")(c), y=np.float32(1 / len(c.xs)))


def concatenate(c: Call) -> Any:
    """Emit values joined along an axis."""
    return c.mb.concat(values=list(c.xs), axis=_axis(c.x, c.layer.axis))


def reshape(c: Call) -> Any:
    """Emit another shape of the same values, in Keras's order of them."""
    order = c.x if set(c.x.shape[2:]) == {1} else _channels_last(c.mb, c.x)
    return _channels_first(c.mb, c.mb.reshape(x=order, shape=[1, *c.shape]))


def permute(c: Call) -> Any:
    """Emit another order of axes."""
    last = _channels_last(c.mb, c.x)
    return _channels_first(c.mb, c.mb.transpose(x=last, perm=[0, *c.layer.dims]))


def embedding(c: Call) -> Any:
    """Emit rows of a table by their numbers."""
    table = np.asarray(c.layer.get_weights()[0], np.float32)
    return c.mb.gather(x=table, indices=c.mb.cast(x=c.x, dtype="int32"), axis=0)


def _same(c: Call) -> Any:
    return c.x


EMITTERS: dict[str, Callable[[Call], Any]] = {
    "Activation": lambda c: _activate(c, c.x),
    "Add": _merge("add"),
    "Average": average,
    "AveragePooling2D": _pool("avg_pool"),
    "AveragePooling3D": _pool("avg_pool"),
    "BatchNormalization": batch_normalization,
    "Concatenate": concatenate,
    "Conv2D": convolution,
    "Conv3D": convolution,
    "Cropping2D": cropping,
    "Cropping3D": cropping,
    "Dense": dense,
    "Dropout": _same,
    "Embedding": embedding,
    "Flatten": reshape,
    "GaussianNoise": _same,
    "GlobalAveragePooling2D": _global("reduce_mean"),
    "GlobalAveragePooling3D": _global("reduce_mean"),
    "GlobalMaxPooling2D": _global("reduce_max"),
    "GlobalMaxPooling3D": _global("reduce_max"),
    "GroupNormalization": group_normalization,
    "Identity": _same,
    "LayerNormalization": layer_normalization,
    "LeakyReLU": lambda c: c.mb.leaky_relu(x=c.x, alpha=np.float32(c.layer.negative_slope)),
    "MaxPooling2D": _pool("max_pool"),
    "MaxPooling3D": _pool("max_pool"),
    "Maximum": _merge("maximum"),
    "Minimum": _merge("minimum"),
    "Multiply": _merge("mul"),
    "Normalization": normalization,
    "Pad": pad,
    "Permute": permute,
    "ReLU": relu,
    "Rescaling": rescaling,
    "Reshape": reshape,
    "Softmax": softmax,
    "SpatialDropout2D": _same,
    "SpatialDropout3D": _same,
    "Subtract": _merge("sub"),
    "UpSampling3D": upsampling,
    "ZeroPadding2D": zero_padding,
    "ZeroPadding3D": zero_padding,
}
