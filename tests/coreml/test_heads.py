from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import made_heads
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.coreml import proto
from eyecli.coreml.heads.build import build_head, build_template
from eyecli.coreml.heads.emulation import apply_head_fp16
from eyecli.coreml.heads.forms import Head, Quadratic, apply
from eyecli.coreml.heads.programs import OUTPUT, PROGRAMS, program_of
from eyecli.coreml.heads.template import make_head, template_file, write_head
from eyecli.coreml.interpreter import run
from eyecli.errors import CheckError, UsageError
from eyecli.mlprogram import coreml_messages

ELIGIBLE = {"const", "add", "mul", "conv", "concat", "exp", "relu"}


@pytest.mark.parametrize("program", PROGRAMS)
# Around the ten values from which coremltools keeps a constant in weight.bin.
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 10), (10, 9), (128, 390)])
def test_patched_is_byte_equal_to_converted(program: str, size: tuple[int, int]) -> None:
    """Only the conversion date is left out of the comparison, see `proto.TIME_DEPENDENT`."""
    head = made_heads.made(program, *size)
    converted = build_head(head)
    blob = Path(converted.weights_dir) / "weight.bin"
    spec, weights = make_head(head)
    assert spec == proto.serialise(converted.get_spec())
    assert weights == (blob.read_bytes() if blob.is_file() else None)


@pytest.mark.parametrize("program", PROGRAMS)
def test_templates_are_fresh(program: str) -> None:
    assert template_file(program).read_bytes() == build_template(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_heads_are_small_and_their_operations_eligible(program: str) -> None:
    spec, weights = make_head(made_heads.made(program, 128, 390))
    assert len(spec) + len(weights or b"") < 150_000
    model = coreml_messages("Model_pb2").Model.FromString(spec)
    assert model.specificationVersion == 7
    assert [(f.name, list(f.type.multiArrayType.shape)) for f in model.description.input] == [
        ("gaze", [1, 2, 1, 1]),
        ("embedding", [1, 128, 1, 1]),
    ]
    (output,) = model.description.output
    assert (output.name, list(output.type.multiArrayType.shape)) == (OUTPUT, [1, 2, 1, 1])
    (block,) = model.mlProgram.functions["main"].block_specializations.values()
    assert {op.type for op in block.operations} <= ELIGIBLE
    read = {b.name for op in block.operations for a in op.inputs.values() for b in a.arguments}
    assert {"gaze", "embedding"} <= read


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("half", [False, True])
def test_the_package_computes_the_head(tmp_path: Path, program: str, half: bool) -> None:
    head = made_heads.made(program, 16, 12, seed=5)
    rng = np.random.default_rng(6)
    gaze, embedding = rng.normal(0, 10, (7, 2)), rng.normal(size=(7, 16))
    path = write_head(tmp_path / "head.mlpackage", head)
    feed = {"gaze": gaze[:, :, None, None], "embedding": embedding[:, :, None, None]}
    out = run(path, feed, half=half)[OUTPUT][:, :, 0, 0]
    # Weights are half precision in the package; values are some thousands.
    np.testing.assert_allclose(out, apply(head, gaze, embedding), atol=4, rtol=2e-3)
    if half:
        # The order of the sums is free: one unit in the last place.
        np.testing.assert_allclose(out, apply_head_fp16(head, gaze, embedding), rtol=2**-10)


@pytest.mark.parametrize("program", ["quadratic", "rbf", "mlp"])
def test_planted_faults_show(tmp_path: Path, program: str) -> None:
    """Swapped axes of a product, a kernel of another width, a dropped threshold."""
    head = made_heads.made(program, 16, 12, seed=5)
    form = head.features
    if isinstance(form, Quadratic):
        wrong = replace(head, weight=head.weight[:, [0, 1, 2, 3, 4, 6, 5]])
    else:
        changed = {"rbf": "scale", "mlp": "threshold"}[program]
        values = {changed: 2 * getattr(form, changed)}
        wrong = replace(head, features=replace(form, **values))  # type: ignore[type-var]
    rng = np.random.default_rng(6)
    gaze, embedding = rng.normal(0, 10, (7, 2)), rng.normal(size=(7, 16))
    path = write_head(tmp_path / "head.mlpackage", wrong)
    feed = {"gaze": gaze[:, :, None, None], "embedding": embedding[:, :, None, None]}
    out = run(path, feed)[OUTPUT][:, :, 0, 0]
    right = np.abs(apply(head, gaze, embedding) - apply_head_fp16(head, gaze, embedding)).max()
    assert np.abs(out - apply(head, gaze, embedding)).max() > 0.2
    assert np.abs(out - apply(wrong, gaze, embedding)).max() < 2 * right + 0.1


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["linear", "quadratic", "rbf", "mlp"]),
    st.floats(0.5, 20),
    st.floats(0, 20),
    st.integers(0, 2**32 - 1),
)
def test_half_precision_is_enough(program: str, scale: float, level: float, seed: int) -> None:
    """Corrections of centimetres on embeddings of any scale and level: under 0.02 cm.

    Only a linear head does not subtract the level first; it is exact enough up to a mean of three
    standard deviations (that of a ReLU is one or two).
    """
    rng = np.random.default_rng(seed)
    dims, units = 128, 40
    mean = min(level, 3 * scale) if program == "linear" else level
    embedding = mean + scale * rng.normal(size=(units, dims))
    gaze = rng.uniform(-12, 12, (units, 2))
    head = made_heads.made(program, dims, units, seed)
    bias, weight = rng.uniform(-2, 2, 2), head.weight.copy()
    centre, spread = embedding.mean(axis=0), embedding.std() * np.sqrt(dims)
    form = head.features
    if form is None:
        weight = np.hstack([np.eye(2), rng.normal(size=(2, dims)) / spread])
        bias -= weight[:, 2:] @ centre
    elif isinstance(form, Quadratic):
        form = Quadratic(dims, gaze.mean(axis=0), np.array([16.0, 16.0]))
        weight = np.hstack([np.eye(2), rng.normal(size=(2, 5))])
    elif program == "rbf":
        kernels = {"centre": centre, "scale": np.full(dims, spread),
                   "support": (embedding - centre) / spread}  # fmt: skip
        form = replace(form, **kernels)
        weight = np.hstack([np.eye(2), rng.normal(size=(2, units))])
    else:
        layer = rng.normal(size=(units, 2 + dims)) / np.r_[12, 12, np.full(dims, spread)]
        middle = np.r_[gaze.mean(axis=0), centre]
        form = replace(form, centre=middle, layer=layer)
        weight = np.hstack([np.eye(2), rng.normal(size=(2, units)) / np.sqrt(units)])
    head = replace(head, weight=weight, bias=bias, features=form)
    gap = np.abs(apply_head_fp16(head, gaze, embedding) - apply(head, gaze, embedding))
    assert gap.max() < 0.02


