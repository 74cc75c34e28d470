from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conversions import FP16, FP32, TOLERANCE, converted_gap, draw, gaps

from eyecli.ane.check import check
from eyecli.coreml.convert import Contract, Form, Input, Output, convert, fold
from eyecli.coreml.package import digest, read
from eyecli.errors import EyecliError, UsageError

pytest_plugins = ["coreml_models"]


def test_gaze_histogram_is_pinned(gaze_package: Path) -> None:
    report = check(gaze_package)
    assert report.histogram == {"add": 6, "cast": 3, "concat": 1, "conv": 27, "relu": 19}
    assert report.counts == {"eligible": 56, "conditional": 0, "unknown": 0, "ineligible": 0}
    assert report.segments == 1


def test_gaze_interface(gaze_package: Path) -> None:
    spec = read(gaze_package)
    inputs = {f.name: f.type for f in spec.description.input}
    outputs = {f.name: list(f.type.multiArrayType.shape) for f in spec.description.output}
    assert spec.specificationVersion == 7
    assert set(inputs) == {"left", "right", "face", "boxes"}
    for name in ("left", "right", "face"):
        image = inputs[name].imageType
        assert (image.width, image.height) == (64, 64)
        assert image.colorSpace == image.ColorSpace.Value("RGB")
    assert list(inputs["boxes"].multiArrayType.shape) == [1, 12, 1, 1]
    assert outputs["gaze"] == [1, 2, 1, 1]
    assert outputs["embedding"][::2] == [1, 1]
    halves = [f.type.multiArrayType for f in spec.description.output]
    halves.append(inputs["boxes"].multiArrayType)
    assert {h.dataType for h in halves} == {halves[0].ArrayDataType.Value("FLOAT16")}
    meta = spec.description.metadata
    assert meta.shortDescription == "Gaze on the screen."
    assert meta.userDefined["org.eyecli.unit"] == "cm"
    assert "com.github.apple.coremltools.conversion_date" not in meta.userDefined


def test_gaze_is_small(gaze_model: Any, gaze_package: Path) -> None:
    assert gaze_model.count_params() < 1_000_000
    assert sum(f.stat().st_size for f in gaze_package.rglob("*") if f.is_file()) < 2_000_000


