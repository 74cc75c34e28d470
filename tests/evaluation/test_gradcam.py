from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from eyecli.evaluation.gradcam import gradcam, pooled_cam
from eyecli.nets.heads import pooled
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


def of(*classes: int) -> np.ndarray:
    """Weights that pick the logit of one class for each picture."""
    return np.eye(2)[list(classes)]


@pytest.mark.parametrize("dictionary", [True, False])
def test_each_class_has_its_own_patch(dictionary: bool) -> None:
    model = planted(dictionary)
    for wanted, place in enumerate(PATCHES):
        found = gradcam(model, ["last"], picture()[None], of(wanted))
        assert found.shape == (1, SIDE, SIDE) and found.dtype == np.float32
        inside = np.zeros((SIDE, SIDE), bool)
        inside[place] = True
        # Bilinear upsampling of half the size leaks over the edge by a pixel.
        near = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5))).astype(bool)
        assert found[0][inside].mean() > 0.8 * found.max() > 0 and found[0][~near].max() <= 0
        other = np.zeros((SIDE, SIDE), bool)
        other[PATCHES[1 - wanted]] = True
        assert (found[0][other & ~near] < 0).any(), "what speaks against it is below zero"


def test_pictures_have_classes_of_their_own_and_batches_do_not_matter() -> None:
    model = planted()
    pixels = np.stack([picture()] * 11)
    classes = np.arange(11) % 2
    together = gradcam(model, ["last"], pixels, of(*classes))
    for row, wanted in enumerate(classes):
        alone = gradcam(model, ["last"], pixels[:1], of(wanted))
        np.testing.assert_allclose(together[row], alone[0], atol=1e-6)


def test_a_saturated_softmax_does_not_hide_the_class() -> None:
    """The gradient of a probability of 1 is 0; that of its logit is what it was."""
    model = planted()
    before = gradcam(model, ["last"], picture()[None], of(0))
    kernel, _ = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel, np.array([1e4, 0], np.float32)])
    np.testing.assert_allclose(gradcam(model, ["last"], picture()[None], of(0)), before, atol=1e-6)


@pytest.fixture(scope="module")
def two_scales() -> Any:
    """Two maps, the second made of the first, both pooled by mean and maximum, and a logit each."""
    keras = load_keras()
    layers = keras.layers
    keras.utils.set_random_seed(5)
    x = keras.Input((SIDE, SIDE, 3))
    fine = layers.Conv2D(4, 3, 2, padding="same", activation="relu", name="fine")(x)
    coarse = layers.Conv2D(6, 3, 2, padding="same", activation="relu", name="coarse")(fine)
    vectors = [pooled(maps, "avgmax", f"{name}_") for name, maps in (("f", fine), ("c", coarse))]
    embedding = layers.Concatenate(name="embedding")(vectors)
    logits = layers.Conv2D(2, 1, bias_initializer="random_normal", name="logits")(embedding)
    return keras.Model(x, {"logits": logits, "embedding": embedding})


@pytest.mark.parametrize("weights", [(1, 0), (0, 1), (1, -1), (-0.5, 0)])
def test_the_map_adds_up_to_the_score(two_scales: Any, weights: tuple[float, float]) -> None:
    pixels = np.random.default_rng(0).normal(size=(3, SIDE, SIDE, 3)).astype(np.float32)
    found = gradcam(two_scales, ["fine", "coarse"], pixels, np.tile(weights, (3, 1)))
    logits = np.asarray(two_scales(pixels)["logits"]).reshape(3, 2)
    bias = two_scales.get_layer("logits").get_weights()[1]
    np.testing.assert_allclose(found.sum((1, 2)), (logits - bias) @ weights, atol=1e-4)


def test_a_maximum_counts_where_it_is(two_scales: Any) -> None:
    """With weights of a maximum alone, its place has all of the score."""
    kernel, bias = two_scales.get_layer("logits").get_weights()
    only = np.zeros_like(kernel)
    only[0, 0, 5, 0] = 1  # the second channel of the fine map; its means come first
    two_scales.get_layer("logits").set_weights([only, bias])
    pixels = np.random.default_rng(2).normal(size=(1, SIDE, SIDE, 3)).astype(np.float32)
    fine = load_keras().Model(two_scales.input, two_scales.get_layer("fine").output)
    values = np.asarray(fine(pixels))[0, ..., 1]
    row, column = np.unravel_index(values.argmax(), values.shape)
    found = gradcam(two_scales, ["fine", "coarse"], pixels, of(0))[0]
    two_scales.get_layer("logits").set_weights([kernel, bias])
    assert found.sum() == pytest.approx(values.max(), rel=1e-4) and found.min() >= 0
    rows, columns = np.nonzero(found)
    assert abs(rows.mean() - (2 * row + 0.5)) <= 1 and abs(columns.mean() - (2 * column + 0.5)) <= 1
    assert len(rows) <= 16, "no wider than the upsampling of one cell"


def test_pooled_maps_show_what_is_unlike_the_usual(two_scales: Any) -> None:
    """Of the usual picture nothing is left; of another, all that its score is higher."""
    pixels = np.random.default_rng(4).normal(size=(2, SIDE, SIDE, 3)).astype(np.float32)
    outputs = {name: np.asarray(value)[:, 0, 0] for name, value in two_scales(pixels).items()}
    weights = np.array([(1.0, -1.0)] * 2)
    found = pooled_cam(two_scales, ["fine", "coarse"], pixels, weights, outputs["embedding"][0])
    lifted = (outputs["logits"] - outputs["logits"][0]) @ weights[0]
    np.testing.assert_allclose(found.sum((1, 2)), lifted, atol=1e-4)
    assert np.abs(found[1]).max() > 1e-3


def test_pooled_maps_and_gradients_agree_where_nothing_is_usual(two_scales: Any) -> None:
    pixels = np.random.default_rng(6).normal(size=(9, SIDE, SIDE, 3)).astype(np.float32)
    weights = np.tile((0.5, -1.0), (9, 1))
    nothing = np.zeros(2 * (4 + 6))
    found = pooled_cam(two_scales, ["fine", "coarse"], pixels, weights, nothing)
    by_gradient = gradcam(two_scales, ["fine", "coarse"], pixels, weights)
    np.testing.assert_allclose(found, by_gradient, atol=1e-5)


def test_places_count_by_finite_differences_of_the_logit() -> None:
    """The gradient by moving every value of the last map of a network that is not linear."""
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
    moved = np.repeat(values, 2 * values.size, axis=0).reshape(values.size, 2, -1)
    cell = np.arange(values.size)
    moved[cell, 0, cell] += step
    moved[cell, 1, cell] -= step
    logits = np.asarray(behind(moved.reshape(-1, *values.shape[1:])))
    for wanted in range(3):
        gradient = (logits[::2, wanted] - logits[1::2, wanted]).reshape(values.shape) / (2 * step)
        raw = (gradient * values).sum(-1)[0]
        large = cv2.resize(raw, (12, 12), interpolation=cv2.INTER_LINEAR) * raw.size / 144
        found = gradcam(model, ["last"], pixels, np.eye(3)[[wanted]])[0]
        np.testing.assert_allclose(found, large, atol=2e-3 * abs(large).max())
