"""Grad-CAM: where in a picture a network finds what speaks for a class."""

from __future__ import annotations

from typing import Any

import numpy as np

# Keras keeps what every layer gave, and the tape as well.
BATCH = 8


def gradcam(
    model: Any, layer: str, pixels: np.ndarray, class_index: int | np.ndarray
) -> np.ndarray:
    """Map what speaks for a class (Selvaraju et al. 2017, Grad-CAM, equations 1 and 2).

    The weight of a channel is the mean over the map of the gradient of the class's logit: that of
    a softmax would mix in what speaks against the other classes, and vanish where it saturates.
    What speaks against the class is cut at zero.

    Parameters
    ----------
    model
        A functional Keras model with one picture as input and logits as output, or as its output
        ``logits``: (n, classes) or (n, 1, 1, classes).
    layer
        Name of the layer whose map is looked at, usually the last one.
    pixels
        (n, rows, columns, channels), in the units of the network.
    class_index
        The logit to explain, one for all pictures or one for each (n,).

    Returns
    -------
    numpy.ndarray
        (n, rows, columns) float32 in 0..1, brought up to the size of the picture bilinearly.
        Every picture is divided by its own maximum, so maps of two pictures do not compare;
        where nothing speaks for the class it is zero everywhere.
    """
    import keras

    logits = model.output["logits"] if isinstance(model.output, dict) else model.output
    both = keras.Model(model.input, [model.get_layer(layer).output, logits])
    classes = np.broadcast_to(np.asarray(class_index), len(pixels))
    found = np.empty(pixels.shape[:3], np.float32)
    for start in range(0, len(pixels), BATCH):
        part = slice(start, start + BATCH)
        maps, gradients = _gradients(both, pixels[part], classes[part])
        weights = gradients.mean((1, 2), keepdims=True)
        raw = np.maximum((weights * maps).sum(-1, keepdims=True), 0)
        large = keras.ops.image.resize(raw, pixels.shape[1:3], interpolation="bilinear")
        found[part] = keras.ops.convert_to_numpy(large)[..., 0]
    peaks = found.max((1, 2), keepdims=True)
    return np.divide(found, peaks, out=np.zeros_like(found), where=peaks > 0)


def _gradients(
    model: Any, pixels: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the map of every picture, and the gradient of its class's logit there."""
    import tensorflow as tf

    values = tf.convert_to_tensor(pixels, tf.float32)
    with tf.GradientTape() as tape:
        # A map that no variable went into would not be on the tape.
        tape.watch(values)
        maps, logits = model(values, training=False)
        flat = tf.reshape(logits, (len(pixels), -1))
        # Pictures do not touch each other: one gradient of the sum has all of theirs.
        score = tf.reduce_sum(tf.gather(flat, classes, axis=1, batch_dims=1))
    return maps.numpy(), tape.gradient(score, maps).numpy()
