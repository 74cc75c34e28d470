from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.errors import CheckError
from eyecli.training.backend import load_keras
from eyecli.weights.mapping import load_into, load_keras_file, strip


@pytest.fixture
def model() -> Any:
    """Every kind of layer whose axes differ between PyTorch and Keras."""
    keras = load_keras()
    layers = keras.layers
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, (3, 5), padding="same", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.DepthwiseConv2D((2, 3), use_bias=False, name="depthwise")(y)
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, layers.Dense(6, name="dense")(y))


def tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes = {
        "conv.weight": (4, 3, 3, 5), "conv.bias": (4,), "norm.weight": (4,), "norm.bias": (4,),
        "norm.running_mean": (4,), "norm.running_var": (4,), "depthwise.weight": (4, 1, 2, 3),
        "dense.weight": (6, 4), "dense.bias": (6,),
    }  # fmt: skip
    arrays = {name: random.random(shape).astype(np.float32) for name, shape in shapes.items()}
    return arrays | {"norm.num_batches_tracked": np.array(3)}


def weights(model: Any) -> list[np.ndarray]:
    return [np.array(value) for value in model.get_weights()]


def test_every_axis_finds_its_place(model: Any) -> None:
    arrays = tensors()
    report = load_into(model.layers, arrays, str, "file")
    assert set(report.matched) == set(arrays) and report.total == 10 and report.enough
    assert report.lines() == ["file: 10 of 10 tensors matched"]
    kernel, bias = model.get_layer("conv").get_weights()
    assert kernel[2, 4, 1, 3] == arrays["conv.weight"][3, 1, 2, 4]
    np.testing.assert_array_equal(bias, arrays["conv.bias"])
    assert (
        model.get_layer("depthwise").get_weights()[0][1, 2, 3, 0]
        == (arrays["depthwise.weight"][3, 0, 1, 2])
    )
    np.testing.assert_array_equal(
        model.get_layer("dense").get_weights()[0], arrays["dense.weight"].T
    )
    known = [arrays[f"norm.{n}"] for n in ("weight", "bias", "running_mean", "running_var")]
    np.testing.assert_array_equal(model.get_layer("norm").get_weights(), known)


def test_half_precision_and_a_file_without_counters_will_do(model: Any) -> None:
    arrays = {n: a.astype(np.float16) for n, a in tensors().items() if "tracked" not in n}
    report = load_into(model.layers, arrays, str, "file")
    assert len(report.matched) == report.total == 9 and not report.missing
    assert model.get_layer("dense").bias.dtype == "float32"


def test_a_few_that_do_not_fit_are_named(model: Any, caplog: pytest.LogCaptureFixture) -> None:
    arrays = tensors()
    arrays["head.weight"] = arrays.pop("dense.bias")
    before = weights(model)
    with pytest.raises(CheckError, match="9 of 11 tensors matched, fewer than 90%"):
        load_into(model.layers, arrays, str, "file")
    for old, new in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(old, new)
    assert "file: 1 missing in the file: dense.bias" in caplog.text
    assert "file: 1 unexpected in the file: head.weight" in caplog.text
    # The classifier of a checkpoint may be left out; nine in ten are then enough.
    report = load_into(model.layers, arrays, str, "file", left_out=("head.",))
    assert (len(report.matched), report.total) == (9, 10)
    assert report.lines()[0] == "file: 9 of 10 tensors matched, 1 left out"
    assert report.facts() == {
        "source": "file", "matched": 9, "total": 10, "missing": ["dense.bias"], "unexpected": [],
        "mismatched": [], "left_out": 1,
    }  # fmt: skip


def test_another_shape_is_no_match_even_where_the_size_is_the_same(model: Any) -> None:
    arrays = tensors() | {"conv.weight": tensors()["conv.weight"].transpose(0, 1, 3, 2)}
    report = load_into(model.layers, arrays, str, "file")
    assert report.mismatched == ("conv.weight (5, 3, 3, 4) in the file, (3, 5, 3, 4) here",)
    assert (len(report.matched), report.total) == (9, 10)
    wrong = {name: array[None] for name, array in tensors().items()}
    with pytest.raises(CheckError, match="1 of 10 tensors matched"):
        load_into(model.layers, wrong, str, "file")


def test_a_prefix_is_stripped_where_there_is_one(model: Any) -> None:
    arrays = {f"module.{name}": array for name, array in tensors().items()}
    with pytest.raises(CheckError, match="0 of 19 tensors matched") as raised:
        load_into(model.layers, arrays, str, "file")
    assert raised.value.hint == "the network has conv.weight, the file module.conv.weight"
    report = load_into(model.layers, arrays, str, "file", strip("module."))
    assert len(report.matched) == 10
    assert strip("module.")("conv.module.weight") == "conv.module.weight"


def test_an_empty_file_or_network_is_no_success(model: Any) -> None:
    with pytest.raises(CheckError, match="0 of 9 tensors matched"):
        load_into(model.layers, {}, str, "file")
    with pytest.raises(CheckError, match="0 of 0 tensors matched"):
        load_into([], {}, str, "file")


def test_files_of_keras_are_read_by_keras(model: Any, tmp_path: Path) -> None:
    model.save_weights(tmp_path / "x.weights.h5")
    keras = load_keras()
    twin = keras.models.clone_model(model)
    report = load_keras_file(twin, tmp_path / "x.weights.h5")
    assert len(report.matched) == report.total == 9
    for old, new in zip(weights(model), weights(twin), strict=True):
        np.testing.assert_array_equal(old, new)
    x = keras.Input((8,))
    other = keras.Model(x, keras.layers.Dense(2)(keras.layers.Dense(5)(x)))
    before = weights(other)
    with pytest.raises(CheckError, match=r"x\.weights\.h5 does not fit functional"):
        load_keras_file(other, tmp_path / "x.weights.h5")
    for old, new in zip(before, weights(other), strict=True):
        np.testing.assert_array_equal(old, new)