def test_same_bytes_twice_and_nothing_printed(
    small_model: Any,
    small_contract: Contract,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = [w.copy() for w in small_model.get_weights()]
    one = convert(small_model, small_contract, tmp_path / "one.mlpackage")
    two = convert(small_model, small_contract, tmp_path / "two.mlpackage")
    assert digest(one) == digest(two)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Running MIL" not in captured.err
    for old, new in zip(before, small_model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_tensor_inputs_need_no_cast(small_model: Any, tmp_path: Path) -> None:
    contract = Contract({"pixels": Input("stem", 0.1, image=False)})
    report = check(convert(small_model, contract, tmp_path / "m.mlpackage", Form("iOS17")))
    assert report.eligible == 1.0
    assert "cast" not in report.histogram
    assert "transpose" not in report.histogram


def test_mid_grey_gives_the_trained_bias(small_model: Any, small_contract: Contract) -> None:
    """The kernel is rounded to float16; what the network sees as zero must not move."""
    entry = small_contract.inputs["pixels"]
    zero = -np.asarray(entry.offset) / np.asarray(entry.scale)
    folded = fold(small_model, small_contract)[0].get_layer("stem")
    out = np.asarray(folded(np.broadcast_to(zero, (1, 3, 3, 3)).astype(np.float32)))
    bias = np.asarray(small_model.get_layer("stem").bias)
    np.testing.assert_allclose(out[0, 0, 0], bias, atol=2e-6)
    assert np.abs(bias).max() > 0.01
    kernel = np.asarray(folded.kernel)
    np.testing.assert_array_equal(kernel, kernel.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("contract", "kind", "words"),
    [
        (Contract({"image": Input("stem")}), UsageError, "no input image"),
        (Contract({}, {"gaze": Output()}), UsageError, "no output gaze"),
        (Contract({"pixels": Input("stam")}), EyecliError, "no layer stam"),
        (Contract({"pixels": Input("re_lu")}), EyecliError, "re_lu, a ReLU"),
        (Contract({"pixels": Input("stem", 0.0)}), EyecliError, "scale is zero"),
    ],
)
def test_contracts_that_do_not_fit(
    small_model: Any, tmp_path: Path, contract: Contract, kind: type[EyecliError], words: str
) -> None:
    import keras

    renamed = keras.models.clone_model(small_model)
    renamed.layers[2].name = "re_lu"
    with pytest.raises(kind, match=words):
        convert(renamed, contract, tmp_path / "m.mlpackage")
    assert not (tmp_path / "m.mlpackage").exists()


def two_inputs(padding: str = "valid", activation: str = "linear", **options: Any) -> Any:
    import keras
    from keras import layers

    stem = layers.Conv2D(4, 3, padding=padding, name="stem", **options)
    tensors = [keras.Input((3, 3, 2), name=n) for n in "ab"]
    x = layers.Concatenate()([stem(t) for t in tensors])
    return keras.Model(tensors, layers.Conv2D(1, 1, activation=activation, name="y")(x))


@pytest.mark.parametrize(
    ("options", "contract"),
    [
        ({}, Contract({"a": Input(None, 2, (3, 4))})),
        ({"padding": "same"}, Contract({"a": Input("stem", 1, 1), "b": Input("stem", 1, 1)})),
        ({"use_bias": False}, Contract({"a": Input("stem", 1, 1), "b": Input("stem", 1, 1)})),
        ({"groups": 2}, Contract({"a": Input("stem", 3), "b": Input("stem", 3)})),
        ({}, Contract({"a": Input("stem", 2), "b": Input("stem", 3)})),
        ({"activation": "relu"}, Contract({}, {"y": Output(2.0)})),
    ],
)
def test_what_no_layer_takes_exactly_is_in_the_program(
    options: dict[str, Any], contract: Contract, tmp_path: Path
) -> None:
    import keras

    keras.utils.set_random_seed(5)
    model = two_inputs(**options)
    rest = fold(model, contract)[1]
    assert (rest.inputs, rest.outputs) == (contract.inputs, contract.outputs)
    gap = converted_gap(model, tmp_path / "m.mlpackage", contract)
    assert gap < TOLERANCE["fp32"]


def test_what_a_layer_takes_is_not_in_the_program(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(5)
    model = two_inputs(padding="same", use_bias=False)
    entry = Input("stem", (2, 3), reverse=True)
    contract = Contract({"a": entry, "b": entry}, {"y": Output(2.0, 1.0)})
    path = convert(model, contract, tmp_path / "m.mlpackage", FP32)
    assert check(path).histogram == {"concat": 1, "conv": 3}
    assert max(gaps(model, path, contract, draw(model)).values()) < TOLERANCE["fp32"]


def test_padding_before_the_stem_keeps_the_offset_out_of_it() -> None:
    """As in keras.applications' ResNet50: folded, the frame would be grey instead of black."""
    import keras
    from keras import layers

    x = keras.Input((4, 4, 1), name="x")
    y = layers.Conv2D(1, 3, name="stem")(layers.ZeroPadding2D(1)(x))
    contract = Contract({"x": Input("stem", 2.0, 1.0)})
    assert fold(keras.Model(x, y), contract)[1].inputs == contract.inputs


def test_an_output_that_others_read_keeps_its_unit(gaze_model: Any) -> None:
    contract = Contract({}, {"embedding": Output(2.0)})
    assert fold(gaze_model, contract)[1].outputs == contract.outputs


@pytest.mark.parametrize("target", ["iOS15", "iOS99"])
def test_unknown_deployment_target(small_model: Any, tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError, match=target):
        convert(small_model, Contract(), tmp_path / "m.mlpackage", Form(target))


def test_what_coremltools_refuses_is_one_line(tmp_path: Path) -> None:
    import keras

    x = keras.Input((4, 4, 4), name="x")
    model = keras.Model(x, keras.ops.fft2((x, x))[0])
    with pytest.raises(EyecliError, match="cannot convert") as caught:
        convert(model, Contract(), tmp_path / "m.mlpackage")
    assert "\n" not in caught.value.message


def kinds() -> dict[str, Callable[[], Any]]:
    """Models of every kind that later tasks bring."""
    import keras
    from keras import layers

    def steps(*middle: Any, length: int = 12) -> Any:
        x = y = keras.Input((length, 4), name="steps")
        for layer in middle:
            y = layer(y)
        return keras.Model(x, layers.Dense(3, name="y")(y))

    def picture(*middle: Any) -> Any:
        x = y = keras.Input((11, 13, 4), name="x")
        for layer in middle:
            y = layer(y)
        y = layers.Flatten()(y)
        outputs = [layers.Dense(2, "softmax", name="p")(y), layers.Dense(1, "sigmoid", name="q")(y)]
        return keras.Model([x], outputs)

    def sequential() -> Any:
        inner = keras.Sequential([keras.Input((5,)), layers.Dense(4, "relu")])
        return keras.Sequential([keras.Input((5,), name="x"), inner, layers.Dense(2, name="y")])

    return {
        "conv1d": lambda: steps(
            layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2),
            layers.SeparableConv1D(6, 3),
            layers.Conv1D(6, 2, groups=3),
            layers.GlobalAveragePooling1D(),
        ),
        "lstm": lambda: steps(layers.LSTM(5)),
        "stacked lstm": lambda: steps(
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.LSTM(4, go_backwards=True, use_bias=False),
        ),
        "lstm of other gates": lambda: steps(layers.LSTM(5, activation="relu"), length=6),
        "gru": lambda: steps(layers.Bidirectional(layers.GRU(3)), length=5),
        "grouped": lambda: picture(
            layers.Conv2D(8, 3, groups=2, padding="same"), layers.DepthwiseConv2D(3, 2)
        ),
        "list, softmax and sigmoid": lambda: picture(layers.AveragePooling2D(3, 2, "same")),
        "sequential": sequential,
    }


@pytest.mark.parametrize("kind", [
    "conv1d", "lstm", "stacked lstm", "lstm of other gates", "gru", "grouped",
    "list, softmax and sigmoid", "sequential",
])  # fmt: skip
def test_every_kind_of_model(kind: str, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(6)
    assert converted_gap(kinds()[kind](), tmp_path / "m.mlpackage") < TOLERANCE["fp32"]


@pytest.mark.parametrize("kind", ["conv1d", "stacked lstm", "grouped"])
def test_kinds_of_models_in_half_precision(kind: str, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(6)
    gap = converted_gap(kinds()[kind](), tmp_path / "m.mlpackage", form=FP16)
    assert gap < TOLERANCE["fp16"]


def test_an_lstm_is_one_operation(tmp_path: Path) -> None:
    histogram = check(convert(kinds()["lstm"](), Contract(), tmp_path / "m.mlpackage")).histogram
    assert histogram["lstm"] == 1
    assert sum(histogram.values()) < 10


@pytest.mark.parametrize("fault", ["gates", "bias"])
def test_wrong_recurrent_weights_are_seen(fault: str, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(6)
    model, faulty = (kinds()["lstm"]() for _ in range(2))
    kernel, recurrent, bias, *head = model.get_weights()
    i, f, c, o = np.split(kernel, 4, axis=1)
    kernel = np.concatenate([i, f, o, c], 1) if fault == "gates" else kernel
    faulty.set_weights([kernel, recurrent, bias * 0 if fault == "bias" else bias, *head])
    gap = converted_gap(faulty, tmp_path / "m.mlpackage", reference=model)
    assert gap > 10 * TOLERANCE["fp16"]


def test_softmax_on_channels_needs_no_transpose(tmp_path: Path) -> None:
    import keras

    x = keras.Input((5, 6, 3), name="x")
    model = keras.Model(x, keras.layers.Conv2D(4, 1, activation="softmax", name="map")(x))
    path = tmp_path / "m.mlpackage"
    assert converted_gap(model, path) < TOLERANCE["fp32"]
    assert check(path).histogram == {"conv": 1, "softmax": 1}


def classifier() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    x = keras.Input((6, 6, 3), name="pixels")
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x))
    embedding = layers.Dense(5, name="embedding")(y)
    return keras.Model(x, [embedding, layers.Dense(3, "softmax", name="grade")(embedding)])


GRADES = Contract({"pixels": Input(None, 1 / 255)}, {"grade": Output(classes=("0", "1-2", "ä"))})


def test_names_of_classes_are_metadata(tmp_path: Path) -> None:
    spec = read(convert(classifier(), GRADES, tmp_path / "m.mlpackage"))
    assert json.loads(spec.description.metadata.userDefined["classes"]) == ["0", "1-2", "ä"]
    assert [f.name for f in spec.description.output] == ["embedding", "grade"]


def test_several_outputs_with_classes_are_told_apart(tmp_path: Path) -> None:
    classes = Output(classes=tuple("abcde"))
    contract = replace(GRADES, outputs={**GRADES.outputs, "embedding": classes})
    found = read(convert(classifier(), contract, tmp_path / "m.mlpackage")).description.metadata
    assert json.loads(found.userDefined["classes.embedding"]) == list("abcde")
    with pytest.raises(UsageError, match="one output with names of classes, here are 2"):
        convert(classifier(), contract, tmp_path / "n.mlpackage", Form(labels=True))


def test_a_classifier_names_the_class_itself(tmp_path: Path) -> None:
    path = convert(classifier(), GRADES, tmp_path / "m.mlpackage", Form(labels=True))
    description = read(path).description
    assert description.predictedFeatureName == "classLabel"
    assert {f.name for f in description.output} == {"classLabel", "classLabel_probs", "embedding"}
    assert check(path).histogram["classify"] == 1
    with pytest.raises(UsageError, match="here are 0"):
        convert(classifier(), Contract(), tmp_path / "n.mlpackage", Form(labels=True))


def kind_of(path: Path, name: str) -> Any:
    description = read(path).description
    return next(f.type for f in [*description.input, *description.output] if f.name == name)


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_precision_and_kind_of_inputs(precision: Any, tmp_path: Path) -> None:
    pictures = convert(classifier(), GRADES, tmp_path / "a.mlpackage", Form(precision=precision))
    form = Form(precision=precision, images=False)
    tensors = convert(classifier(), GRADES, tmp_path / "b.mlpackage", form)
    assert kind_of(pictures, "pixels").WhichOneof("Type") == "imageType"
    wide = "FLOAT32" if precision == "fp32" else "FLOAT16"
    for name in ("pixels", "grade", "embedding"):
        array = kind_of(tensors, name).multiArrayType
        assert array.dataType == array.ArrayDataType.Value(wide)
    weights = [sum(f.stat().st_size for f in p.rglob("weight.bin")) for p in (pictures, tensors)]
    assert weights[0] == weights[1] > 0


def test_fp32_does_not_round_the_folded_kernel(small_model: Any, small_contract: Contract) -> None:
    kernel = np.asarray(fold(small_model, small_contract, half=False)[0].get_layer("stem").kernel)
    wanted = np.asarray(small_model.get_layer("stem").kernel) / np.array([50, 60, 70])[:, None]
    np.testing.assert_allclose(kernel, wanted, rtol=1e-6)
    assert (kernel != kernel.astype(np.float16)).any()


def test_grey_pictures_and_whole_numbers(tmp_path: Path) -> None:
    import keras
    from keras import layers

    picture = keras.Input((5, 5, 1), name="picture")
    number = keras.Input((1,), dtype="int32", name="number")
    y = layers.Concatenate()(
        [layers.Flatten()(picture), layers.Flatten()(layers.Embedding(4, 3)(number))]
    )
    model = keras.Model([picture, number], layers.Dense(2, name="y")(y))
    path = convert(model, Contract({"picture": Input()}), tmp_path / "m.mlpackage")
    grey = kind_of(path, "picture").imageType
    assert grey.colorSpace == grey.ColorSpace.Value("GRAYSCALE")
    array = kind_of(path, "number").multiArrayType
    assert array.dataType == array.ArrayDataType.Value("INT32")
    assert converted_gap(model, tmp_path / "n.mlpackage") < TOLERANCE["fp32"]


def test_inputs_keep_the_names_of_their_layers(tmp_path: Path) -> None:
    """Keras's own clones are named after the tensors, which have other names by default."""
    import keras

    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2)(x))
    path = convert(model, Contract(), tmp_path / "m.mlpackage")
    found = [f.name for f in read(path).description.input]
    assert found == [x._keras_history.operation.name] != [x.name]


def test_models_without_a_graph_are_refused(tmp_path: Path) -> None:
    import keras

    class Own(keras.Model):
        pass

    for model, words in (
        (keras.Sequential([keras.layers.Dense(2)]), "no input shape"),
        (Own(), "no graph of layers"),
    ):
        with pytest.raises(EyecliError, match=words):
            convert(model, Contract(), tmp_path / "m.mlpackage")
    x = keras.Input((None, 4), name="x")
    with pytest.raises(EyecliError, match="input x has no fixed shape"):
        model = keras.Model(x, keras.layers.LSTM(2)(x))
        convert(model, Contract(), tmp_path / "m.mlpackage")
