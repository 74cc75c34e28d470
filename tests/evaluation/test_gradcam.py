from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from eyecli.evaluation.gradcam import gradcam
from eyecli.training.backend import load_keras

SIDE = 32
# Where the patch of each class is: rows, columns.
PATCHES = ((slice(2, 10), slice(4, 12)), (slice(20, 30), slice(18, 28)))


def planted(dictionary: bool = True) -> Any:
    """A network whose class 0 sees red and whose class 1 sees green; blue speaks against both.

    Nothing before the last map has weights.
    """
    keras = load_keras()
    layers = keras.layers
    x = keras.Input((SIDE, SIDE, 3))
    maps = layers.ReLU(name="last")(layers.AveragePooling2D(2)(x))
    mean = layers.GlobalAveragePooling2D(keepdims=True)(maps)
    logits = layers.Conv2D(2, 1, name="logits")(mean)
    model = keras.Model(x, {"logits": logits, "embedding": mean} if dictionary else logits)
    kernel = np.array([[5.0, -3.0], [-3.0, 5.0], [-8.0, -8.0]], np.float32)
    model.get_layer("logits").set_weights([kernel[None, None], np.zeros(2, np.float32)])
    return model


def picture() -> np.ndarray:
    pixels = np.full((SIDE, SIDE, 3), -1, np.float32)
    for channel, (rows, columns) in enumerate(PATCHES):
        pixels[rows, columns, channel] = 1
    pixels[12:16, 12:16, 2] = 1
    return pixels


@pytest.mark.parametrize("dictionary", [True, False])
def test_each_class_has_its_own_patch(dictionary: bool) -> None:
    model = planted(dictionary)
    for wanted, place in enumerate(PATCHES):
        found = gradcam(model, "last", picture()[None], wanted)
        assert found.shape == (1, SIDE, SIDE) and found.dtype == np.float32
        inside = np.zeros((SIDE, SIDE), bool)
        inside[place] = True
        # Bilinear upsampling of half the size leaks over the edge by a pixel.
        near = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5))).astype(bool)
        assert found.max() == 1 and found.min() == 0
        assert found[0][inside].mean() > 0.8 and found[0][~near].max() == 0


def test_pictures_have_classes_of_their_own_and_batches_do_not_matter() -> None:
    model = planted()
    pixels = np.stack([picture()] * 11)
    classes = np.arange(11) % 2
    together = gradcam(model, "last", pixels, classes)
    for row, wanted in enumerate(classes):
        alone = gradcam(model, "last", pixels[:1], int(wanted))
        np.testing.assert_allclose(together[row], alone[0], atol=1e-6)


def test_where_nothing_speaks_for_a_class_the_map_is_zero() -> None:
    black = np.full((1, SIDE, SIDE, 3), -1, np.float32)
    assert not gradcam(planted(), "last", black, 0).any()
    blue = black.copy()
    blue[..., 2] = 1
    assert not gradcam(planted(), "last", blue, 1).any()


def test_a_saturated_softmax_does_not_hide_the_class() -> None:
    """The gradient of a probability of 1 is 0; that of its logit is what it was."""
    model = planted()
    before = gradcam(model, "last", picture()[None], 0)
    kernel, _ = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel, np.array([1e4, 0], np.float32)])
    np.testing.assert_allclose(gradcam(model, "last", picture()[None], 0), before, atol=1e-6)


def test_the_weights_are_finite_differences_of_the_logit() -> None:
    """Equations 1 and 2 by hand, the gradient by moving every value of the last map."""
    keras = load_keras()
    layers = keras.layers
    keras.utils.set_random_seed(3)
    x = keras.Input((12, 12, 2))
    maps = layers.Conv2D(4, 3, 2, activation="tanh", name="last")(x)
    y = layers.Conv2D(3, 2, activation="tanh")(maps)
    model = keras.Model(x, layers.Dense(3)(layers.Flatten()(y)))
    behind = keras.Model(maps, model.output)
    pixels = np.random.default_rng(0).normal(size=(1, 12, 12, 2)).astype(np.float32)
    values = np.asarray(keras.Model(x, maps)(pixels))
    step = 1e-2
    for wanted in range(3):
        moved = np.repeat(values, 2 * values.size, axis=0).reshape(values.size, 2, -1)
        cell = np.arange(values.size)
        moved[cell, 0, cell] += step
        moved[cell, 1, cell] -= step
        logits = np.asarray(behind(moved.reshape(-1, *values.shape[1:])))[:, wanted]
        gradient = (logits[::2] - logits[1::2]).reshape(values.shape) / (2 * step)
        raw = np.maximum((gradient.mean((1, 2), keepdims=True) * values).sum(-1)[0], 0)
        large = cv2.resize(raw, (12, 12), interpolation=cv2.INTER_LINEAR)
        assert large.max() > 0
        found = gradcam(model, "last", pixels, wanted)[0]
        np.testing.assert_allclose(found, large / large.max(), atol=2e-3)
