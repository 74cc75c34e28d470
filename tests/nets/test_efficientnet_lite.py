from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from weight_files import Weights

from eyecli.nets import efficientnet_lite as lite
from eyecli.training.backend import load_keras
from eyecli.weights.checkpoint import read_checkpoint
from eyecli.weights.mapping import load_into

pytest_plugins = ["lite_weights"]

LOGITS = Path(__file__).parent / "data" / "imagenet_logits.npz"
PICTURES = ("astronaut", "coffee", "chelsea", "rocket")


def pictures(side: int) -> np.ndarray:
    """Return middle squares (4, side, side, 3) uint8."""
    found = []
    for name in PICTURES:
        pixels = getattr(skimage.data, name)()
        y, x = ((extent - side) // 2 for extent in pixels.shape[:2])
        found.append(pixels[y : y + side, x : x + side])
    return np.stack(found)


def run(model: Any, pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(np.float32) * np.float32(lite.SCALE) + np.float32(lite.OFFSET)
    return load_keras().ops.convert_to_numpy(model(values, training=False))


# Those of the checkpoints of efficientnet-lite-pytorch, without its counters of batches.
@pytest.mark.parametrize(
    ("variant", "parameters", "tensors"),
    [
        ("efficientnet-lite0", 4_694_024, 247),
        ("efficientnet-lite1", 5_470_344, 322),
        ("efficientnet-lite2", 6_150_168, 322),
    ],
)
def test_the_networks_have_the_parameters_of_the_originals(
    variant: str, parameters: int, tensors: int
) -> None:
    model = lite.build(variant)
    assert model.count_params() == parameters and len(model.weights) == tensors
    side = lite.VARIANTS[variant].size
    assert model.input_shape == (None, side, side, 3) and model.output_shape == (None, 1000)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert not kinds & {"Multiply", "Activation"}, "no squeeze-excite, no swish"


def test_the_top_is_a_map_or_its_mean_or_maximum() -> None:
    shape = (64, 96, 3)
    whole = lite.build("efficientnet-lite0", shape, include_top=False)
    assert whole.output_shape == (None, 2, 3, 1280)
    pixels = np.random.default_rng(0).integers(0, 256, (1, *shape))
    features = run(whole, pixels)
    for pooling, expected in (("avg", features.mean((1, 2))), ("max", features.max((1, 2)))):
        model = lite.build("efficientnet-lite0", shape, include_top=False, pooling=pooling)  # type: ignore[arg-type]
        model.set_weights(whole.get_weights())
        np.testing.assert_allclose(run(model, pixels), expected, atol=1e-5)
    few = lite.build("efficientnet-lite1", shape, classes=5)
    assert few.output_shape == (None, 5)


@pytest.mark.parametrize("variant", list(lite.VARIANTS))
def test_imagenet_logits_are_those_of_the_original(variant: str, lite_weights: Weights) -> None:
    arrays = read_checkpoint(lite_weights(variant)[1])
    model = lite.build(variant)
    report = load_into(model.layers, arrays, lite.checkpoint_key, variant)
    assert len(report.matched) == report.total == len(arrays)
    logits = run(model, pictures(lite.VARIANTS[variant].size))
    with np.load(LOGITS) as reference:
        np.testing.assert_allclose(logits, reference[variant], atol=1e-4, rtol=0)
    # A space suit, an espresso, a cat of one breed or another, a missile.
    assert set(logits.argmax(1)) <= {518, 967, 282, 285, 657}


def test_pixels_are_scaled_as_in_the_training_of_the_weights(lite_weights: Weights) -> None:
    """The first batch normalisation holds the variances that the first convolution gave."""
    arrays = read_checkpoint(lite_weights("efficientnet-lite0")[1])
    keras = load_keras()
    pixels, stem = keras.Input((224, 224, 3)), keras.layers.Conv2D(32, 3, 2, use_bias=False)
    model = keras.Model(pixels, stem(pixels))
    stem.set_weights([arrays["_conv_stem.weight"].transpose(2, 3, 1, 0)])
    seen, known = run(model, pictures(224)).var((0, 1, 2)), arrays["_bn0.running_var"]
    ratio = np.median(seen[known > 1e-3] / known[known > 1e-3])
    assert 0.6 < ratio < 1.6  # those of ImageNet's means and deviations would be 4


def test_a_trunk_that_folds_takes_the_same_weights(lite_weights: Weights) -> None:
    keras = load_keras()
    name, (_, path) = "efficientnet-lite2", lite_weights("efficientnet-lite2")
    arrays = read_checkpoint(path)
    pixels = keras.Input((65, 65, 3), name="pixels")
    model = keras.Model(pixels, lite.trunk(name, pixels, 5, folds=True))
    assert model.output_shape == (None, 4, 4, 120)
    report = load_into(
        model.layers, arrays, lite.checkpoint_key, name, left_out=lite.left_out(name, 5)
    )
    assert len(report.matched) == report.total
    assert len(report.matched) + len(report.left_out) == len(arrays)
    assert not model.get_layer("stem_conv").bias.numpy().any()
