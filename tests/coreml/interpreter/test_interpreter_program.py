"""Whole packages: functions, pipelines, classifiers, control flow, states, errors."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_programs import evaluate, float32, int32, save
from scipy import special

from eyecli.coreml.interpreter import before_activation, load, run
from eyecli.coreml.interpreter.rounding import LARGE, real
from eyecli.errors import CheckError, DataError
from eyecli.lazy import coremltools
from eyecli.mlprogram import MODEL_FILE, read_coreml


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def builder() -> Any:
    coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    return mb


WEIGHT = normal(4, 3)


def trunk(x: Any) -> Any:
    return builder().linear(x=x, weight=WEIGHT, name="features")


def head(features: Any) -> Any:
    mb = builder()
    doubled = mb.mul(x=features, y=2.0, name="logits")
    return mb.softmax(x=doubled, axis=-1, name="shares")


def test_more_values_than_the_outputs(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        mb = builder()
        logits = mb.linear(x=x, weight=WEIGHT, name="logits")
        shares = mb.softmax(x=logits, axis=-1)
        shaped = mb.transpose(x=mb.expand_dims(x=shares, axes=[0]), perm=[1, 0, 2])
        return mb.squeeze(x=shaped, axes=[1], name="shares"), mb.relu(x=logits, name="other")

    x = normal(5, 3)
    path = save(function, {"x": x[:1]}, tmp_path / "m.mlpackage")
    assert before_activation(path, "shares") == "logits"
    assert before_activation(path, "other") is None
    with pytest.raises(DataError, match="no output logits, it has other, shares"):
        before_activation(path, "logits")
    out = run(path, {"x": x}, also=["logits", "x"])
    assert sorted(out) == ["logits", "other", "shares", "x"]
    np.testing.assert_allclose(out["logits"], x @ WEIGHT.T, atol=1e-6)
    np.testing.assert_allclose(out["shares"], special.softmax(x @ WEIGHT.T, axis=-1), atol=1e-6)
    with pytest.raises(DataError, match="computes no lost"):
        run(path, {"x": x}, also=["lost"])


def test_an_order_that_changes_hides_the_logits(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        mb = builder()
        shares = mb.sigmoid(x=mb.relu(x=x, name="logits"))
        return mb.transpose(x=shares, perm=[0, 2, 1], name="turned")

    path = save(function, {"x": normal(1, 2, 3)}, tmp_path / "m.mlpackage")
    assert before_activation(path, "turned") is None


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path]:
    x = normal(1, 3)
    return (
        save(trunk, {"x": x}, tmp_path / "trunk.mlpackage"),
        save(head, {"features": x @ WEIGHT.T}, tmp_path / "head.mlpackage"),
    )


def test_a_pipeline_runs_part_after_part(parts: tuple[Path, Path], tmp_path: Path) -> None:
    ct = coremltools()
    models = [ct.models.MLModel(str(p), skip_model_load=True) for p in parts]
    path = tmp_path / "pipeline.mlpackage"
    ct.utils.make_pipeline(*models).save(str(path))
    x = normal(6, 3)
    out = run(path, {"x": x}, also=["logits", "features"])
    assert sorted(out) == ["features", "logits", "shares"]
    np.testing.assert_allclose(out["features"], x @ WEIGHT.T, atol=1e-6)
    np.testing.assert_allclose(out["shares"], special.softmax(2 * x @ WEIGHT.T, -1), atol=1e-6)
    assert before_activation(path, "shares") == "logits"
    with pytest.raises(DataError, match="pipeline of 2"):
        load(path)
    with pytest.raises(DataError, match="no function user"):
        run(path, {"x": x}, function="user")


def test_functions_of_one_package(parts: tuple[Path, Path], tmp_path: Path) -> None:
    ct = coremltools()
    descriptor = ct.utils.MultiFunctionDescriptor()
    descriptor.add_function(str(parts[0]), "main", "main")
    descriptor.add_function(str(parts[1]), "main", "user")
    descriptor.default_function_name = "main"
    path = tmp_path / "both.mlpackage"
    ct.utils.save_multifunction(descriptor, str(path))
    x = normal(2, 3)
    features = run(path, {"x": x})["features"]
    shares = run(path, {"features": features}, function="user")["shares"]
    np.testing.assert_allclose(shares, special.softmax(2 * x @ WEIGHT.T, -1), atol=1e-6)
    assert before_activation(path, "shares", "user") == "logits"
    with pytest.raises(DataError, match="no function other, it has main, user"):
        run(path, {"x": x}, function="other")


@pytest.mark.parametrize("labels", [["dog", "cat", "owl", "bat"], [10, 20, 30, 40]])
def test_a_classifier_gives_labels_and_probabilities(labels: list[Any], tmp_path: Path) -> None:
    ct = coremltools()

    def function(x: Any) -> Any:
        mb = builder()
        logits = mb.linear(x=x, weight=WEIGHT, name="logits")
        return mb.softmax(x=logits, axis=-1, name="shares")

    x = normal(5, 3)
    config = ct.ClassifierConfig(labels)
    path = save(function, {"x": x[:1]}, tmp_path / "m.mlpackage", classifier_config=config)
    out = run(path, {"x": x}, also=["logits"])
    expected = special.softmax(x @ WEIGHT.T, axis=-1)
    (probabilities,) = set(out) - {"classLabel", "logits"}
    np.testing.assert_allclose(out[probabilities], expected, atol=1e-6)
    assert out["classLabel"].tolist() == [labels[i] for i in expected.argmax(-1)]
    for name in ("classLabel", probabilities):
        assert before_activation(path, name) == "logits"


def test_control_flow(tmp_path: Path) -> None:
    mb = builder()

    def function(x: Any) -> Any:
        """Double until the sum exceeds 100; then negate if the first number is positive."""
        (grown, steps) = mb.while_loop(
            _cond=lambda v, i: mb.less(x=mb.reduce_sum(x=v), y=100.0),
            _body=lambda v, i: (mb.mul(x=v, y=2.0), mb.add(x=i, y=1)),
            loop_vars=(x, np.int32(0)),
        )
        first = mb.slice_by_index(x=x, begin=[0], end=[1], squeeze_mask=[True])
        positive = mb.greater(x=first, y=0.0)
        chosen = mb.cond(
            pred=positive, _true_fn=lambda: mb.mul(x=grown, y=-1.0), _false_fn=lambda: grown
        )
        return mb.identity(x=chosen, name="y"), mb.expand_dims(x=steps, axes=[0], name="steps")

    path = save(function, {"x": float32([1, 2])}, tmp_path / "m.mlpackage")
    out = run(path, {"x": float32([[1, 2], [-1, 90]])})
    assert out["y"].tolist() == [[-64, -128], [-2, 180]]
    assert out["steps"].tolist() == [6, 1]


def test_what_fails_is_named() -> None:
    def function(x: Any, i: Any) -> Any:
        return builder().gather(x=x, indices=i, axis=0, name="far")

    with pytest.raises(CheckError, match=r"gather \(far\): index 9 is out of bounds"):
        evaluate(function, {"x": normal(3), "i": int32([9])})


def test_lists() -> None:
    mb = builder()

    def function(x: Any) -> Any:
        ls = mb.make_list(init_length=2, dynamic_length=True, elem_shape=(3,))
        ls = mb.list_write(ls=ls, index=1, value=x)
        ls = mb.list_write(ls=ls, index=0, value=mb.mul(x=x, y=2.0))
        ls = mb.list_scatter(ls=ls, indices=[2], value=mb.expand_dims(x=x, axes=[0]))
        gathered = mb.list_gather(ls=ls, indices=[2, 0])
        return gathered, mb.list_read(ls=ls, index=1), mb.list_length(ls=ls)

    gathered, second, length = evaluate(function, {"x": float32([1, 2, 3])})
    assert gathered.tolist() == [[1, 2, 3], [2, 4, 6]]
    assert second.tolist() == [1, 2, 3] and int(length) == 3


def test_a_state_begins_anew_with_every_sample(tmp_path: Path) -> None:
    ct, mb = coremltools(), builder()
    from coremltools.converters.mil.mil import types

    @mb.program(
        input_specs=[mb.TensorSpec((1, 2)), mb.StateTensorSpec((1, 2), dtype=types.fp16)],
        opset_version=ct.target.iOS18,
    )
    def program(x: Any, state: Any) -> Any:
        before = mb.cast(x=mb.read_state(input=state), dtype="fp32")
        total = mb.add(x=before, y=x)
        after = mb.coreml_update_state(state=state, value=mb.cast(x=total, dtype="fp16"))
        return mb.add(x=mb.cast(x=after, dtype="fp32"), y=before, name="y")

    model = ct.convert(program, minimum_deployment_target=ct.target.iOS18, skip_model_load=True,
                       compute_precision=ct.precision.FLOAT32)  # fmt: skip
    model.save(str(tmp_path / "m.mlpackage"))
    x = normal(3, 2)
    np.testing.assert_allclose(run(tmp_path / "m.mlpackage", {"x": x})["y"], x)


def test_an_unknown_operation_is_named(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        mb = builder()
        noise = mb.random_normal(shape=[1, 3], name="noise")
        return mb.add(x=x, y=noise)

    path = save(function, {"x": normal(1, 3)}, tmp_path / "m.mlpackage")
    with pytest.raises(CheckError, match=r"random_normal \(noise\)"):
        run(path, {"x": normal(1, 3)})
    # And one that coremltools does not know either.
    spec = read_coreml(path)
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    next(op for op in block.operations if op.type == "add").type = "telepathy"
    (path / "Data" / MODEL_FILE).write_bytes(spec.SerializeToString())
    with pytest.raises(CheckError, match="telepathy"):
        load(path)


def test_a_program_that_coremltools_refuses(tmp_path: Path) -> None:
    path = save(trunk, {"x": normal(1, 3)}, tmp_path / "m.mlpackage")
    spec = read_coreml(path)
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    next(op for op in block.operations if op.type == "linear").outputs[0].type.tensorType.rank = 7
    block.outputs[0] = "nowhere"
    (path / "Data" / MODEL_FILE).write_bytes(spec.SerializeToString())
    with pytest.raises(DataError, match="coremltools cannot load"):
        load(path)


def test_inputs_are_checked(tmp_path: Path) -> None:
    path = save(trunk, {"x": normal(1, 3)}, tmp_path / "m.mlpackage")
    with pytest.raises(DataError, match="needs the input x, given are z"):
        run(path, {"z": normal(2, 3)})
    with pytest.raises(DataError, match=r"input x is \(4,\), not \(3,\)"):
        run(path, {"x": normal(2, 4)})


def test_a_first_axis_of_its_own(tmp_path: Path) -> None:
    """A sequence has no axis of length one: its samples get one in front."""

    def function(x: Any, n: Any) -> Any:
        mb = builder()
        return mb.add(x=x, y=1.0, name="y"), mb.add(x=n, y=40000, name="m")

    inputs = {"x": normal(4, 3), "n": int32([7])}
    path = save(function, inputs, tmp_path / "m.mlpackage")
    samples = {"x": normal(5, 4, 3), "n": np.arange(5)}
    out = run(path, samples, half=True)
    assert out["y"].shape == (5, 4, 3) and out["m"].shape == (5,)
    # Integers are not rounded: 40001 is none of half precision.
    np.testing.assert_array_equal(out["m"], 40000 + np.arange(5))
    assert out["m"].dtype == np.int32


def test_rounding() -> None:
    special_values = [0, 1e-8, 6e-8, 1e-5, 65504, 65519, 65520, 1e9, np.inf, np.nan, 1 / 3]
    values = np.r_[special_values, np.random.default_rng(0).normal(0, 1, LARGE)]
    values = np.r_[values, -values].astype(np.float32)
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(real(values, True), expected)
        np.testing.assert_array_equal(real(values[:20], True), expected[:20])
        shaped = real(values[: LARGE + 2].reshape(2, -1, 1).T, True)
    np.testing.assert_array_equal(shaped, expected[: LARGE + 2].reshape(2, -1, 1).T)
    assert real(values, False) is values
    assert real(np.arange(3), True).dtype == np.int32
    assert real("same", True) == "same"


def test_every_result_is_rounded(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        mb = builder()
        third = mb.mul(x=x, y=1 / 3, name="third")
        return mb.mul(x=third, y=3.0, name="y")

    x = normal(4, 9)
    path = save(function, {"x": x[:1]}, tmp_path / "m.mlpackage", pass_pipeline=None)
    h = np.float16
    third = (x.astype(h).astype(np.float32) * np.float32(h(1 / 3))).astype(h)
    expected = (third.astype(np.float32) * 3).astype(h)
    np.testing.assert_array_equal(run(path, {"x": x}, half=True)["y"], expected)
    np.testing.assert_allclose(run(path, {"x": x})["y"], x, rtol=1e-6)


def test_values_are_freed_after_their_last_use(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        mb = builder()
        for i in range(30):
            x = mb.tanh(x=x, name=f"t{i}")
        return mb.reduce_sum(x=x, axes=[0, 1, 2], keep_dims=False, name="y")

    x = normal(1, 100, 1000)
    path = save(function, {"x": x}, tmp_path / "m.mlpackage")
    run(path, {"x": x})
    tracemalloc.start()
    run(path, {"x": x})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * x.nbytes


def test_no_tensorflow_is_loaded_to_execute(tmp_path: Path) -> None:
    path = save(trunk, {"x": normal(1, 3)}, tmp_path / "m.mlpackage")
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from eyecli.coreml.interpreter import run\n"
        "early = 'coremltools' in sys.modules\n"
        f"run(Path({str(path)!r}), {{'x': np.ones((1, 3))}})\n"
        "print(early, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
