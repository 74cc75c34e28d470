from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.coreml import parity
from eyecli.coreml.convert import Contract, convert
from eyecli.coreml.heads.emulation import apply_head_fp16
from eyecli.coreml.heads.forms import Head
from eyecli.coreml.heads.template import write_head
from eyecli.errors import CheckError, DataError
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
    assert parity.run(gaze_package, pixels)["gaze"].std(axis=0).min() > 20 * BAR


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
        parity.run(small_package, {"picture": small_samples["pixels"]})
    with pytest.raises(DataError, match=r"input pixels is \(15, 12, 3\)"):
        parity.run(small_package, small_samples)
    with pytest.raises(DataError, match="no function user"):
        parity.run(small_package, {}, function="user")


def test_inputs_of_different_length(tmp_path: Path) -> None:
    path = write_head(tmp_path / "head.mlpackage", Head("affine", np.ones((2, 4)), np.zeros(2)))
    with pytest.raises(DataError, match="different length"):
        parity.run(path, {"gaze": np.ones((2, 2, 1, 1)), "embedding": np.ones((3, 2, 1, 1))})


def test_an_unknown_operation_is_named(tmp_path: Path) -> None:
    import keras

    x = keras.Input((5,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, activation="sigmoid", name="y")(x))
    path = convert(model, Contract(), tmp_path / "m.mlpackage")
    with pytest.raises(CheckError, match=r"matmul|linear"):
        parity.compare(model, path, Contract(), {"x": np.ones((1, 5))})


