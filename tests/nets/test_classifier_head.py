from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_files import Weights

from eyecli.ane.check import check
from eyecli.coreml.convert import Contract, Input, Output, convert, fold
from eyecli.coreml.judgement import refusal
from eyecli.coreml.parity import compare
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.nets.backbones import backbone, features, load_weights
from eyecli.nets.heads import Pooling, classifier, pooled
from eyecli.training.backend import load_keras

pytest_plugins = ["lite_weights"]

PICTURES = ("astronaut", "coffee", "chelsea", "rocket")
SIDES = st.sampled_from([*range(1, 14), 14, 16, 17, 20, 26])


def values(tensor: Any) -> np.ndarray:
    return load_keras().ops.convert_to_numpy(tensor)


@settings(max_examples=8, deadline=None)
@given(SIDES, SIDES, st.integers(0, 100))
def test_pooling_is_the_mean_and_the_maximum(rows: int, columns: int, seed: int) -> None:
    keras = load_keras()
    x = keras.Input((rows, columns, 3))
    # Below zero everywhere: padding with zeros would be the maximum.
    maps = np.random.default_rng(seed).normal(-9, 1, (2, rows, columns, 3)).astype(np.float32)
    found = values(keras.Model(x, pooled(x, "avgmax"))(maps))
    expected = maps.mean((1, 2), keepdims=True)
    if rows * columns > 1:
        expected = np.concatenate([expected, maps.max((1, 2), keepdims=True)], -1)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not keras.Model(x, pooled(x, "avg")).trainable_variables


@pytest.mark.parametrize("pooling", ["avg", "avgmax"])
def test_eyenet_ends_as_published(pooling: Pooling) -> None:
    model = classifier(features("eyenet", 256), 2, 0.25, pooling)
    assert model.count_params() == 56_207_842
    assert model.output["embedding"].shape == (None, 1, 1, 128)
    assert model.output["logits"].shape == (None, 1, 1, 2)


def test_the_mean_is_not_trained() -> None:
    keras = load_keras()
    x = keras.Input((16, 16, 4), name="pixels")
    body = keras.Model(x, keras.layers.Conv2D(8, 1, name="body")(x), name="tiny")
    model = classifier(body, 3, 0.1, "avg")
    trained = {v.path for v in model.trainable_variables}
    assert trained == {"body/kernel", "body/bias", "logits/kernel", "logits/bias"}
    assert model.get_layer("body") is body.get_layer("body")
    assert model.get_layer("dropout").rate == 0.1 and model.name == "tiny"


def exported(pooling: Pooling, size: int, weights: Path | None, folder: Path) -> tuple[Any, ...]:
    """Return a classifier on EfficientNet-Lite0, its contract and its package."""
    name = "efficientnet-lite0"
    body = features(name, size)
    if weights:
        load_weights(body, name, weights)
    model = classifier(body, len(PICTURES), 0.2, pooling)
    contract = Contract(
        {"pixels": Input(backbone(name).stem, SCALE, OFFSET)}, {"logits": Output(classes=PICTURES)}
    )
    _, rest = fold(model, contract)
    assert replace(rest.inputs["pixels"], stem=None) == Input(), "bytes fold into the first layer"
    # What is exported is the classifier; the embedding is for training.
    alone = load_keras().Model(model.input, {"logits": model.output["logits"]})
    return model, alone, contract, convert(alone, contract, folder / "m.mlpackage")


def crops(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random squares out of photographs (count, size, size, 3) uint8, and out of which."""
    random, found = np.random.default_rng(0), []
    whole = [getattr(skimage.data, name)() for name in PICTURES]
    for row in range(count):
        picture = whole[row % len(whole)]
        side = int(random.integers(120, min(picture.shape[:2])))
        y, x = (int(random.integers(extent - side + 1)) for extent in picture.shape[:2])
        square = np.ascontiguousarray(picture[y : y + side, x : x + side])
        found.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
    return np.stack(found), np.arange(count) % len(whole)


ELIGIBLE = {"add", "cast", "concat", "conv", "max_pool", "relu6"}


def test_a_large_map_is_pooled_by_the_neural_engine(tmp_path: Path) -> None:
    """16 x 16, as EfficientNet-Lite has of 512 pixels: a mean over it in one would be refused."""
    keras = load_keras()
    x = keras.Input((32, 32, 3), name="pixels")
    y = keras.layers.Conv2D(8, 3, 2, "same", name="body")(x)
    body = keras.Model(x, keras.layers.ReLU(6.0, name="relu")(y))
    report = check(convert(classifier(body, 3, 0.1, "avgmax"), Contract(), tmp_path / "m"))
    assert report.eligible == 1 and set(report.histogram) <= ELIGIBLE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pooling", "size"), [("avgmax", 64), ("avg", 224), ("avg", 512), ("avgmax", 512)]
)
def test_every_operation_is_eligible_for_the_neural_engine(
    pooling: Pooling, size: int, tmp_path: Path
) -> None:
    *_, path = exported(pooling, size, None, tmp_path)
    report = check(path)
    assert report.eligible == report.eligible_flops == 1 and report.segments == 1
    assert set(report.histogram) <= ELIGIBLE


@pytest.mark.slow
@pytest.mark.parametrize(("pooling", "size"), [("avg", 64), ("avgmax", 64), ("avg", 224)])
def test_the_package_computes_what_keras_computes(
    pooling: Pooling, size: int, lite_weights: Weights, tmp_path: Path
) -> None:
    _, path = lite_weights("efficientnet-lite0")
    keras = load_keras()
    model, alone, contract, _ = exported(pooling, size, path, tmp_path)
    pixels, labels = crops(size, 40)
    scaled = pixels.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)
    known = values(keras.Model(model.input, model.output["embedding"])(scaled, training=False))
    known = known.reshape(len(known), -1).astype(np.float64)
    # A ridge regression to logits of 0 and 10, so that the classes stand apart as in a trained one.
    mean = known.mean(0)
    wanted = 10 * np.eye(len(PICTURES))[labels]
    gram = (known - mean) @ (known - mean).T + 10 * np.eye(len(known))
    weight = (known - mean).T @ np.linalg.solve(gram, wanted - wanted.mean(0))
    bias = wanted.mean(0) - mean @ weight
    model.get_layer("logits").set_weights([weight[None, None], bias])
    package = convert(alone, contract, tmp_path / "fitted.mlpackage")
    found = compare(alone, package, contract, {"pixels": pixels}, half=True)
    print(pooling, size, found)
    assert refusal(found, "fp16") is None