@pytest.mark.parametrize("program", ["quadratic", "mlp"])
def test_pixels_do_not_overflow(program: str) -> None:
    gaze = np.array([[3000.0, 2000.0], [0.0, 0.0], [-500.0, 3500.0]])
    embedding = np.ones((3, 8))
    head = made_heads.made(program, 8)
    if program == "quadratic":
        form = Quadratic(8, np.array([1500.0, 1000.0]), np.array([2048.0, 1024.0]))
        weight = np.hstack([np.eye(2), 50 * np.ones((2, 5))])
        head = Head("quadratic", weight, np.zeros(2), features=form)
    exact = apply(head, gaze, embedding)
    np.testing.assert_allclose(apply_head_fp16(head, gaze, embedding), exact, rtol=2e-3, atol=4)


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, numpy as np; from eyecli.coreml.heads.template import make_head;"
        "from eyecli.coreml.heads.forms import Head;"
        "make_head(Head('affine', np.ones((2, 130)), np.zeros(2)));"
        "print({m.partition('.')[0] for m in sys.modules} & "
        "{'coremltools', 'tensorflow', 'keras', 'pandas', 'scipy'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_metadata_is_kept() -> None:
    from coremltools.proto import Model_pb2

    head = made_heads.linear(np.ones((2, 5)), np.zeros(2))
    spec, _ = make_head(head, {"org.eyecli.base": "abc"})
    model = Model_pb2.Model.FromString(spec)
    assert model.description.metadata.userDefined["org.eyecli.base"] == "abc"


@pytest.mark.parametrize("value", [65520.0, -1e9, np.inf, np.nan])
def test_what_float16_cannot_hold_is_refused(value: float) -> None:
    weight, bias = np.ones((2, 5)), np.zeros(2)
    with pytest.raises(CheckError, match="weight does not fit float16"):
        make_head(made_heads.linear(np.where(np.eye(2, 5), value, weight), bias))
    with pytest.raises(CheckError, match="bias does not fit float16"):
        make_head(made_heads.linear(weight, np.array([0.0, value])))
    make_head(made_heads.linear(weight * 65504, bias))


@pytest.mark.parametrize("shapes", [((3, 5), (2,)), ((2, 2), (2,)), ((2, 5), (3,)), ((10,), (2,))])
def test_wrong_shapes(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(UsageError, match="a head needs"):
        make_head(made_heads.linear(np.zeros(shapes[0]), np.zeros(shapes[1])))


def test_weights_that_do_not_fit_the_features() -> None:
    head = made_heads.made("rbf", 8, 5)
    assert program_of(head) == "rbf"
    with pytest.raises(UsageError, match=r"gaze_calibrated weight is \(2, 6\), not for 7 channels"):
        make_head(replace(head, weight=head.weight[:, 1:]))


@given(
    st.lists(st.floats(-2000, 2000), min_size=2, max_size=2),
    st.lists(st.floats(-200, 200), min_size=2, max_size=2),
)
def test_identity_and_bias_cost_one_rounding_each(gaze: list[float], shift: list[float]) -> None:
    head = made_heads.linear(np.eye(2, 6), np.array(shift))
    point = np.array([gaze])
    out = apply_head_fp16(head, point, np.ones((1, 4)))
    # Input, bias and result are rounded: half a unit in the last place of 2048 or 256 each.
    assert np.abs(out - point - shift).max() <= 0.5 + 0.0625 + 1.0


def test_emulation_rounds_once() -> None:
    """1 + 2^-11 + 2^-30 goes up in one rounding, and to even (down) if float32 comes between."""
    bias = np.array([1 + 2.0**-11 + 2.0**-30, 0])
    zero = np.zeros((1, 2))
    out = apply_head_fp16(made_heads.linear(np.zeros((2, 4)), bias), zero, zero)
    assert out[0, 0] == 1 + 2.0**-10
