from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conversions import FP16, FP32, TOLERANCE, converted_gap, draw, gaps
from coreml_models import discriminating
from hypothesis import given
from hypothesis import strategies as st

from eyecli.ane.check import check
from eyecli.coreml.contract import Contract, Form, Input, Output
from eyecli.coreml.convert import convert
from eyecli.coreml.emitters import same_padding
from eyecli.coreml.package import digest, read
from eyecli.errors import EyecliError

axis = st.tuples(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(1, 3))


@given(st.lists(axis, min_size=1, max_size=3))
def test_same_padding_is_the_least_that_gives_every_window(axes: list[tuple[int, ...]]) -> None:
    sizes, kernel, strides, dilations = (list(column) for column in zip(*axes, strict=True))
    pads = same_padding(sizes, kernel, strides, dilations)
    for i, (n, k, s, d) in enumerate(axes):
        before, after = pads[2 * i : 2 * i + 2]
        reach, windows = (k - 1) * d + 1, -(-n // s)
        assert after - before in (0, 1)  # the odd pixel comes after
        assert (windows - 1) * s + reach <= n + before + after  # every window fits
        if before + after:
            assert (windows - 1) * s + reach == n + before + after  # and none to spare


def block(x: Any, channels: int, stride: int, dilation: int) -> Any:
    """A residual block of 3-D ResNets whose shortcut is pooled and filled up with zeros."""
    import keras
    from keras import layers

    y = layers.Conv3D(channels, 3, stride, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.Conv3D(channels, 3, padding="same", dilation_rate=dilation, use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    x = layers.AveragePooling3D(1, stride)(x)
    x = keras.ops.pad(x, [(0, 0)] * 4 + [(0, channels - x.shape[-1])])
    return layers.ReLU()(layers.Add()([x, y]))


@pytest.fixture(scope="module")
def resnet() -> Any:
    """Volume, a number and a category to a regression and classes, with a nested model."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    volume = keras.Input((9, 12, 14, 1), name="volume")
    animal, pressure = keras.Input((), dtype="int32", name="animal"), keras.Input((1,), name="iop")
    x = layers.Conv3D(4, 3, 2, name="stem")(layers.ZeroPadding3D(1)(volume))
    x = layers.MaxPooling3D(3, 2, padding="same")(x)
    x = block(block(x, 6, 2, 1), 8, 1, 2)
    inner = keras.Input(x.shape[1:], name="inner")
    head = keras.Model(inner, layers.LeakyReLU()(layers.Conv3D(4, 1)(inner)), name="nested")
    x = head(x)
    parts = [layers.GlobalAveragePooling3D()(x), layers.GlobalMaxPooling3D()(x)]
    parts += [layers.Dense(3, activation="tanh")(layers.Flatten()(x))]
    parts += [layers.Embedding(4, 3)(animal), layers.Dense(2)(pressure)]
    x = layers.Dropout(0.5)(layers.Concatenate()(parts))
    outputs = {
        "icp": layers.Dense(1, name="icp")(x),
        "stage": layers.Dense(3, activation="softmax", name="stage")(x),
    }
    inputs = {"volume": volume, "animal": animal, "iop": pressure}
    return discriminating(keras.Model(inputs, outputs, name="resnet"))


CONTRACT = Contract(
    {"volume": Input("stem", 0.5, -0.1)},
    {"icp": Output(3.0, 15.0, "mmHg"), "stage": Output(classes=("a", "b", "c"))},
)


@pytest.mark.parametrize("form", [FP32, FP16])
def test_a_residual_net_of_volumes(resnet: Any, tmp_path: Path, form: Form) -> None:
    gap = converted_gap(resnet, tmp_path / "m.mlpackage", CONTRACT, form)
    assert gap < TOLERANCE[form.precision]


def test_the_program_of_volumes(resnet: Any, tmp_path: Path) -> None:
    one = convert(resnet, CONTRACT, tmp_path / "one.mlpackage")
    two = convert(resnet, CONTRACT, tmp_path / "two.mlpackage")
    assert digest(one) == digest(two)
    histogram = check(one).histogram
    assert {"batch_norm", "cast", "identity"} & set(histogram) == set()
    assert histogram["conv"] == 6
    spec = read(one)
    shapes = {
        f.name: list(f.type.multiArrayType.shape)
        for f in [*spec.description.input, *spec.description.output]
    }
    assert shapes == {
        "volume": [1, 1, 9, 12, 14], "animal": [1], "iop": [1, 1], "icp": [1, 1], "stage": [1, 3],
    }  # fmt: skip


def test_a_classifier_of_volumes(resnet: Any, tmp_path: Path) -> None:
    path = convert(resnet, CONTRACT, tmp_path / "m.mlpackage", Form(labels=True))
    assert check(path).histogram["classify"] == 1


def map_layers() -> dict[str, Callable[[], Any]]:
    from keras import layers

    return {
        "conv same strided": lambda: layers.Conv3D(3, 3, 2, padding="same"),
        "conv even kernel": lambda: layers.Conv3D(3, (2, 4, 3), (1, 2, 3), padding="same"),
        "conv dilated": lambda: layers.Conv3D(3, 2, dilation_rate=2, padding="same"),
        "conv in groups": lambda: layers.Conv3D(4, 2, groups=2, use_bias=False),
        "conv activated": lambda: layers.Conv3D(3, 2, activation="silu"),
        "max pool": lambda: layers.MaxPooling3D((2, 3, 2), (1, 2, 2)),
        "average pool same": lambda: layers.AveragePooling3D(3, 2, padding="same"),
        "group normalisation": lambda: layers.GroupNormalization(2, beta_initializer="ones"),
        "layer normalisation": lambda: layers.LayerNormalization(gamma_initializer="he_normal"),
        "batch normalisation": lambda: layers.BatchNormalization(),
        "upsampling": lambda: layers.UpSampling3D((1, 2, 3)),
        "cropping": lambda: layers.Cropping3D(((1, 0), (0, 2), (1, 1))),
        "zero padding": lambda: layers.ZeroPadding3D(((1, 0), (0, 2), (1, 1))),
        "permute": lambda: layers.Permute((4, 1, 3, 2)),
        "reshape": lambda: layers.Reshape((15, 7, 8)),
        "flatten": lambda: layers.Flatten(),
        "dense on voxels": lambda: layers.Dense(3, activation="gelu"),
        "global mean": lambda: layers.GlobalAveragePooling3D(keepdims=True),
        "softmax": lambda: layers.Softmax(),
        "relu6": lambda: layers.ReLU(6.0),
        "leaky relu": lambda: layers.ReLU(negative_slope=0.1),
        "rescaling": lambda: layers.Rescaling(0.5, 1.0),
        "normalization": lambda: layers.Normalization(mean=[1, 2, 3, 4], variance=[1, 4, 9, 16]),
        "elu": lambda: layers.Activation("elu"),
        "hard sigmoid": lambda: layers.Activation("hard_sigmoid"),
    }


NAMES = (
    "conv same strided", "conv even kernel", "conv dilated", "conv in groups", "conv activated",
    "max pool", "average pool same", "group normalisation", "layer normalisation",
    "batch normalisation", "upsampling", "cropping", "zero padding", "permute", "reshape",
    "flatten", "dense on voxels", "global mean", "softmax", "relu6", "leaky relu", "rescaling",
    "normalization", "elu", "hard sigmoid",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_each_layer(name: str, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(2)
    x = keras.Input((5, 6, 7, 4), name="x")
    model = discriminating(keras.Model(x, map_layers()[name]()(x)))
    assert converted_gap(model, tmp_path / "m.mlpackage") < TOLERANCE["fp32"]


def test_every_layer_of_the_table_was_tried() -> None:
    assert set(NAMES) == set(map_layers())


@pytest.mark.parametrize(
    "name", ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"]
)
def test_each_merge(name: str, tmp_path: Path) -> None:
    import keras

    tensors = [keras.Input((2, 3, 4, 2), name=n) for n in "abc"]
    merged = tensors[:2] if name == "Subtract" else tensors
    model = keras.Model(merged, getattr(keras.layers, name)()(merged))
    assert converted_gap(model, tmp_path / "m.mlpackage") < TOLERANCE["fp32"]


def test_channels_in_reverse(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(2)
    x = keras.Input((3, 3, 3, 2), name="x")
    model = keras.Model(x, keras.layers.Conv3D(2, 2, padding="same", name="stem")(x))
    for i, stem in enumerate((None, "stem")):  # an offset does not go through the padding
        contract = Contract({"x": Input(stem, (2.0, 3.0), (0.5, -1.0), reverse=True)})
        gap = converted_gap(model, tmp_path / f"{i}.mlpackage", contract)
        assert gap < TOLERANCE["fp32"]


def refused() -> dict[str, Callable[[Any], Any]]:
    import keras
    from keras import layers

    return {
        r"Conv3DTranspose\): it is not known": layers.Conv3DTranspose(2, 2, name="up"),
        "constant 2": lambda x: x * 2.0,
        "channels come first": layers.GlobalMaxPooling3D(data_format="channels_first"),
        "activation is selu": layers.Activation("selu"),
        "threshold": layers.ReLU(threshold=0.5),
        r"along the axes \[2\]": layers.BatchNormalization(axis=2),
        "mode is reflect": lambda x: keras.ops.pad(x, [(0, 0)] * 3 + [(1, 1), (0, 0)], "reflect"),
    }


@pytest.mark.parametrize("index", range(7))
def test_what_is_not_known_is_named_in_one_line(index: int, tmp_path: Path) -> None:
    import keras

    words, layer = list(refused().items())[index]
    x = keras.Input((3, 3, 3, 2), name="x")
    with pytest.raises(EyecliError, match=words) as caught:
        convert(keras.Model(x, layer(x)), Contract(), tmp_path / "m.mlpackage")
    assert "\n" not in caught.value.message
    assert not (tmp_path / "m.mlpackage").exists()


@pytest.mark.parametrize("fault", ["dense kernel", "epsilon", "normalisation"])
def test_planted_faults_are_seen(fault: str, tmp_path: Path) -> None:
    """Each lies ten times beyond the tolerance of float16, so of float32 too."""
    import keras
    from keras import layers

    def build(epsilon: float) -> Any:
        keras.utils.set_random_seed(3)
        x = keras.Input((3, 4, 5, 2), name="x")
        y = layers.Conv3D(6, 2, use_bias=False)(x)
        y = layers.BatchNormalization(epsilon=epsilon)(y)
        y = layers.Dense(6, name="dense")(layers.GlobalAveragePooling3D()(layers.ReLU()(y)))
        return discriminating(keras.Model(x, y))

    model, faulty = build(1e-3), build(0.5 if fault == "epsilon" else 1e-3)
    contract = Contract({"x": Input(None, 0.5, 1.0)})
    if fault == "dense kernel":
        kernel, bias = faulty.get_layer("dense").get_weights()
        faulty.get_layer("dense").set_weights([kernel.T, bias])
    kept = Contract() if fault == "normalisation" else contract
    path = convert(faulty, kept, tmp_path / "m.mlpackage", FP32)
    assert max(gaps(model, path, contract, draw(model)).values()) > 10 * TOLERANCE["fp16"]
    right = convert(model, contract, tmp_path / "right.mlpackage", FP32)
    assert max(gaps(model, right, contract, draw(model)).values()) < TOLERANCE["fp32"]
