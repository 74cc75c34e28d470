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


def of_maps() -> dict[str, Any]:
    """Settings of layers that work on one map of (5, 6, 7, 4)."""
    from keras import layers

    return {
        "conv_same_strided": layers.Conv3D(3, 3, 2, padding="same"),
        "conv_even_kernel": layers.Conv3D(3, (2, 4, 3), (1, 2, 3), padding="same"),
        "conv_dilated": layers.Conv3D(3, 2, dilation_rate=2, padding="same"),
        "conv_in_groups": layers.Conv3D(4, 2, groups=2, use_bias=False),
        "conv_activated": layers.Conv3D(3, 2, activation="silu"),
        "max_pool": layers.MaxPooling3D((2, 3, 2), (1, 2, 2)),
        "average_pool_same": layers.AveragePooling3D(3, 2, padding="same"),
        "group_normalisation": layers.GroupNormalization(2, beta_initializer="ones"),
        "layer_normalisation": layers.LayerNormalization(beta_initializer="ones"),
        "batch_normalisation": layers.BatchNormalization(),
        "upsampling": layers.UpSampling3D((1, 2, 3)),
        "cropping": layers.Cropping3D(((1, 0), (0, 2), (1, 1))),
        "zero_padding": layers.ZeroPadding3D(((1, 0), (0, 2), (1, 1))),
        "permute": layers.Permute((4, 1, 3, 2)),
        "reshape": layers.Reshape((15, 7, 8)),
        "flatten": layers.Flatten(),
        "dense_on_voxels": layers.Dense(3, activation="gelu"),
        "global_mean": layers.GlobalAveragePooling3D(keepdims=True),
        "softmax": layers.Softmax(),
        "relu6": layers.ReLU(6.0),
        "leaky_relu": layers.ReLU(negative_slope=0.1),
        "rescaling": layers.Rescaling(0.5, 1.0),
        "normalization": layers.Normalization(mean=[1, 2, 3, 4], variance=[1, 4, 9, 16]),
        "elu": layers.Activation("elu"),
        "hard_sigmoid": layers.Activation("hard_sigmoid"),
    }


def of_several_maps() -> dict[str, Any]:
    import keras

    merges = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
    return {name: getattr(keras.layers, name)() for name in merges}


@pytest.mark.parametrize(("make", "inputs"), [(of_maps, "x"), (of_several_maps, "xy")])
def test_each_layer(make: Callable[[], dict[str, Any]], inputs: str, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(2)
    tensors = [keras.Input((5, 6, 7, 4), name=name) for name in inputs]
    read_by = tensors if len(inputs) > 1 else tensors[0]
    outputs = {name: layer(read_by) for name, layer in make().items()}
    model = discriminating(keras.Model(tensors, outputs))
    path = convert(model, Contract(), tmp_path / "m.mlpackage", FP32)
    found = gaps(model, path, Contract(), draw(model))
    assert found.keys() == outputs.keys()
    assert {name: gap for name, gap in found.items() if not gap < TOLERANCE["fp32"]} == {}


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
