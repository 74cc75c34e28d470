from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conversions import FP16, converted_gap, draw, gaps
from coreml_models import discriminating
from hypothesis import given
from hypothesis import strategies as st

from eyecli.ane.check import check
from eyecli.coreml.contract import Contract, Input
from eyecli.coreml.convert import convert
from eyecli.coreml.graph import apply, functional, named
from eyecli.coreml.rewrite import rewrite
from eyecli.nets.windows import pooling_steps

UNWANTED = {"matmul", "linear", "reduce_mean", "reshape", "transpose", "squeeze", "expand_dims"}


def assert_same(one: Any, other: Any, tolerance: float = 1e-5) -> None:
    """Same names and values; vectors may be pixels."""
    one, other = functional(one), functional(other)
    assert list(named(one.input, one.inputs)) == list(named(other.input, other.inputs))
    feed = draw(one)
    before, after = apply(one, feed), apply(other, feed)
    assert list(before) == list(after)
    for name, tensor in before.items():
        wanted = np.asarray(tensor)
        found = np.asarray(after[name]).reshape(wanted.shape)
        assert wanted.std() > 0
        np.testing.assert_allclose(found, wanted, atol=tolerance * max(1, np.abs(wanted).max()))


def classifier(side: int = 10) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    x = keras.Input((side, side, 3), name="pixels")
    y = layers.Conv2D(6, 3, activation="relu")(x)
    y = layers.Dropout(0.5)(layers.GlobalAveragePooling2D(name="pool")(y))
    y = layers.BatchNormalization()(layers.Dense(5, activation="relu", name="hidden")(y))
    y = layers.Dense(4, activation="softmax", name="predictions")(y)
    return discriminating(keras.Model(x, y, name="classifier"))


def test_pooling_and_dense_become_convolutions(tmp_path: Path) -> None:
    model = classifier()
    weights = [w.copy() for w in model.get_weights()]
    rewritten, changes = rewrite(model)
    assert_same(model, rewritten)
    assert changes == [
        "pool (GlobalAveragePooling2D): 8 x 8 depthwise convolution",
        "hidden (Dense): 1 x 1 convolution",
        "predictions (Dense): 1 x 1 convolution",
        "output predictions: (1, 4, 1, 1) in the program, it was (1, 4)",
    ]
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    path = convert(rewritten, Contract(), tmp_path / "m.mlpackage", FP16)
    assert check(path).histogram == {"add": 1, "conv": 4, "mul": 1, "relu": 2, "softmax": 1}
    assert check(path).eligible == 1.0
    assert max(gaps(model, path, Contract(), draw(model), half=True).values()) < 2e-2


def test_a_transposed_kernel_would_be_seen() -> None:
    model = classifier()
    rewritten, _ = rewrite(model)
    kernel, bias = rewritten.get_layer("predictions").get_weights()
    kernel[..., :4, :] = kernel[..., :4, :].swapaxes(2, 3)
    rewritten.get_layer("predictions").set_weights([kernel, bias])
    with pytest.raises(AssertionError):
        assert_same(model, rewritten, 1e-3)


@given(st.integers(1, 200), st.integers(1, 200))
def test_pooling_steps_cover_the_map(height: int, width: int) -> None:
    steps = pooling_steps(height, width)
    if steps is None:
        assert max(height, width) > 13
        return
    assert prod(rows for rows, _ in steps) == height
    assert prod(columns for _, columns in steps) == width
    assert max(max(step) for step in steps) <= 13
    # TensorFlow's depthwise convolution strides alike in both directions.
    assert len(steps) == 1 or (len(steps) == 2 and steps[0][0] == steps[0][1])


@pytest.mark.parametrize(("side", "kernels"), [(16, 2), (14, 1), (3, 0)])
def test_maps_of_any_size(side: int, kernels: int) -> None:
    import keras

    model = classifier(side)
    rewritten, changes = rewrite(model)
    assert_same(model, rewritten)
    made = [c for c in changes if "depthwise" in c]
    assert len(made) == kernels
    assert isinstance(rewritten, keras.Model)


