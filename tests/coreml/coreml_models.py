"""One converted gaze model for the whole session, and a small network for planted faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.coreml.convert import Contract, Input, Output, convert
from eyecli.tasks.gaze.model import build


def discriminating(model: Any) -> Any:
    """Give batch normalisations statistics as after a training."""
    random = np.random.default_rng(0)
    waiting = list(model.layers)
    while waiting:
        layer = waiting.pop()
        waiting.extend(getattr(layer, "layers", ()))
        if type(layer).__name__ == "BatchNormalization":
            n = layer.gamma.shape[0]
            spread = [random.normal(0, 0.2, n) for _ in range(2)]
            layer.set_weights([random.uniform(0.5, 1.5, n), *spread, random.uniform(0.5, 2, n)])
    return model


@pytest.fixture(scope="session")
def gaze_model() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    return discriminating(build(("face", "eyes", "boxes")))


@pytest.fixture(scope="session")
def gaze_contract() -> Contract:
    eye = Input("eye_stem_conv", 1 / 127.5, -1.0)
    return Contract(
        inputs={"left": eye, "right": eye, "face": Input("face_branch_stem_conv", 1 / 127.5, -1.0)},
        outputs={"gaze": Output((8.0, 5.0), (10.0, -3.0))},
        description="Gaze on the screen.",
        metadata={"org.eyecli.unit": "cm"},
    )


@pytest.fixture(scope="session")
def gaze_package(
    gaze_model: Any, gaze_contract: Contract, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return convert(gaze_model, gaze_contract, tmp_path_factory.mktemp("gaze") / "gaze.mlpackage")


@pytest.fixture(scope="session")
def gaze_samples(gaze_model: Any) -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)
    samples: dict[str, np.ndarray] = {}
    for name, tensor in gaze_model.input.items():
        shape = (4, *tensor.shape[1:])
        samples[name] = (
            random.normal(size=shape)
            if name == "boxes"
            else random.integers(0, 256, shape, dtype=np.uint8)
        )
    return samples


@pytest.fixture(scope="session")
def small_model() -> Any:
    """Every operation that parity knows, odd sizes and paddings, in little time."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    pixels = keras.Input((15, 12, 3), name="pixels")
    x = layers.Conv2D(8, 3, 2, name="stem", bias_initializer="random_normal")(pixels)
    x = layers.ReLU()(x)
    y = layers.Conv2D(8, 3, padding="same", dilation_rate=2)(x)
    x = layers.Add()([x, y])
    pools = [
        layers.MaxPooling2D(3, 2, padding="same")(x),
        layers.AveragePooling2D(3, 2, padding="same")(x),
    ]
    x = layers.Concatenate()(pools)
    x = layers.DepthwiseConv2D(tuple(x.shape[1:3]))(x)
    point = layers.Conv2D(2, 1, bias_initializer="ones", name="point")(x)
    return keras.Model(pixels, point, name="small")


@pytest.fixture(scope="session")
def small_contract() -> Contract:
    scale, offset = (1 / 50.0, 1 / 60.0, 1 / 70.0), (-2.0, -1.5, -1.0)
    return Contract({"pixels": Input("stem", scale, offset)}, {"point": Output(3.0, (4.0, -5.0))})
