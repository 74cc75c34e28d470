"""Every backbone beside the network that its weights are of, each with its own preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from weight_files import Weights, write_safetensors

from eyecli.errors import CheckError, DataError, UsageError
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.nets import backbones, efficientnet_lite
from eyecli.nets.backbones import BACKBONES, IMAGENET_MEAN, IMAGENET_STD, UNITS
from eyecli.training.backend import load_keras
from eyecli.weights.checkpoint import read_checkpoint
from eyecli.weights.mapping import load_into
from eyecli.weights.registry import entry

pytest_plugins = ["lite_weights"]

LITE0 = "efficientnet-lite0"
# Class and module of keras.applications.
ORIGINALS = {
    **{f"efficientnetb{n}": (f"EfficientNetB{n}", "efficientnet") for n in range(4)},
    "resnet50": ("ResNet50", "resnet"),
    "densenet121": ("DenseNet121", "densenet"),
    "xception": ("Xception", "xception"),
    "mobilenetv2": ("MobileNetV2", "mobilenet_v2"),
}
QUICK = ("mobilenetv2",)


def application(name: str, size: int, weights: Any = None) -> Any:
    network = getattr(load_keras().applications, ORIGINALS[name][0])
    return network(include_top=False, weights=weights, input_shape=(size, size, 3))


def prepare(name: str, pixels: np.ndarray) -> np.ndarray:
    """Keras's own preprocessing of bytes."""
    module = import_module(f"keras.applications.{ORIGINALS[name][1]}")
    return module.preprocess_input(pixels.astype(np.float32).copy())


def noise(size: int, channels: int = 3) -> np.ndarray:
    """Return bytes (2, size, size, channels), one picture dark and one bright."""
    random = np.random.default_rng(0)
    levels = np.array([60, 190])[:, None, None, None]
    return np.clip(random.normal(levels, 50, (2, size, size, channels)), 0, 255).astype(np.uint8)


def ours(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)


def run(model: Any, values: np.ndarray) -> np.ndarray:
    return load_keras().ops.convert_to_numpy(model(values, training=False))


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert expected.std() > 0.05 * np.abs(expected).max()
    # Dozens of drawn layers magnify a rounding a thousandfold, and a fault of units as much.
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max(), rtol=0)


def trained(model: Any, values: np.ndarray) -> Any:
    """Draw scales and shifts as after a training, and take the statistics from values.

    With others the pictures would hardly reach the last map.
    """
    random = np.random.default_rng(1)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            shape, layer.momentum = layer.moving_mean.shape, 0.0
            _, _, mean, variance = layer.get_weights()
            layer.set_weights(
                [random.uniform(0.5, 1.5, shape), random.normal(0, 0.2, shape), mean, variance]
            )
    model(values, training=True)
    return model


def write_legacy(path: Path, model: Any) -> None:
    """Write a file as those that Keras publishes: ``_notop.h5``."""
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)


def published(name: str, size: int, path: Path) -> None:
    """Write weights in the shape of the published ones, with their odd normalisation."""
    source, values = application(name, size), prepare(name, noise(size))
    for layer in source.layers:
        if type(layer).__name__ == "Normalization":
            layer.set_weights([IMAGENET_MEAN, IMAGENET_STD, np.array(0)])
            layer.finalize_state()
            # The stem must see what it sees behind the division that this network lacks: with
            # other statistics the drawn network magnifies roundings without bound.
            middle = 255 * IMAGENET_MEAN
            values = (middle + (values - middle) / np.sqrt(IMAGENET_STD)).astype(np.float32)
    write_legacy(path, trained(source, values))


def test_names_are_those_of_the_options_and_weights_those_of_the_registry() -> None:
    assert list(BACKBONES) == [
        "eyenet", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2",
        "efficientnetb0", "efficientnetb1", "efficientnetb2", "efficientnetb3", "resnet50",
        "densenet121", "xception", "mobilenetv2",
    ]  # fmt: skip
    for name, spec in BACKBONES.items():
        if spec.weights:
            kind = "torch" if "lite" in name else "keras-h5"
            assert entry(spec.weights).format == kind
            assert "lite" in name or spec.weights.endswith("-notop")
    assert BACKBONES["eyenet"].weights is None


@pytest.mark.parametrize("name", ORIGINALS)
def test_units_are_those_of_the_own_preprocessing(name: str) -> None:
    keras = load_keras()
    layer = keras.layers.Conv2D(3, 1)
    layer.build((None, None, None, 3))
    backbones._set_units(layer, BACKBONES[name].units)
    pixels = noise(8)
    expected = prepare(name, pixels)
    if "efficientnet" in name:  # theirs does nothing: it is in the network, see issue 49930
        expected = (pixels / 255 - IMAGENET_MEAN) / IMAGENET_STD
    assert_close(run(layer, ours(pixels)), expected)