def test_head_runs_as_emulated(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    weight, bias = random.normal(0, 100, (2, 18)), random.normal(0, 500, 2)
    head = Head("affine", weight, bias)
    gaze, embedding = random.normal(size=(7, 2)), random.normal(size=(7, 16))
    path = write_head(tmp_path / "head.mlpackage", head)
    samples = {"gaze": gaze[:, :, None, None], "embedding": embedding[:, :, None, None]}
    out = parity.run(path, samples, half=True)["gaze_calibrated"][:, :, 0, 0]
    emulated = apply_head_fp16(head, gaze, embedding)
    np.testing.assert_allclose(out, emulated, rtol=2**-10)  # the order of the sums is free
    np.testing.assert_allclose(out, np.c_[gaze, embedding] @ weight.T + bias, atol=2)


def test_no_tensorflow_is_loaded_to_execute(tmp_path: Path) -> None:
    path = write_head(tmp_path / "head.mlpackage", Head("affine", np.ones((2, 5)), np.zeros(2)))
    code = (
        "import sys, numpy as np; from pathlib import Path; from eyecli.coreml.parity import run;"
        "s = {'gaze': np.ones((1, 2, 1, 1)), 'embedding': np.ones((1, 3, 1, 1))};"
        f"out = run(Path({str(path)!r}), s)['gaze_calibrated'];"
        "print(out.ravel(), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[5. 5.] False\n"


def naive_windows(
    x: np.ndarray, kernel: list[int], strides: list[int], dilations: list[int], pads: list
) -> Any:
    """Yield each output position with the values under the window, None where it is padding."""
    sizes = [
        (n + sum(p) - (k - 1) * d - 1) // s + 1
        for n, p, k, d, s in zip(x.shape, pads, kernel, dilations, strides, strict=True)
    ]
    for position in product(*map(range, sizes)):
        values = []
        for offset in product(*map(range, kernel)):
            at = [
                p * s + o * d - pad[0]
                for p, s, o, d, pad in zip(position, strides, offset, dilations, pads, strict=True)
            ]
            inside = all(0 <= a < n for a, n in zip(at, x.shape, strict=True))
            values.append(x[tuple(at)] if inside else None)
        yield position, values


@st.composite
def windows(draw: st.DrawFn, rank: int = 2) -> dict[str, Any]:
    kernel = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    strides = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    mode = draw(st.sampled_from(["valid", "same", "same_lower", "custom"]))
    pad = draw(st.lists(st.integers(0, 2), min_size=2 * rank, max_size=2 * rank))
    return {"kernel": kernel, "strides": strides, "pad_type": mode, "pad": pad}


def explicit(drawn: dict[str, Any], sizes: tuple[int, ...], dilations: list[int]) -> list:
    """Padding by the definition: the output of `same` has ceil(size / stride) positions."""
    pads = []
    for i, n in enumerate(sizes):
        if drawn["pad_type"] == "valid":
            pads.append((0, 0))
        elif drawn["pad_type"] == "custom":
            pads.append((drawn["pad"][2 * i], drawn["pad"][2 * i + 1]))
        else:
            stride, reach = drawn["strides"][i], (drawn["kernel"][i] - 1) * dilations[i] + 1
            total = max(((n + stride - 1) // stride - 1) * stride + reach - n, 0)
            less, more = total // 2, (total + 1) // 2
            pads.append((less, more) if drawn["pad_type"] == "same" else (more, less))
    return pads


@settings(deadline=None, max_examples=40)
@given(windows(), st.sampled_from([1, 2]), st.lists(st.integers(1, 2), min_size=2, max_size=2))
def test_conv_is_the_definition(drawn: dict[str, Any], groups: int, dilations: list[int]) -> None:
    random = np.random.default_rng(6)
    x = random.normal(size=(2, 4, 6, 7)).astype(np.float32)
    weight = random.normal(size=(6, 4 // groups, *drawn["kernel"])).astype(np.float32)
    bias = random.normal(size=6).astype(np.float32)
    arguments = {**drawn, "x": x, "weight": weight, "bias": bias}
    out = parity.conv({**arguments, "groups": groups, "dilations": dilations})
    pads = explicit(drawn, (6, 7), dilations)
    expected = np.zeros(out.shape)
    for n, o in product(range(2), range(6)):
        expected[n, o] += bias[o]
        for c in range(4 // groups):
            channel = x[n, (o // (6 // groups)) * (4 // groups) + c]
            for at, values in naive_windows(
                channel, drawn["kernel"], drawn["strides"], dilations, pads
            ):
                taps = weight[o, c].ravel()
                expected[n, o][at] += sum(
                    float(v) * t for v, t in zip(values, taps, strict=True) if v is not None
                )
    np.testing.assert_allclose(out, expected, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(windows(), st.booleans())
def test_pools_are_the_definition(drawn: dict[str, Any], exclude: bool) -> None:
    drawn["pad"] = [min(p, drawn["kernel"][i // 2] - 1) for i, p in enumerate(drawn["pad"])]
    x = np.random.default_rng(7).normal(size=(1, 2, 6, 7)).astype(np.float32)
    arguments = {**drawn, "x": x, "kernel_sizes": drawn["kernel"], "ceil_mode": False}
    arguments["exclude_padding_from_average"] = exclude
    largest, average = parity.max_pool(arguments), parity.avg_pool(arguments)
    pads = explicit(drawn, (6, 7), [1, 1])
    for c in range(2):
        for at, values in naive_windows(x[0, c], drawn["kernel"], drawn["strides"], [1, 1], pads):
            real = [float(v) for v in values if v is not None]
            count = len(real) if exclude else len(values)
            assert largest[0, c][at] == np.float32(max(real))
            assert average[0, c][at] == pytest.approx(sum(real) / count, abs=1e-5)


def test_what_is_not_implemented_is_an_error() -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    pool = {"x": x, "kernel_sizes": [2, 2], "strides": [1, 1], "pad_type": "valid"}
    with pytest.raises(CheckError, match="ceil_mode"):
        parity.max_pool({**pool, "ceil_mode": True})
    with pytest.raises(CheckError, match="interleave"):
        parity.concat({"values": [x, x], "axis": 1, "interleave": True})
    with pytest.raises(CheckError, match="int8"):
        parity.cast({"x": x, "dtype": "int8"})
    assert parity.cast({"x": x + 2.7, "dtype": "int32"}).ravel()[0] == 2
