"""The end of a classifier: pooled features and one linear layer, as the Neural Engine takes them.

Vectors stay maps of one pixel, the mean is a depthwise convolution of equal weights and the maximum
a chain of pools by 2: pools over a whole map of more than 13 leave the Neural Engine.
"""

from __future__ import annotations

from math import prod
from typing import Literal

import keras
import numpy as np
from keras import layers

from eyecli.nets.windows import pooling_steps

Pooling = Literal["avg", "avgmax"]


def classifier(
    features: keras.Model, outputs: int, dropout: float = 0.0, pooling: Pooling = "avg"
) -> keras.Model:
    """Put a linear classifier on a backbone, whose layers are shared.

    Parameters
    ----------
    features
        From pixels to one map (n, rows, columns, channels), as `backbones.features` gives it.
    outputs
        Number of logits: classes, thresholds of an ordinal model, or 1.
    dropout
        Share of the embedding that is dropped in training.
    pooling
        ``avg``: the mean over the map; ``avgmax``: the maximum after it, which small lesions keep.

    Returns
    -------
    keras.Model
        One flat graph, with the outputs ``embedding`` (n, 1, 1, channels, or twice that), the
        pooled map, and ``logits`` (n, 1, 1, outputs).
    """
    embedding = pooled(features.output, pooling)
    x = layers.Dropout(dropout, name="dropout")(embedding)
    logits = layers.Conv2D(outputs, 1, name="logits")(x)
    return keras.Model(
        features.input, {"logits": logits, "embedding": embedding}, name=features.name
    )


def pooled(x: keras.KerasTensor, pooling: Pooling, prefix: str = "") -> keras.KerasTensor:
    """Reduce a map to one pixel.

    Parameters
    ----------
    x
        (n, rows, columns, channels).
    pooling
        As for `classifier`.
    prefix
        Of the names of layers.

    Returns
    -------
    keras.KerasTensor
        (n, 1, 1, channels), with ``avgmax`` (n, 1, 1, 2 channels), means first; a map of one
        pixel as it is.
    """
    mean = _mean(x, prefix)
    if pooling == "avg" or max(x.shape[1:3]) == 1:
        return mean
    return layers.Concatenate(name=f"{prefix}pooled")([mean, _maximum(x, prefix)])


def _mean(x: keras.KerasTensor, prefix: str) -> keras.KerasTensor:
    steps = pooling_steps(*x.shape[1:3])
    if steps is None:
        # A side that is no product of two windows: exact all the same, on another unit.
        return layers.GlobalAveragePooling2D(keepdims=True, name=f"{prefix}mean")(x)
    for number, window in enumerate(steps, 1):
        if prod(window) > 1:
            # Never trained: it is a mean.
            step = layers.DepthwiseConv2D(
                window, 1 if number == len(steps) else window[0], use_bias=False,
                trainable=False, name=f"{prefix}mean{number}",
            )  # fmt: skip
            x, channels = step(x), x.shape[-1]
            step.set_weights([np.full((*window, channels, 1), 1 / prod(window), np.float32)])
    return x


def _maximum(x: keras.KerasTensor, prefix: str) -> keras.KerasTensor:
    number = 0
    while max(x.shape[1:3]) > 1:
        number += 1
        # Pools leave padding out of a maximum.
        x = layers.MaxPooling2D(2, padding="same", name=f"{prefix}maximum{number}")(x)
    return x