def test_the_published_deviations_are_no_variances() -> None:
    """What Keras builds before the stem for its own weights, and what it builds for others."""
    keras = load_keras()
    pixels = noise(8).astype(np.float32)
    for variance, more in ((IMAGENET_STD, 1 / np.sqrt(IMAGENET_STD)), (IMAGENET_STD**2, 1)):
        norm = keras.layers.Normalization(mean=IMAGENET_MEAN, variance=variance)
        expected = run(norm, pixels / 255) * more
        weighted = keras.layers.Normalization()
        weighted.build((None, 8, 8, 3))
        weighted.set_weights([IMAGENET_MEAN, variance, np.array(0)])
        layer = keras.layers.Conv2D(3, 1)
        layer.build((None, None, None, 3))
        backbones._set_units(layer, backbones._units_of(weighted))
        assert_close(run(layer, ours(pixels)), expected)


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in ORIGINALS],
)
def test_published_weights_give_what_they_give_in_keras(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = max(65, BACKBONES[name].least)
    path = tmp_path / "net_notop.h5"
    published(name, size, path)
    # With "imagenet" Keras builds EfficientNets otherwise than with a file.
    module = import_module(f"keras.src.applications.{ORIGINALS[name][1]}")
    monkeypatch.setattr(module.file_utils, "get_file", lambda *_, **__: str(path))
    original = application(name, size, "imagenet")
    model = backbones.features(name, size)
    facts = backbones.load_weights(model, name, path)
    assert facts["source"] == path.name and facts["matched"] == facts["total"] > 100
    pixels = noise(size)
    assert_close(run(model, ours(pixels)), run(original, prepare(name, pixels)))
    assert model.get_layer(BACKBONES[name].last).output is model.output
    assert not {"Rescaling", "Normalization"} & {type(layer).__name__ for layer in model.layers}
    assert not model.get_layer(UNITS).trainable


@pytest.mark.slow
def test_statistics_of_an_own_efficientnet_are_taken_as_they_are(tmp_path: Path) -> None:
    name, path = "efficientnetb0", tmp_path / "own.h5"
    source = application(name, 32)
    mean, variance = np.array([0.4, 0.2, 0.1]), np.array([0.05, 0.04, 0.02])
    (norm,) = (layer for layer in source.layers if type(layer).__name__ == "Normalization")
    norm.set_weights([mean, variance, np.array(0)])
    norm.finalize_state()
    write_legacy(path, trained(source, noise(32).astype(np.float32)))
    model = backbones.features(name, 32)
    backbones.load_weights(model, name, path)
    pixels = noise(32)
    assert_close(run(model, ours(pixels)), run(source, pixels.astype(np.float32)))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a checkpoint of EfficientNet-Lite0 with weights as after a training."""
    arrays = {}
    turned = {"Conv2D": (3, 2, 0, 1), "DepthwiseConv2D": (2, 3, 0, 1)}
    names = {"kernel": "weight", "gamma": "weight", "beta": "bias",
             "moving_mean": "running_mean", "moving_variance": "running_var"}  # fmt: skip
    model = trained(efficientnet_lite.build(LITE0, (64, 64, 3), include_top=False), ours(noise(64)))
    for layer in model.layers:
        for variable in layer.weights:
            key = efficientnet_lite.checkpoint_key(f"{layer.name}.{names[variable.name]}")
            value = variable.numpy()
            axes = turned[type(layer).__name__] if value.ndim == 4 else (0,)
            arrays[str(key)] = value.transpose(axes)
    path = tmp_path_factory.mktemp("drawn") / "lite0.safetensors"
    write_safetensors(path, arrays)
    return path


Pair = Callable[[int], tuple[Any, Any]]


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Return EfficientNet-Lite0 by its size: the backbone and the network itself, built once."""

    @cache
    def get(size: int) -> tuple[Any, Any]:
        own = efficientnet_lite.build(LITE0, (size, size, 3), include_top=False)
        return backbones.features(LITE0, size), own

    return get


def load_own(model: Any, path: Path) -> None:
    left_out = efficientnet_lite.left_out(LITE0)
    key = efficientnet_lite.checkpoint_key
    load_into(model.layers, read_checkpoint(path), key, LITE0, left_out=left_out)


@pytest.mark.parametrize("size", [64, 65])
def test_efficientnet_lite_is_the_same_in_our_units(size: int, drawn: Path, pair: Pair) -> None:
    same_as_in_its_own_units(drawn, *pair(size), 3e-3)


def test_imagenet_features_are_the_same_in_our_units(lite_weights: Weights, pair: Pair) -> None:
    same_as_in_its_own_units(lite_weights(LITE0)[1], *pair(64), 1e-4)


def same_as_in_its_own_units(path: Path, model: Any, own: Any, gap: float) -> None:
    facts = backbones.load_weights(model, LITE0, path)
    load_own(own, path)
    assert facts["matched"] == facts["total"] and not facts["missing"]
    pixels = noise(model.input_shape[1])
    units = pixels * np.float32(efficientnet_lite.SCALE) + np.float32(efficientnet_lite.OFFSET)
    expected = run(own, units)
    assert expected.std() > 0.1
    np.testing.assert_allclose(run(model, ours(pixels)), expected, atol=gap, rtol=0)
    assert model.get_layer(BACKBONES[LITE0].last).output is model.output


def test_a_grey_picture_is_three_alike(drawn: Path, pair: Pair) -> None:
    grey, (colour, _) = backbones.features(LITE0, 64, 1), pair(64)
    for model in (grey, colour):
        backbones.load_weights(model, LITE0, drawn)
    pixels = noise(64, 1)
    expected = run(colour, ours(np.repeat(pixels, 3, axis=3)))
    assert_close(run(grey, ours(pixels)), expected)
    assert backbones.features("eyenet", 30, 1).input_shape == (None, 30, 30, 1)


def test_freezing_keeps_the_statistics(drawn: Path) -> None:
    model = backbones.features(LITE0, 32)
    backbones.load_weights(model, LITE0, drawn)

    def kinds() -> set[str]:
        return {type(layer).__name__ for layer in model.layers if layer.trainable_variables}

    assert "BatchNormalization" in kinds() and not model.get_layer(UNITS).trainable
    backbones.freeze(model, "all")
    assert kinds() == {"Conv2D", "DepthwiseConv2D"} and not model.get_layer(UNITS).trainable
    values = ours(noise(32))
    training = load_keras().ops.convert_to_numpy(model(values, training=True))
    np.testing.assert_array_equal(training, run(model, values))
    backbones.freeze(model, "head")
    assert not kinds()


@pytest.mark.parametrize(
    ("name", "what", "first"),
    [
        (LITE0, "last2", "block15_project_conv"),
        (LITE0, "block15", "block15_expand_conv"),
        (LITE0, "block1", "block1_expand_conv"),
        (LITE0, "head", ""),
        ("mobilenetv2", "block_1", "block_1_expand"),
        ("mobilenetv2", "block_16", "block_16_expand"),
    ],
)
def test_what_follows_a_block_is_trained(name: str, what: str, first: str) -> None:
    model = backbones.features(name, 32)
    names = [layer.name for layer in model.layers if layer.weights and "unit" not in layer.name]
    norms = {layer.name for layer in model.layers if type(layer).__name__ == "BatchNormalization"}
    backbones.freeze(model, what)
    trained = [layer.name for layer in model.layers if layer.trainable_variables]
    expected = names[names.index(first) :] if first else []
    assert trained == [each for each in expected if each not in norms]


def test_statistics_stay_in_what_is_trained_too() -> None:
    model = backbones.features(LITE0, 32)
    backbones.freeze(model, "block14")
    values = ours(noise(32))
    training = load_keras().ops.convert_to_numpy(model(values, training=True))
    np.testing.assert_array_equal(training, run(model, values))


@pytest.mark.parametrize(
    ("what", "said", "hint"),
    [
        ("block16", "no such block", "did you mean 'block"),
        ("haed", "no such block", "head"),
        ("last0", "no such block", "last"),
        ("", "no such block", "known: all, block0"),
        ("last60", "the backbone has 49 convolutions", "all"),
    ],
)
def test_a_block_that_is_not_there_is_named(what: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        backbones.freeze(backbones.features(LITE0, 32), what)
    assert hint in str(raised.value.hint)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no backbone named 'efficientnet-b0'") as raised:
        backbones.features("efficientnet-b0", 64)
    assert "efficientnetb0" in str(raised.value.hint)
    for name, size in (("xception", 70), ("eyenet", 22), (LITE0, 31)):
        with pytest.raises(UsageError, match=f"{size} pixels are too small for {name}"):
            backbones.features(name, size)
    with pytest.raises(UsageError, match="no pretrained weights of eyenet"):
        backbones.load_weights(backbones.features("eyenet", 30), "eyenet", tmp_path / "x.h5")


def test_weights_of_another_network_change_nothing(tmp_path: Path, pair: Pair) -> None:
    keras, path = load_keras(), tmp_path / "other_notop.h5"
    x = keras.Input((32, 32, 3))
    write_legacy(path, keras.Model(x, keras.layers.Conv2D(4, 3)(x)))
    model = backbones.features("mobilenetv2", 32)
    before = model.get_weights()
    with pytest.raises(CheckError, match=r"other_notop\.h5 does not fit"):
        backbones.load_weights(model, "mobilenetv2", path)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(DataError, match="HDF5"):
        backbones.load_weights(pair(64)[0], LITE0, path)
