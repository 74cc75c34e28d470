from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.coreml import parity
from eyecli.coreml.convert import Contract, Output, convert
from eyecli.coreml.heads.emulation import apply_head_fp16
from eyecli.coreml.heads.forms import Head
from eyecli.coreml.heads.template import write_head
from eyecli.coreml.interpreter import run
from eyecli.coreml.judgement import CLASS_LOGITS, LOGITS, refusal
from eyecli.errors import DataError
from eyecli.mlprogram import WEIGHT_FILE

pytest_plugins = ["coreml_models"]

BAR = 0.02  # in the output's unit; the gaze fixture spreads over centimetres


@pytest.mark.parametrize("half", [False, True])
def test_gaze_agrees(
    gaze_model: Any,
    gaze_package: Path,
    gaze_contract: Contract,
    gaze_samples: dict[str, np.ndarray],
    half: bool,
) -> None:
    result = parity.compare(gaze_model, gaze_package, gaze_contract, gaze_samples, half)
    assert set(result) == {"gaze", "embedding"}
    assert all(0 < d.mean <= d.max < BAR for d in result.values())
    pixels = {k: np.moveaxis(v, -1, 1) for k, v in gaze_samples.items()}
    assert run(gaze_package, pixels)["gaze"].std(axis=0).min() > 20 * BAR


@pytest.fixture(scope="session")
def small_package(
    small_model: Any, small_contract: Contract, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return convert(small_model, small_contract, tmp_path_factory.mktemp("small") / "m.mlpackage")


@pytest.fixture(scope="session")
def small_samples() -> dict[str, np.ndarray]:
    pixels = np.random.default_rng(4).integers(0, 256, (6, 15, 12, 3), dtype=np.uint8)
    return {"pixels": pixels}


def gap(model: Any, path: Path, contract: Contract, samples: dict[str, np.ndarray]) -> float:
    return parity.compare(model, path, contract, samples)["point"].max


def test_small_net_agrees(
    small_model: Any,
    small_package: Path,
    small_contract: Contract,
    small_samples: dict[str, np.ndarray],
) -> None:
    assert gap(small_model, small_package, small_contract, small_samples) < BAR


def test_a_changed_weight_is_caught(
    small_model: Any,
    small_package: Path,
    small_contract: Contract,
    small_samples: dict[str, np.ndarray],
    tmp_path: Path,
) -> None:
    shutil.copytree(small_package, tmp_path / "m.mlpackage")
    file = tmp_path / "m.mlpackage" / "Data" / WEIGHT_FILE
    content = bytearray(file.read_bytes())
    content[128 + 41] ^= 0x80  # the sign of one weight of the stem
    file.write_bytes(content)
    assert gap(small_model, tmp_path / "m.mlpackage", small_contract, small_samples) > 5 * BAR


def test_swapped_channels_are_caught(
    small_model: Any, small_contract: Contract, small_samples: dict[str, np.ndarray], tmp_path: Path
) -> None:
    import keras

    swapped = keras.models.clone_model(small_model)
    swapped.set_weights(small_model.get_weights())
    kernel, bias = swapped.get_layer("stem").get_weights()
    swapped.get_layer("stem").set_weights([kernel[:, :, ::-1], bias])
    path = convert(swapped, small_contract, tmp_path / "m.mlpackage")
    assert gap(small_model, path, small_contract, small_samples) > 10 * BAR


@pytest.mark.parametrize("dropped", ["inputs", "outputs"])
def test_a_dropped_normalisation_is_caught(
    small_model: Any,
    small_contract: Contract,
    small_samples: dict[str, np.ndarray],
    tmp_path: Path,
    dropped: str,
) -> None:
    kept = {
        "inputs": Contract({}, small_contract.outputs),
        "outputs": Contract(small_contract.inputs),
    }
    path = convert(small_model, kept[dropped], tmp_path / "m.mlpackage")
    assert gap(small_model, path, small_contract, small_samples) > 10 * BAR


def test_bad_samples(small_package: Path, small_samples: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match="needs the input pixels"):
        run(small_package, {"picture": small_samples["pixels"]})
    with pytest.raises(DataError, match=r"input pixels is \(15, 12, 3\)"):
        run(small_package, small_samples)
    with pytest.raises(DataError, match="no function user"):
        run(small_package, {}, function="user")


def test_inputs_of_different_length(tmp_path: Path) -> None:
    path = write_head(tmp_path / "head.mlpackage", Head("affine", np.ones((2, 4)), np.zeros(2)))
    with pytest.raises(DataError, match="different length"):
        run(path, {"gaze": np.ones((2, 2, 1, 1)), "embedding": np.ones((3, 2, 1, 1))})


def test_head_runs_as_emulated(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    weight, bias = random.normal(0, 100, (2, 18)), random.normal(0, 500, 2)
    gaze, embedding = random.normal(size=(7, 2)), random.normal(size=(7, 16))
    path = write_head(tmp_path / "head.mlpackage", Head("affine", weight, bias))
    samples = {"gaze": gaze[:, :, None, None], "embedding": embedding[:, :, None, None]}
    out = run(path, samples, half=True)["gaze_calibrated"][:, :, 0, 0]
    emulated = apply_head_fp16(Head("affine", weight, bias), gaze, embedding)
    np.testing.assert_allclose(out, emulated, rtol=2**-10)  # the order of the sums is free
    np.testing.assert_allclose(out, np.c_[gaze, embedding] @ weight.T + bias, atol=2)


def test_no_tensorflow_is_loaded_to_execute(tmp_path: Path) -> None:
    path = write_head(tmp_path / "head.mlpackage", Head("affine", np.ones((2, 5)), np.zeros(2)))
    code = (
        "import sys, numpy as np; from pathlib import Path;"
        "from eyecli.coreml.interpreter import run;"
        "s = {'gaze': np.ones((1, 2, 1, 1)), 'embedding': np.ones((1, 3, 1, 1))};"
        f"out = run(Path({str(path)!r}), s)['gaze_calibrated'];"
        "print(out.ravel(), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[5. 5.] False\n"


def test_logits_of_boundaries_are_judged_by_their_spread() -> None:
    drawn = 4 * np.random.default_rng(0).normal(size=(50, 3))
    # None so near to zero that a small shift changes its sign.
    expected = drawn + np.sign(drawn)
    entry = Output(unit=LOGITS)
    found = parity.agreement("grade", expected, expected + 0.05, entry)
    assert (found.unit, found.scale) == (LOGITS, pytest.approx(expected.std(axis=0).mean()))
    assert found.max == pytest.approx(0.05) and refusal({"grade": found}, "fp16") is None
    # Each sample reaches one boundary more, or one less.
    nearest = np.abs(expected).argmin(axis=1)[:, None] == np.arange(3)
    found = parity.agreement("grade", expected, np.where(nearest, -expected, expected), entry)
    assert found.top1 == 0
    # Of classes that exclude each other the largest counts, not which are above zero.
    classes = replace(entry, unit=CLASS_LOGITS)
    raised = parity.agreement("grade", expected, expected + 20, classes)
    turned = parity.agreement("grade", expected, -expected, classes)
    assert (raised.unit, raised.top1, turned.top1) == (LOGITS, 1, 0)
    flat = parity.agreement("grade", np.zeros((9, 3)), np.zeros((9, 3)), entry)
    assert "not discriminating" in str(refusal({"grade": flat}, "fp16"))
