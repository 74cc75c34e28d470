from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eyecli.coreml.logits import logits_model

KINDS = ("dense", "activation", "layer", "conv", "sigmoid", "nested", "none")


def classifier(kind: str) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    x = keras.Input((4, 4, 2), name="x")
    flat = layers.Flatten()(x)
    if kind == "dense":
        y = layers.Dense(3, "softmax", name="y")(flat)
    elif kind == "activation":
        y = layers.Activation("softmax", name="y")(layers.Dense(3)(flat))
    elif kind == "layer":
        y = layers.Softmax(name="y")(layers.Dense(3)(flat))
    elif kind == "conv":
        y = layers.Conv2D(3, 4, activation="softmax", name="y")(x)
    elif kind == "sigmoid":
        y = layers.Dense(1, "sigmoid", name="y")(flat)
    elif kind == "none":
        y = layers.Dense(3, name="y")(flat)
    else:
        inner_x = keras.Input((32,))
        inner = keras.Model(inner_x, layers.Dense(3, "softmax")(inner_x), name="y")
        y = inner(flat)
    return keras.Model(x, {"y": y, "features": flat})


@pytest.mark.parametrize("kind", KINDS)
def test_softmax_of_the_logits_is_the_output(kind: str) -> None:
    import keras

    model = classifier(kind)
    data = np.random.default_rng(0).normal(size=(5, 4, 4, 2)).astype(np.float32)
    outputs = logits_model(model, ["y"])(data, training=False)
    assert set(outputs) == {"y", "features"}
    after = {"sigmoid": keras.ops.sigmoid, "none": lambda v: v}.get(kind, keras.ops.softmax)
    expected = model(data, training=False)["y"]
    np.testing.assert_allclose(after(outputs["y"]), expected, atol=1e-6)
    if kind not in ("none",):
        assert np.abs(np.asarray(outputs["y"]) - np.asarray(expected)).max() > 0.1
