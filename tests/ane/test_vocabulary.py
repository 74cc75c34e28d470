from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from eyecli.ane.vocabulary import SOURCES, VOCABULARY

# Words of the sources that are no core operation of coremltools 9.
ELSEWHERE = {"acosh", "asinh", "coreml_update_state", "custom_layer"}


@pytest.mark.parametrize(
    ("status", "ops"),
    [
        ("eligible", "conv linear matmul relu add concat avg_pool softmax layer_norm pad atan"),
        ("eligible", "reduce_mean scaled_dot_product_attention constexpr_lut_to_dense read_state"),
        ("conditional", "cast slice_by_index gather topk sin resize_bilinear cumsum"),
        ("conditional", "coreml_update_state reduce_argmax crop_resize random_uniform"),
        ("ineligible", "lstm gru rnn scatter_nd one_hot logical_and while_loop cond shape"),
        ("ineligible", "tan acosh random_normal non_maximum_suppression classify list_read"),
    ],
)
def test_verdicts(status: str, ops: str) -> None:
    assert {op: VOCABULARY[op].status for op in ops.split()} == dict.fromkeys(ops.split(), status)


def test_size_is_pinned() -> None:
    counts = Counter(entry.status for entry in VOCABULARY.values())
    assert counts == {"eligible": 93, "conditional": 23, "ineligible": 40}


def test_every_entry_says_why_and_who_says_so() -> None:
    for op, entry in VOCABULARY.items():
        assert entry.reason and entry.rule and entry.confidence != "none", op
        assert entry.sources and set(entry.sources) <= set(SOURCES), op


def test_rewrites_are_offered() -> None:
    assert "reduce_log_sum" in (VOCABULARY["reduce_prod"].fix or "")
    assert "convolution over time" in (VOCABULARY["lstm"].fix or "")
    assert "triangular" in (VOCABULARY["cumsum"].fix or "")


def test_words_are_spelled_as_in_coremltools() -> None:
    """In a process of its own: coremltools is loaded there without TensorFlow."""
    code = (
        "from eyecli.lazy import coremltools; coremltools()\n"
        "from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry as r\n"
        "from eyecli.ane.vocabulary import VOCABULARY\n"
        "print(*sorted(set(VOCABULARY) - set(r.core_ops)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == ELSEWHERE
