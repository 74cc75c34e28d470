"""Networks of keras.applications, small, with batch statistics that let them discriminate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.coreml.interpreter import before_activation, run
from eyecli.lazy import coremltools

CLASSES = 12
# In float32, relative to the spread of the logits: Keras itself is up to 4e-4 (InceptionV3) away
# from its result in float64 on such networks.
BAR = 6e-4
# Side in pixels, and the network. ConvNeXt is missing: coremltools refuses Keras' depthwise layer
# there, a function that was compiled by XLA.
QUICK = [(32, "MobileNet"), (32, "MobileNetV3Small")]
SLOW = [
    (71, "Xception"), (64, "ResNet50"), (64, "ResNet50V2"), (64, "MobileNetV2"),
    (64, "MobileNetV3Large"), (64, "EfficientNetB0"), (64, "EfficientNetV2B0"),
    (64, "DenseNet121"), (64, "NASNetMobile"), (75, "InceptionV3"), (75, "InceptionResNetV2"),
    (48, "VGG16"),
]  # fmt: skip


def discriminating(name: str, side: int) -> tuple[Any, np.ndarray]:
    """A network whose batch normalisations hold the statistics of the samples, which are returned.

    Initial weights alone let all logits be equal, and every fault pass.
    """
    import keras

    keras.utils.set_random_seed(5)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(side, side, 3), classes=CLASSES
    )
    x = np.random.default_rng(6).normal(0, 1, (24, 6, 6, 3)).repeat(-(-side // 6), 1)
    x = x.repeat(-(-side // 6), 2)[:, :side, :side].astype(np.float32)
    scaled = any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)
    x = np.clip(128 + 50 * x, 0, 255) if scaled else x
    norms = [v for v in model.layers if isinstance(v, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    if norms:
        model(x, training=True)
    else:  # kernels that do not let the signal fade
        model.set_weights([w * 2 if w.ndim == 4 else w for w in model.get_weights()])
    return model, x


def logits_of(model: Any, x: np.ndarray) -> np.ndarray:
    """What the last layer computes before its softmax."""
    import keras

    model.layers[-1].activation = keras.activations.linear
    return np.asarray(model(x))


def check(name: str, side: int, path: Path, bars: dict[str, float]) -> None:
    model, x = discriminating(name, side)
    ct = coremltools()
    samples = x[:6]
    # This pass gives every multiply-add that it makes a batch_norm a variance of 1 and the default
    # epsilon of 1e-5: all of DenseNet121 is 9e-4 of the spread off with it.
    pipeline = ct.PassPipeline.DEFAULT
    pipeline.remove_passes({"common::fuse_elementwise_to_batchnorm"})
    for precision, bar in bars.items():
        converted = ct.convert(
            model,
            inputs=[ct.TensorType(name=model.input.name, shape=(1, side, side, 3))],
            convert_to="mlprogram",
            compute_precision=getattr(ct.precision, precision),
            minimum_deployment_target=ct.target.iOS16,
            pass_pipeline=pipeline,
            skip_model_load=True,
        )
        package = path / f"{name}{precision}.mlpackage"
        converted.save(str(package))
        output = converted.get_spec().description.output[0].name
        logits = before_activation(package, output)
        assert logits is not None
        half = precision == "FLOAT16"
        out = run(package, {model.input.name: samples}, half, also=[logits])
        shares = np.asarray(model(samples))
        activation = model.layers[-1].activation
        expected = logits_of(model, samples)
        model.layers[-1].activation = activation
        spread = expected.std(axis=0).mean()
        gap = np.abs(out[logits].reshape(expected.shape) - expected).max() / spread
        print(f"{name} {side} px {precision}: spread {spread:.3g}, gap {gap:.2g} of it")
        assert spread > 0.05
        assert gap < bar
        assert np.abs(out[output].reshape(shares.shape) - shares).max() < bar


@pytest.mark.parametrize(("side", "name"), QUICK)
def test_a_quick_network(side: int, name: str, tmp_path: Path) -> None:
    check(name, side, tmp_path, {"FLOAT32": BAR})


@pytest.mark.slow
@pytest.mark.parametrize(("side", "name"), SLOW)
def test_a_network(side: int, name: str, tmp_path: Path) -> None:
    check(name, side, tmp_path, {"FLOAT32": BAR, "FLOAT16": 0.2})
