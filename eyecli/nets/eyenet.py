"""EyeNet: the network of gregwchase/eyenet (2017) for fundus photographs, as it was published.

Three convolutions of 32 filters of 8 x 8 without padding, one pooling by 2, 128 sigmoid units and
a softmax: 56,207,842 parameters at 256 pixels and two classes, of which the dense layer has all
but 0.2 %. Two things differ, neither a parameter: it ends in logits, since the softmax belongs to
the loss here, and pixels are -1..1 instead of 0..1.
"""

from __future__ import annotations

import keras
from keras import layers

SIZE, CLASSES = 256, 2
FILTERS, KERNEL, HIDDEN = 32, 8, 128
DROPOUT = 0.25
# The smallest picture that three kernels and the pooling leave something of.
LEAST = 3 * (KERNEL - 1) + 2


def build(size: int = SIZE, classes: int = CLASSES, channels: int = 3) -> keras.Model:
    """Build the whole network.

    Parameters
    ----------
    size
        Side of the square pictures in pixels, `LEAST` or more.
    classes
        Number of classes.
    channels
        Of the pictures.

    Returns
    -------
    keras.Model
        From pixels (n, size, size, channels) in -1..1 to logits (n, classes): the published
        outputs are their softmax.
    """
    pixels = keras.Input((size, size, channels), name="pixels")
    x = layers.Dropout(DROPOUT, name="dropout")(trunk(pixels))
    return keras.Model(pixels, layers.Dense(classes, name="classes")(x), name="eyenet")


def trunk(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Apply all but the dropout and the classifier.

    Parameters
    ----------
    pixels
        (n, size, size, channels). The first convolution has a bias and no padding, so that a
        scaling of pixels folds into its weights exactly.

    Returns
    -------
    keras.KerasTensor
        (n, 128), each in 0..1.
    """
    x = pixels
    for number in (1, 2, 3):
        x = layers.Conv2D(FILTERS, KERNEL, activation="relu", name=f"conv{number}")(x)
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(2, name="pool")(x))
    return layers.Dense(HIDDEN, activation="sigmoid", name="hidden")(x)