def test_a_map_without_divisors_keeps_its_mean_but_no_matrix(tmp_path: Path) -> None:
    model = classifier(19)
    rewritten, changes = rewrite(model)
    assert_same(model, rewritten)
    assert "pool (GlobalAveragePooling2D): kept a mean, 17 x 17" in changes[0]
    histogram = check(convert(rewritten, Contract(), tmp_path / "m.mlpackage")).histogram
    assert UNWANTED & set(histogram) == {"reduce_mean"}


def test_flatten_and_dense_become_a_convolution_over_the_map(tmp_path: Path) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    x = keras.Input((6, 7, 3), name="x")
    y = layers.ReLU()(layers.Flatten()(layers.Conv2D(4, 3)(x)))
    model = keras.Model(x, layers.Dense(5, name="y")(y))
    rewritten, changes = rewrite(model)
    assert_same(model, rewritten)
    assert "y (Dense): 4 x 5 convolution" in changes
    assert "1 of 1 layers that only reshape fell away" in changes
    path = convert(rewritten, Contract(), tmp_path / "m.mlpackage")
    assert check(path).histogram == {"conv": 2, "relu": 1}


def test_a_kernel_that_is_too_large_stays_a_matrix() -> None:
    import keras
    from keras import layers

    x = keras.Input((2, 20, 3), name="x")
    model = keras.Model(x, layers.Dense(5, name="y")(layers.Flatten()(x)))
    rewritten, changes = rewrite(model)
    assert_same(model, rewritten)
    assert changes == ["y (Dense): kept, a kernel of 2 x 20 would be too large"]


def test_permutes_and_reshapes_cancel(tmp_path: Path) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    x = keras.Input((4, 6, 3), name="x")
    y = layers.ReLU()(layers.Permute((3, 1, 2))(layers.Conv2D(5, 1)(x)))
    y = layers.Permute((2, 3, 1))(y)
    y = layers.Reshape((4, 6, 5))(layers.Reshape((24, 5))(y))
    gate = layers.Reshape((1, 1, 5))(layers.GlobalMaxPooling2D()(y))
    y = layers.Multiply()([y, layers.Dense(5, activation="sigmoid")(gate)])
    model = keras.Model(x, layers.Conv2D(2, 1, name="y")(y))
    rewritten, changes = rewrite(model)
    assert_same(model, rewritten)
    assert "5 of 5 layers that only reshape fell away" in changes
    path = convert(rewritten, Contract(), tmp_path / "m.mlpackage")
    assert UNWANTED & set(check(path).histogram) == set()


@pytest.mark.parametrize("dims", [(2, 3, 1), (3, 2, 1), (2, 1, 3)])
def test_what_does_not_cancel_is_kept(dims: tuple[int, ...]) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    x = keras.Input((2, 3, 4), name="x")
    y = layers.Reshape((6, 4))(layers.Permute(dims)(layers.Reshape((4, 3, 2))(x)))
    y = layers.LeakyReLU()(layers.Permute((2, 1))(y))
    model = keras.Model(x, layers.Permute((2, 1), name="y")(y))
    assert_same(model, rewrite(model)[0])


