"""Parity of whole networks, made to discriminate first; the large ones by name, they take minutes.

`pytest -m slow -s tests/coreml/test_applications.py` prints the figures.
"""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import NETS, pictures, trained

from eyecli.coreml.convert import Contract, Form, Output, convert
from eyecli.coreml.judgement import CLASSES, refusal
from eyecli.coreml.parity import Agreement, compare
from eyecli.mlprogram import WEIGHT_FILE

SAMPLES = {"efficientnet_lite0": 1000}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETS if name != "small"])
def test_whole_network(name: str, tmp_path: Path) -> None:
    net, model = NETS[name], trained(name)
    samples, _ = pictures(net.shape, SAMPLES.get(name, 200), seed=2)
    for precision in ("fp32", "fp16"):
        path = convert(model, net.contract, tmp_path / precision, Form(precision=precision))
        begin = time.monotonic()
        found = compare(model, path, net.contract, {"x": samples}, precision == "fp16")["y"]
        took = (time.monotonic() - begin) / len(samples)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"\n{name} {precision}: {len(samples)} of {net.shape}, max / logit deviation "
            f"{found.relative:.2e}, top-1 {found.top1:.1%}, logit deviation {found.spread:.2f}, "
            f"commonest class {found.commonest:.0%}, {took * 1000:.0f} ms a sample, "
            f"peak {peak:.1f} GiB"
        )
        assert refusal({"y": found}, precision) is None


@pytest.fixture(scope="module")
def model() -> Any:
    return trained("small")


def gap(model: Any, path: Path, precision: str = "fp16") -> Agreement:
    samples, _ = pictures(NETS["small"].shape, 40, seed=2)
    return compare(model, path, NETS["small"].contract, {"x": samples}, precision == "fp16")["y"]


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_the_small_network_agrees(model: Any, tmp_path: Path, precision: Any) -> None:
    contract = NETS["small"].contract
    path = convert(model, contract, tmp_path / "m.mlpackage", Form(precision=precision))
    found = gap(model, path, precision)
    assert refusal({"y": found}, precision) is None
    assert found.max > 0 and found.top1 == 1.0


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_a_classifier_that_names_its_class_is_compared_on_logits(
    model: Any, tmp_path: Path, precision: Any
) -> None:
    form = Form(precision=precision, labels=True)
    found = gap(model, convert(model, NETS["small"].contract, tmp_path / "m", form), precision)
    assert refusal({"y": found}, precision) is None
    assert found.unit == "logits" and found.top1 == 1.0


def flip(model: Any) -> Any:
    """A channel-swapped stem: the program would read BGR."""
    kernel = model.get_layer("conv0").get_weights()[0]
    model.get_layer("conv0").set_weights([kernel[:, :, ::-1]])
    return model


def transpose(model: Any) -> Any:
    """A square part of the dense kernel the other way round."""
    kernel, bias = model.get_layer("hidden").get_weights()
    kernel[:16] = kernel[:16].T
    model.get_layer("hidden").set_weights([kernel, bias])
    return model


def epsilon(model: Any) -> Any:
    """Batch normalisations with an epsilon of 0.1 for 0.001; 0.01 is five tolerances of float16."""
    for i in range(3):
        model.get_layer(f"norm{i}").epsilon *= 100
    return model


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("plant", [flip, transpose, epsilon])
def test_a_planted_fault_exceeds_the_tolerance_ten_times(
    model: Any, tmp_path: Path, plant: Callable[[Any], Any], precision: Any
) -> None:
    import keras

    wrong = keras.models.clone_model(model)
    wrong.set_weights(model.get_weights())
    contract = NETS["small"].contract
    path = convert(plant(wrong), contract, tmp_path / "m.mlpackage", Form(precision=precision))
    found = gap(model, path, precision)
    print(plant.__name__, precision, found.relative)
    assert found.relative > 10 * CLASSES[precision]
    assert "differ on output y" in (refusal({"y": found}, precision) or "")


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_a_dropped_normalisation_exceeds_the_tolerance_ten_times(
    model: Any, tmp_path: Path, precision: Any
) -> None:
    contract = Contract({}, {"y": Output(classes=NETS["small"].contract.outputs["y"].classes)})
    path = convert(model, contract, tmp_path / "m.mlpackage", Form(precision=precision))
    assert gap(model, path, precision).relative > 10 * CLASSES[precision]


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_a_changed_weight_exceeds_the_tolerance_ten_times(
    model: Any, tmp_path: Path, precision: Any
) -> None:
    """The sign of the largest weight that weight.bin holds first."""
    contract = NETS["small"].contract
    path = convert(model, contract, tmp_path / "m.mlpackage", Form(precision=precision))
    copy = shutil.copytree(path, tmp_path / "changed.mlpackage")
    kind = np.float16 if precision == "fp16" else np.float32
    file = copy / "Data" / WEIGHT_FILE
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[72:80], "little")
    weights = np.frombuffer(content, kind, size // np.dtype(kind).itemsize, offset=128)
    worst = int(np.abs(weights).argmax())
    content[128 + (worst + 1) * np.dtype(kind).itemsize - 1] ^= 0x80
    file.write_bytes(content)
    assert gap(model, copy, precision).relative > 10 * CLASSES[precision]
