from __future__ import annotations

import numpy as np
import pytest

from eyecli.nets import eyenet
from eyecli.training.backend import load_keras


def test_shapes_and_parameters_are_those_published() -> None:
    model = eyenet.build()
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert shapes == {
        "pixels": (256, 256, 3), "conv1": (249, 249, 32), "conv2": (242, 242, 32),
        "conv3": (235, 235, 32), "pool": (117, 117, 32), "flatten": (438_048,), "hidden": (128,),
        "dropout": (128,), "classes": (2,),
    }  # fmt: skip
    counts = {layer.name: layer.count_params() for layer in model.layers if layer.weights}
    assert counts == {
        "conv1": 8 * 8 * 3 * 32 + 32,
        "conv2": 8 * 8 * 32 * 32 + 32,
        "conv3": 8 * 8 * 32 * 32 + 32,
        "hidden": 438_048 * 128 + 128,
        "classes": 128 * 2 + 2,
    }
    assert model.count_params() == 56_207_842
    assert model.get_layer("dropout").rate == 0.25


def test_it_ends_in_logits_of_sigmoid_units() -> None:
    keras = load_keras()
    model = eyenet.build(40, classes=5, channels=1)
    assert model.output_shape == (None, 5)
    pixels = np.random.default_rng(0).uniform(-1, 1, (3, 40, 40, 1)).astype(np.float32)
    both = keras.Model(model.input, [model.get_layer("hidden").output, model.output])
    hidden, logits = (keras.ops.convert_to_numpy(v) for v in both(pixels, training=False))
    assert ((hidden > 0) & (hidden < 1)).all()
    kernel, bias = model.get_layer("classes").get_weights()
    np.testing.assert_allclose(logits, hidden @ kernel + bias, atol=1e-5)


def test_smaller_pictures_than_the_kernels_leave_nothing() -> None:
    assert eyenet.build(eyenet.LEAST).get_layer("pool").output.shape[1:] == (1, 1, 32)
    with pytest.raises(ValueError, match=r"size of -?0|negative"):
        eyenet.build(eyenet.LEAST - 1)
