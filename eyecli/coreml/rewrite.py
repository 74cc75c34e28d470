"""The same network in operations that the Neural Engine takes: convolutions instead of matrices.

Dense layers become convolutions, global pooling a convolution over the whole map, and vectors
stay maps of one pixel, so that nothing has to be reshaped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from eyecli.coreml.graph import every_layer, fresh_inputs, functional, like, named, walk
from eyecli.nets.windows import KERNEL_HEIGHT, KERNEL_WIDTH, pooling_steps

SOFT_RECTIFIERS = ("silu", "swish", "hard_silu", "hard_swish")
GATES = ("sigmoid", "hard_sigmoid")
POINTWISE = ("Activation", "Dropout", "ELU", "GaussianDropout", "GaussianNoise", "Identity",
             "LeakyReLU", "ReLU")  # fmt: skip
ELEMENTWISE = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")
RESHAPING = ("Flatten", "Permute", "Reshape")


@dataclass(frozen=True)
class _View:
    """A value of the old model as one of the new: transpose `base`, then give it another shape.

    Attributes
    ----------
    base
        A tensor of the new model.
    order
        The axes of the base, without the batch, in the order of the view.
    shape
        Of the view, without the batch.
    """

    base: Any
    order: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def in_order(self) -> bool:
        """Whether only the shape differs."""
        return self.order == tuple(range(len(self.order)))


@dataclass
class _Work:
    """What is under construction: layers already made, names taken, and what was changed."""

    allow_retrain: bool
    reserved: dict[str, int]
    made: dict[Any, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    changes: list[str] = field(default_factory=list)
    gates: dict[int, int] = field(default_factory=dict)
    kept_soft: int = 0


def rewrite(model: Any, allow_retrain: bool = False) -> tuple[Any, list[str]]:
    """Rewrite a Keras model for the Neural Engine.

    Parameters
    ----------
    model
        Functional or Sequential, channels last; it is left untouched. Nested models are inlined,
        shared layers stay shared.
    allow_retrain
        Also replace swish, hard swish and values gated by their own sigmoid by ReLU, which is
        another function: the model must be trained again.

    Returns
    -------
    model : keras.Model
        The same function with the same names of layers, inputs and outputs. An output that was a
        vector (n, classes) is a map of one pixel, (n, 1, 1, classes).
    changes : list of str
        One line for each change, and for each layer that had to stay as it was.
    """
    import keras

    model = functional(model)
    inputs, outputs = named(model.input, model.inputs), named(model.output, model.outputs)
    last = [t._keras_history.operation for t in model.outputs]
    work = _Work(allow_retrain, {operation.name: id(operation) for operation in last})
    made = fresh_inputs(model)
    work.names |= {t._keras_history.operation.name for t in model.inputs}
    by_id = {id(t): made[n] for n, t in inputs.items()}
    views = walk(
        model,
        [_plain(by_id[id(t)]) for t in model.inputs],
        lambda node, values: _call(work, node, values),
    )
    results = dict(zip(map(id, model.outputs), views, strict=True))
    finished = {n: _finish(work, n, results[id(t)]) for n, t in outputs.items()}
    if not isinstance(model.output, dict):
        for name, tensor in finished.items():
            if tensor._keras_history.operation.name != name:
                finished[name] = keras.layers.Identity(name=name)(tensor)
    rewritten = keras.Model(like(model.input, made), like(model.output, finished), name=model.name)
    before, after = (_count(m) for m in (model, rewritten))
    if after < before:
        work.changes.append(f"{before - after} of {before} layers that only reshape fell away")
    if work.kept_soft:
        work.changes.append(
            f"kept: {work.kept_soft} swish activations; ReLU in their place needs a new training"
        )
    return rewritten, work.changes


def _count(model: Any) -> int:
    return sum(type(layer).__name__ in RESHAPING for layer in every_layer(model))


def _plain(tensor: Any) -> _View:
    shape = tuple(tensor.shape[1:])
    return _View(tensor, tuple(range(len(shape))), shape)


def _real(view: _View) -> Any:
    """Make the tensor that a view stands for."""
    import keras

    tensor = view.base
    if not view.in_order:
        tensor = keras.layers.Permute([axis + 1 for axis in view.order])(tensor)
    if tuple(tensor.shape[1:]) != view.shape:
        tensor = keras.layers.Reshape(view.shape)(tensor)
    return tensor


def _pixel(view: _View) -> Any:
    """Return a vector as a map of one pixel, or None if it is something else."""
    import keras

    if len(view.shape) != 1 or not view.in_order:
        return None
    if tuple(view.base.shape[1:]) == view.shape:
        return keras.layers.Reshape((1, 1, *view.shape))(view.base)
    return view.base if tuple(view.base.shape[1:]) == (1, 1, *view.shape) else None


def _finish(work: _Work, name: str, view: _View) -> Any:
    pixel = tuple(view.base.shape[1:]) == (1, 1, *view.shape)
    if not (pixel and view.in_order):
        return _real(view)
    size = view.shape[0]
    work.changes.append(f"output {name}: (1, {size}, 1, 1) in the program, it was (1, {size})")
    return view.base


def _call(work: _Work, node: Any, views: Sequence[_View]) -> list[_View]:
    """Carry views through one node of the old graph."""
    import keras

    layer = node.operation
    rule = RULES.get(type(layer).__name__)
    if rule is not None and getattr(layer, "data_format", "channels_last") == "channels_last":
        result = rule(work, node, views)
        if result is not None:
            return [result]
    made = _apply(work, node, [_real(v) for v in views])
    return [_plain(tensor) for tensor in keras.tree.flatten(made)]


def _apply(work: _Work, node: Any, tensors: Sequence[Any], **config: Any) -> Any:
    """Call a copy of a node's layer, with its weights, on tensors of the new model."""
    layer = node.operation
    values = {id(t): new for t, new in zip(node.input_tensors, tensors, strict=True)}
    args, kwargs = node.arguments.fill_in(values)
    key = (id(layer), tuple(len(t.shape) for t in tensors), tuple(config))
    weights = layer.get_weights() if hasattr(layer, "get_weights") else []
    return _use(work, key, lambda: _copy(work, layer, config), weights, *args, **kwargs)


