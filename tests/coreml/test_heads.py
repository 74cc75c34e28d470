from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.coreml import heads, proto
from eyecli.errors import CheckError, UsageError


@pytest.mark.parametrize("size", [1, 2, 3, 128])
def test_patched_is_byte_equal_to_converted(size: int) -> None:
    """Only the conversion date is left out of the comparison, see `proto.TIME_DEPENDENT`."""
    random = np.random.default_rng(size)
    weight, bias = random.normal(0, 30, (2, 2 + size)), random.normal(0, 900, 2)
    converted = heads.build_head(weight, bias)
    blob = Path(converted.weights_dir) / "weight.bin"
    spec, weights = heads.make_head(weight, bias)
    assert spec == proto.serialise(converted.get_spec())
    assert weights == (blob.read_bytes() if blob.is_file() else None)


def test_template_is_fresh() -> None:
    file = resources.files("eyecli.coreml") / "templates" / heads.TEMPLATE
    assert file.read_bytes() == heads.build_template()


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, numpy as np; from eyecli.coreml.heads import make_head;"
        "make_head(np.ones((2, 130)), np.zeros(2));"
        "print({m.partition('.')[0] for m in sys.modules} & "
        "{'coremltools', 'tensorflow', 'keras', 'pandas', 'scipy'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_metadata_is_kept() -> None:
    from coremltools.proto import Model_pb2

    spec, _ = heads.make_head(np.ones((2, 5)), np.zeros(2), {"org.eyecli.base": "abc"})
    model = Model_pb2.Model.FromString(spec)
    assert model.description.metadata.userDefined["org.eyecli.base"] == "abc"


@pytest.mark.parametrize("value", [65520.0, -1e9, np.inf, np.nan])
def test_what_float16_cannot_hold_is_refused(value: float) -> None:
    weight, bias = np.ones((2, 5)), np.zeros(2)
    with pytest.raises(CheckError, match="weight does not fit float16"):
        heads.make_head(np.where(np.eye(2, 5), value, weight), bias)
    with pytest.raises(CheckError, match="bias does not fit float16"):
        heads.make_head(weight, np.array([0.0, value]))
    heads.make_head(weight * 65504, bias)


@pytest.mark.parametrize("shapes", [((3, 5), (2,)), ((2, 2), (2,)), ((2, 5), (3,)), ((10,), (2,))])
def test_wrong_shapes(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(UsageError, match="a head needs"):
        heads.make_head(np.zeros(shapes[0]), np.zeros(shapes[1]))


@given(
    st.lists(st.floats(-2000, 2000), min_size=2, max_size=2),
    st.lists(st.floats(-200, 200), min_size=2, max_size=2),
)
def test_identity_and_bias_cost_one_rounding_each(gaze: list[float], shift: list[float]) -> None:
    weight = np.eye(2, 6)
    point = np.array([gaze])
    out = heads.apply_head_fp16(weight, np.array(shift), point, np.ones((1, 4)))
    # Input, bias and result are rounded: half a unit in the last place of 2048 or 256 each.
    assert np.abs(out - point - shift).max() <= 0.5 + 0.0625 + 1.0


def test_emulation_rounds_once() -> None:
    """1 + 2^-11 + 2^-30 goes up in one rounding, and to even (down) if float32 comes between."""
    bias = np.array([1 + 2.0**-11 + 2.0**-30, 0])
    zero = np.zeros((1, 2))
    out = heads.apply_head_fp16(np.zeros((2, 4)), bias, zero, zero)
    assert out[0, 0] == 1 + 2.0**-10
