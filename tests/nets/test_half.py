"""Frozen networks as half precision holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.coreml.contract import Contract, Input
from eyecli.coreml.convert import convert
from eyecli.coreml.interpreter import run
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.nets import backbones
from eyecli.nets.half import round_to_half
from eyecli.training.backend import load_keras

SIDE = 71


@pytest.fixture(autouse=True)
def _keras() -> None:
    load_keras().utils.set_random_seed(4)


def _statistics(network: Any) -> None:
    """Give normalisations statistics as training leaves them."""
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([
                rng.uniform(0.5, 2.0, w.shape) if "variance" in w.name or "gamma" in w.name
                else rng.normal(0, 0.3, w.shape)
                for w in layer.weights
            ])  # fmt: skip


def _outputs(network: Any, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(network(pixels.astype(np.float32) * SCALE + OFFSET, training=False))


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenetv2", "resnet50", "xception"])
def test_computes_nearly_the_same(name: str) -> None:
    network = backbones.features(name, SIDE)
    _statistics(network)
    pixels = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3))
    before = _outputs(network, pixels)
    round_to_half(network)
    after = _outputs(network, pixels)
    assert np.abs(after - before).max() < 0.02 * before.std() + 0.02 * np.abs(before).max()
    assert np.abs(after - before).max() > 0
    again = [np.array(w) for w in network.get_weights()]
    round_to_half(network)
    for one, two in zip(again, network.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_core_ml_has_exactly_these_weights(tmp_path: Path) -> None:
    network = backbones.features("efficientnet-lite0", 64)
    _statistics(network)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3))
    stem = {"pixels": Input(stem="pixel_units", scale=SCALE, offset=OFFSET)}

    def difference(name: str) -> float:
        path = convert(network, Contract(inputs=stem), tmp_path / f"{name}.mlpackage")
        feed = {"pixels": pixels.transpose(0, 3, 1, 2).astype(np.float32)}
        # Weights in float16, all else in float32: only the rounding of weights shows.
        (got,) = run(path, feed, False).values()
        expected = _outputs(network, pixels).transpose(0, 3, 1, 2)
        return float(np.abs(got - expected).max() / expected.std())

    assert difference("before") > 1e-3
    round_to_half(network)
    assert difference("after") < 1e-4


def test_what_float16_cannot_hold_stays() -> None:
    keras = load_keras()
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(pixels)
    network = keras.Model(pixels, keras.layers.BatchNormalization(name="norm")(x))
    network.get_layer("norm").set_weights(
        [np.full(4, 1e6), np.zeros(4), np.zeros(4), np.full(4, 1e-6)]
    )
    before = network.get_weights()
    round_to_half(network)
    for one, two in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_normalisation_of_its_own_and_an_activation_between_stay() -> None:
    keras = load_keras()
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(name="first")(pixels)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    network = keras.Model(pixels, keras.layers.BatchNormalization(name="second")(x))
    _statistics(network)
    kept = {name: network.get_layer(name).get_weights() for name in ("first", "second")}
    sample = np.random.default_rng(0).normal(size=(1, 8, 8, 3))
    before = np.asarray(network(sample))
    round_to_half(network)
    for name, weights in kept.items():
        for one, two in zip(weights, network.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    assert np.abs(np.asarray(network(sample)) - before).max() < 1e-2
