"""Weights of a finished network as half precision holds them, so that Core ML computes the same.

A package in float16 holds convolutions with their normalisation folded in, rounded. That rounding
is most of its difference to Keras (of the logits of a linear layer on EfficientNet-Lite0 more than
two thirds). Done before features are computed, or thresholds settled, these are of what the device
will see.
"""

from __future__ import annotations

import numpy as np
from keras import layers

FOLDABLE = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


def round_to_half(network: object) -> None:
    """Fold each normalisation into the convolution before it, and round to float16, in place.

    A convolution whose weights float16 cannot hold, and a normalisation that follows something
    else, stay as they are.

    Parameters
    ----------
    network
        A functional model that is not trained any more.
    """
    for layer in network.layers:  # type: ignore[attr-defined]
        norm = _norm_after(layer)
        if not isinstance(layer, FOLDABLE) or not layer.weights:
            continue
        rounded = [as_half(values) for values in _folded(layer, norm)]
        if not all(np.isfinite(values).all() for values in rounded):
            continue
        *kernels, bias = rounded
        layer.set_weights([*kernels, *([0 * bias if norm else bias] if layer.use_bias else [])])
        if norm:
            _pass_through(norm, bias)


def as_half(values: np.ndarray) -> np.ndarray:
    """Round to float16; infinite where that cannot hold a value."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def _norm_after(layer: object) -> layers.BatchNormalization | None:
    """Return the normalisation that alone reads a convolution without an activation, or None."""
    readers = [node.operation for node in layer._outbound_nodes]  # type: ignore[attr-defined]
    linear = getattr(getattr(layer, "activation", None), "__name__", "") == "linear"
    if len(readers) != 1 or not linear or not isinstance(readers[0], layers.BatchNormalization):
        return None
    return readers[0]


def _folded(layer: layers.Layer, norm: layers.BatchNormalization | None) -> list[np.ndarray]:
    """Kernels and bias of a convolution with what the normalisation does to its channels."""
    values = [np.asarray(values, np.float64) for values in layer.get_weights()]
    *kernels, bias = values if layer.use_bias else [*values, np.zeros(())]
    if norm is None:
        return [*kernels, bias]
    channels = norm.moving_mean.shape[0]
    gamma = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones(channels)
    beta = np.asarray(norm.beta, np.float64) if norm.center else np.zeros(channels)
    gain = gamma / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
    # A depthwise kernel ends in channels and multiplier, which together are the channels read.
    kernels[-1] = kernels[-1] * gain.reshape((1, 1, *_ending(layer, kernels[-1])))
    return [*kernels, beta + (bias - np.asarray(norm.moving_mean, np.float64)) * gain]


def _ending(layer: layers.Layer, kernel: np.ndarray) -> tuple[int, ...]:
    if isinstance(layer, layers.DepthwiseConv2D):
        return kernel.shape[-2:]
    return (1, kernel.shape[-1])


def _pass_through(norm: layers.BatchNormalization, shift: np.ndarray) -> None:
    """Let a normalisation only add a number to each channel."""
    one = np.ones(shift.shape, np.float32)
    # By the mean, which every normalisation has.
    values = {"gamma": one, "beta": 0 * one, "moving_mean": -shift,
              "moving_variance": one - np.float32(norm.epsilon)}  # fmt: skip
    norm.set_weights([values[weight.name] for weight in norm.weights])
