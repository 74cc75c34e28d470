from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.ane.check import check
from eyecli.coreml import parity
from eyecli.coreml.contract import scaled
from eyecli.coreml.convert import Contract, Form, Input, Output, apply, convert, fold
from eyecli.coreml.package import digest, read
from eyecli.errors import EyecliError, UsageError

pytest_plugins = ["coreml_models"]

FP32 = Form(precision="fp32", images=False)


def test_gaze_histogram_is_pinned(gaze_package: Path) -> None:
    report = check(gaze_package)
    assert report.histogram == {"add": 6, "cast": 3, "concat": 1, "conv": 27, "relu": 19}
    assert report.counts == {"eligible": 53, "conditional": 3, "unknown": 0, "ineligible": 0}
    assert {v.op for v in report.verdicts if v.status == "conditional"} == {"cast"}
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
    path = convert(model, contract, tmp_path / "m.mlpackage", FP32)
    random = np.random.default_rng(0)
    samples = {n: random.normal(size=(2, 3, 3, 2)).astype(np.float32) for n in "ab"}
    assert parity.compare(model, path, contract, samples)["y"].max < 1e-5


def test_what_a_layer_takes_is_not_in_the_program(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(5)
    model = two_inputs(padding="same", use_bias=False)
    entry = Input("stem", (2, 3), reverse=True)
    contract = Contract({"a": entry, "b": entry}, {"y": Output(2.0, 1.0)})
    path = convert(model, contract, tmp_path / "m.mlpackage", FP32)
    assert set(check(path).histogram) == {"conv", "concat"}
    samples = {n: np.random.default_rng(0).normal(size=(2, 3, 3, 2)) for n in "ab"}
    feed = {n: scaled(v, entry) for n, v in samples.items()}
    reference = np.asarray(apply(model, feed)["y"]) * 2 + 1
    first = {n: np.moveaxis(v, -1, 1) for n, v in samples.items()}
    np.testing.assert_allclose(parity.run(path, first)["y"][:, 0], reference[..., 0], atol=1e-5)


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
