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
    as a class activation map (Zhou et al. 2016); under a maximum only the place that gave it
    counts, which an average would smear over the picture. The gradient is that of logits: that of
    a probability would vanish where it saturates.

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
    before = keras.Model(model.inputs[0], looked_at)
    behind = keras.Model(looked_at, logits)
    found = np.zeros(pixels.shape[:3], np.float32)
    for start in range(0, len(pixels), BATCH):
        part = slice(start, start + BATCH)
        for added in _contributions(before, behind, pixels[part], weights[part]):
            found[part] += _enlarged(added, pixels.shape[1:3])
    return found


def _enlarged(cells: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Spread (n, rows, columns, 1) over pictures, bilinearly; the sum stays, by whole factors."""
    import keras

    large = keras.ops.image.resize(cells, size, interpolation="bilinear")
    share = cells.shape[1] * cells.shape[2] / (size[0] * size[1])
    return np.asarray(keras.ops.convert_to_numpy(large)[..., 0] * share)


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


def pooled_cam(
    model: Any, layers: Sequence[str], pixels: np.ndarray, weights: np.ndarray, usual: np.ndarray
) -> np.ndarray:
    """Map what lifts and lowers a score above that of the usual picture: a class activation map.

    Exact where the logits are a linear layer on pooled maps (Zhou et al. 2016, for means): a mean
    comes from all places, each with its part; a maximum from the one place that gave it. Channels
    count by how far they are from the usual: many have their maximum at a border in every picture,
    which says nothing of this one. The map adds up to the score less that of the usual.

    Parameters
    ----------
    model, layers, pixels, weights
        As for `gradcam`; ``logits`` is a layer of 1 x 1 on the output ``embedding``, which holds of
        each of `layers` in turn the mean of every channel, or these and the maxima.
    usual
        (d,) the embedding of the usual picture.

    Returns
    -------
    numpy.ndarray
        (n, rows, columns) float32, as for `gradcam`.
    """
    import keras

    looked_at = [model.get_layer(name).output for name in layers]
    run = keras.Model(model.inputs[0], [*looked_at, model.output["embedding"]])
    pull = weights @ model.get_layer("logits").get_weights()[0][0, 0].T
    found = np.zeros(pixels.shape[:3], np.float32)
    for start in range(0, len(pixels), BATCH):
        part = slice(start, start + BATCH)
        *maps, embedding = map(keras.ops.convert_to_numpy, run(pixels[part], training=False))
        more = embedding.reshape(len(embedding), -1) - usual
        pooled = pull.shape[1] // sum(values.shape[3] for values in maps)
        offset = 0
        for values in maps:
            n, rows, columns, channels = values.shape
            mean, top = (slice(offset + k * channels, offset + (k + 1) * channels) for k in (0, 1))
            flat = values.reshape(n, rows * columns, channels)
            added = ((flat - usual[mean]) @ pull[part, mean, None])[..., 0] / (rows * columns)
            if pooled > 1:
                at = (np.arange(n)[:, None], flat.argmax(axis=1))
                np.add.at(added, at, pull[part, top] * more[:, top])
            offset += pooled * channels
            found[part] += _enlarged(added.reshape(n, rows, columns, 1), pixels.shape[1:3])
    return found