def test_shared_and_nested_models_and_many_outputs(tmp_path: Path) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    pixels = keras.Input((6, 6, 3), name="pixels")
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="stem")(pixels))
    branch = keras.Model(pixels, layers.Dense(5, name="dense")(y), name="branch")
    left, right = (keras.Input((6, 6, 3), name=n) for n in ("left", "right"))
    extra = keras.Input((2,), name="extra")
    joined = layers.Concatenate()([branch(left), branch(right), extra])
    shared = layers.Dense(12, name="shared")
    y = layers.Add()([shared(joined), joined])
    y = layers.LayerNormalization()(shared(y))
    outputs = {"a": layers.Dense(2, name="a_dense")(y), "b": layers.Softmax(axis=1)(y)}
    model = keras.Model({"left": left, "right": right, "extra": extra}, outputs)
    rewritten, changes = rewrite(model)
    assert_same(model, rewritten)
    assert rewritten.count_params() == model.count_params() + 4 * 4 * 4  # of the mean
    assert sum("shared" in c for c in changes) == 1
    eye = Input("stem", 2.0, 1.0)
    contract = Contract({"left": eye, "right": eye})
    path = tmp_path / "m.mlpackage"
    assert converted_gap(rewritten, path, contract, FP16, model) < 2e-2


def test_an_output_that_fell_away_keeps_its_name() -> None:
    import keras
    from keras import layers

    inner = keras.Input((3, 3, 2))
    nested = keras.Model(inner, layers.Dense(2, name="y")(layers.Flatten()(inner)), name="z")
    x = keras.Input((3, 3, 2), name="x")
    y = layers.Flatten(name="y")(layers.Conv2D(2, 3)(x))
    model = keras.Model([x], [y, nested(x)])
    rewritten, _ = rewrite(model)
    assert_same(model, rewritten)
    assert list(named(rewritten.output, rewritten.outputs)) == ["y", "z"]


def test_sequential_models_are_taken() -> None:
    import keras
    from keras import layers

    parts = [keras.Input((4, 4, 1), name="x"), layers.Flatten(), layers.Dense(3, name="y")]
    model = keras.Sequential(parts)
    assert_same(model, rewrite(model)[0])


def swishing() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    x = keras.Input((4, 4, 2), name="x")
    y = layers.Conv2D(3, 1, activation="silu", name="conv")(x)
    y = layers.Activation("hard_silu", name="hard")(y)
    y = layers.Multiply(name="gated")([y, layers.Activation("sigmoid", name="gate")(y)])
    return keras.Model(x, layers.Conv2D(2, 1, name="y")(y))


def test_swish_stays_unless_a_training_is_allowed(tmp_path: Path) -> None:
    model = swishing()
    rewritten, changes = rewrite(model)
    assert_same(model, rewritten)
    assert changes == ["kept: 2 swish activations; ReLU in their place needs a new training"]
    rewritten, changes = rewrite(model, allow_retrain=True)
    with pytest.raises(AssertionError):
        assert_same(model, rewritten, 1e-2)
    assert [c.partition(" ")[0] for c in changes] == ["conv", "hard", "gated"]
    assert all("function changes" in c for c in changes)
    path = convert(rewritten, Contract(), tmp_path / "m.mlpackage")
    assert set(check(path).histogram) == {"conv", "relu"}


def application(name: str) -> tuple[Any, Any]:
    import keras

    keras.utils.set_random_seed(1)
    build = getattr(keras.applications, name)
    model = discriminating(build(weights=None, input_shape=(96, 96, 3), classes=5))
    return model, rewrite(model)[0]


def test_mobilenet_needs_no_reshaping(tmp_path: Path) -> None:
    _, rewritten = application("MobileNetV2")
    histogram = check(convert(rewritten, Contract(), tmp_path / "m.mlpackage")).histogram
    assert histogram == {"add": 10, "conv": 54, "pad": 4, "relu6": 35, "softmax": 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet50", "EfficientNetB0", "DenseNet121", "Xception"])
def test_applications_need_no_reshaping(name: str, tmp_path: Path) -> None:
    model, rewritten = application(name)
    feed = draw(model, 2)
    one, other = (np.asarray(*apply(m, feed).values()).reshape(2, -1) for m in (model, rewritten))
    np.testing.assert_allclose(one, other, atol=1e-5)
    histogram = check(convert(rewritten, Contract(), tmp_path / "m.mlpackage")).histogram
    assert UNWANTED & set(histogram) == set()