def _use(
    work: _Work, key: Any, make: Callable[[], Any], weights: Any, *args: Any, **kwargs: Any
) -> Any:
    """Call the new layer that stands for an old one; it is made, with weights, on its first use."""
    fresh = key not in work.made
    if fresh:
        work.made[key] = make()
    result = work.made[key](*args, **kwargs)
    if fresh and len(weights):
        work.made[key].set_weights(weights)
    return result


def _copy(work: _Work, layer: Any, config: dict[str, Any]) -> Any:
    import keras

    own = {**layer.get_config(), **config}
    name = own.get("activation")
    if name in SOFT_RECTIFIERS:
        if work.allow_retrain:
            own["activation"] = "relu"
            _changed(work, layer, f"ReLU instead of {name}; the function changes")
        else:
            work.kept_soft += 1
    if isinstance(layer, keras.Layer):
        own["name"] = _name(work, layer)
    return type(layer).from_config(own)


def _name(work: _Work, layer: Any, suffix: str = "") -> str:
    """Keep a layer's name unless another has it; outputs have the first claim to theirs."""
    name = base = f"{layer.name}{suffix}"
    count = 0
    while name in work.names or work.reserved.get(name, id(layer)) != id(layer):
        count += 1
        name = f"{base}_{count}"
    work.names.add(name)
    return name


def _changed(work: _Work, layer: Any, what: str) -> None:
    work.changes.append(f"{layer.name} ({type(layer).__name__}): {what}")


def _dense(work: _Work, node: Any, views: Sequence[_View]) -> _View | None:
    """A matrix is a convolution over the whole map, be it of one pixel."""
    import keras

    layer, view = node.operation, views[0]
    if len(view.shape) not in (1, 3) or not view.in_order:
        return None
    each = len(view.shape) == 3  # on every pixel
    x = _real(view) if each else view.base if len(view.base.shape) == 4 else _pixel(view)
    if x is None:
        return None
    height, width, channels = (1, 1, x.shape[-1]) if each else x.shape[1:]
    if height > KERNEL_HEIGHT or width > KERNEL_WIDTH:
        _changed(work, layer, f"kept, a kernel of {height} x {width} would be too large")
        return None
    kernel, *bias = layer.get_weights()

    def make() -> Any:
        _changed(work, layer, f"{height} x {width} convolution")
        return keras.layers.Conv2D(
            layer.units,
            (height, width),
            activation=layer.activation,
            use_bias=layer.use_bias,
            name=_name(work, layer),
        )

    weights = [kernel.reshape(height, width, channels, -1), *bias]
    result = _use(work, (id(layer), height, width), make, weights, x)
    return _View(result, (0, 1, 2), tuple(node.outputs[0].shape[1:]))


def _global_average(work: _Work, node: Any, views: Sequence[_View]) -> _View | None:
    """A mean over the map is a depthwise convolution with equal weights."""
    layer, x = node.operation, _real(views[0])
    height, width, channels = x.shape[1:]
    shape = (1, 1, channels) if layer.keepdims else (channels,)
    steps = pooling_steps(height, width)
    if steps is None:
        _changed(work, layer, f"kept a mean, {height} x {width} is no product of kernels up to 13")
        return _View(_apply(work, node, [x], keepdims=True), (0, 1, 2), shape)
    for i, window in enumerate(steps):
        x = _mean(work, layer, x, window, i == len(steps) - 1)
    return _View(x, (0, 1, 2), shape)


