"""Where in a picture a network finds what speaks for a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# Keras keeps what every layer gave, and the tape as well.
BATCH = 8


def gradcam(
    model: Any, layers: Sequence[str], pixels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Map what speaks for and against a class: maps of a layer times their gradients.

    Grad-CAM (Selvaraju et al. 2017) averages the gradient over the map first. Here each place
    keeps its own (HiResCAM; Draelos and Carin 2020): under a mean both are the same, and the same
    as a class activation map (Zhou et al. 2016); under a maximum only the place that gave it counts,
    which an average would smear over the picture. The gradient is that of logits: that of a
    probability would vanish where it saturates.

    Where nothing but pooling and linear layers lie behind the maps, a map adds up to the score
    less its bias: it explains all of the score. What of a map reaches the score through another one
    of `layers` counts there only.

    Parameters
    ----------
    model
        A functional Keras model with one picture as input and logits as output, or as its output
        ``logits``: (n, classes) or (n, 1, 1, classes).
    layers
        Names of the layers whose maps are looked at: all that are pooled, or the last one.
    pixels
        (n, rows, columns, channels), in the units of the network.
    weights
        (n, classes): the score to explain is the sum of the logits with these weights; of one class
        it is 1 there and 0 elsewhere.

    Returns
    -------
    numpy.ndarray
        (n, rows, columns) float32, what each pixel adds to the score. Maps are brought up to the
        size of the picture bilinearly, which keeps their sums where factors are whole.
    """
    import keras

    logits = model.output["logits"] if isinstance(model.output, dict) else model.output
    looked_at = [model.get_layer(name).output for name in layers]
    before, behind = keras.Model(model.input, looked_at), keras.Model(looked_at, logits)
    found = np.zeros(pixels.shape[:3], np.float32)
    for start in range(0, len(pixels), BATCH):
        part = slice(start, start + BATCH)
        for added in _contributions(before, behind, pixels[part], weights[part]):
            large = keras.ops.image.resize(added, pixels.shape[1:3], interpolation="bilinear")
            share = added.shape[1] * added.shape[2] / (pixels.shape[1] * pixels.shape[2])
            found[part] += keras.ops.convert_to_numpy(large)[..., 0] * share
    return found


def _contributions(
    before: Any, behind: Any, pixels: np.ndarray, weights: np.ndarray
) -> list[np.ndarray]:
    """Return (n, rows, columns, 1) what each cell of each map adds to the score."""
    import tensorflow as tf

    found = before(tf.convert_to_tensor(pixels, tf.float32), training=False)
    maps = found if isinstance(found, list) else [found]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        flat = tf.reshape(behind(maps, training=False), (len(pixels), -1))
        # Pictures do not touch each other: one gradient of the sum has all of theirs.
        score = tf.reduce_sum(flat * weights.astype(np.float32))
    pairs = zip(tape.gradient(score, maps), maps, strict=True)
    return [(gradient * values).numpy().sum(-1, keepdims=True) for gradient, values in pairs]