def _mean(work: _Work, layer: Any, x: Any, window: tuple[int, int], last: bool) -> Any:
    """Average windows side by side with a depthwise convolution."""
    import keras

    if prod(window) == 1:
        return x

    def make() -> Any:
        _changed(work, layer, f"{window[0]} x {window[1]} depthwise convolution")
        return keras.layers.DepthwiseConv2D(
            window,
            strides=1 if last else window[0],
            use_bias=False,
            name=_name(work, layer, "" if last else "_part"),
        )

    weights = np.full((*window, x.shape[-1], 1), 1 / prod(window), np.float32)
    return _use(work, (id(layer), window, last), make, [weights], x)


def _global_max(work: _Work, node: Any, views: Sequence[_View]) -> _View:
    x = _apply(work, node, [_real(views[0])], keepdims=True)
    return _View(x, (0, 1, 2), tuple(node.outputs[0].shape[1:]))


def _reshape(work: _Work, node: Any, views: Sequence[_View]) -> _View:
    return _View(views[0].base, views[0].order, tuple(node.outputs[0].shape[1:]))


def _permute(work: _Work, node: Any, views: Sequence[_View]) -> _View:
    view, axes = views[0], [d - 1 for d in node.operation.dims]
    if tuple(view.base.shape[1 + axis] for axis in view.order) != view.shape:
        view = _plain(_real(view))
    sizes = [view.shape[a] for a in axes]
    if [a for a in axes if view.shape[a] != 1] == [a for a, n in enumerate(view.shape) if n != 1]:
        return _View(view.base, view.order, tuple(sizes))  # only axes of one moved
    return _View(view.base, tuple(view.order[a] for a in axes), tuple(sizes))


def _pointwise(work: _Work, node: Any, views: Sequence[_View]) -> _View | None:
    layer, view = node.operation, views[0]
    function = getattr(getattr(layer, "activation", None), "__name__", "")
    if "softmax" in function:
        return _on_channels(work, node, views)
    result = _apply(work, node, [view.base])
    if function in GATES:
        work.gates[id(result)] = id(view.base)
    return _View(result, view.order, view.shape)


def _on_channels(work: _Work, node: Any, views: Sequence[_View]) -> _View | None:
    """Normalisations and softmax of a vector are those of a pixel's channels."""
    layer, view = node.operation, views[0]
    axis = getattr(layer, "axis", -1)
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if len(view.base.shape) != 4 or len(view.shape) != 1 or axes not in ([-1], [1]):
        return None
    x = _pixel(view)
    if x is None:
        return None
    config = {"axis": -1} if hasattr(layer, "axis") else {}
    return _View(_apply(work, node, [x], **config), (0, 1, 2), view.shape)


def _elementwise(work: _Work, node: Any, views: Sequence[_View]) -> _View | None:
    import keras

    first = views[0]
    if len(views) < 2:  # with a constant
        return None
    if work.allow_retrain and type(node.operation).__name__ == "Multiply" and len(views) == 2:
        a, b = (id(v.base) for v in views)
        if work.gates.get(a) == b or work.gates.get(b) == a:
            _changed(work, node.operation, "ReLU instead of a gate; the function changes")
            own = views[0] if work.gates.get(b) == a else views[1]
            name = _name(work, node.operation)
            return _View(keras.layers.ReLU(name=name)(own.base), own.order, own.shape)
    if all((v.order, v.shape) == (first.order, first.shape) for v in views) and (
        len({tuple(v.base.shape) for v in views}) == 1
    ):
        result = _apply(work, node, [v.base for v in views])
        return _View(result, first.order, first.shape)
    return _of_pixels(work, node, views)


def _of_pixels(work: _Work, node: Any, views: Sequence[_View]) -> _View | None:
    """Merge vectors as pixels, if one of them is one already."""
    if not any(len(v.base.shape) == 4 and len(v.shape) == 1 for v in views):
        return None
    pixels = [_pixel(v) for v in views]
    if any(p is None for p in pixels):
        return None
    config = {"axis": -1} if hasattr(node.operation, "axis") else {}
    result = _apply(work, node, pixels, **config)
    return _View(result, (0, 1, 2), tuple(node.outputs[0].shape[1:]))


RULES: dict[str, Callable[[_Work, Any, Sequence[_View]], _View | None]] = {
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "BatchNormalization": _on_channels,
    "Concatenate": _of_pixels,
    "Dense": _dense,
    "Flatten": _reshape,
    "GlobalAveragePooling2D": _global_average,
    "GlobalMaxPooling2D": _global_max,
    "LayerNormalization": _on_channels,
    "Permute": _permute,
    "Reshape": _reshape,
    "Softmax": _on_channels,
}
