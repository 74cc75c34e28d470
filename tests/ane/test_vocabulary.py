from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from eyecli.ane.rules import RULES
from eyecli.ane.sources import SOURCES
from eyecli.ane.vocabulary import FAMILY_0, UNKNOWN, VOCABULARY

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
        ("unknown", "conv_quantized _const_symbolic"),
    ],
)
def test_verdicts(status: str, ops: str) -> None:
    assert {op: VOCABULARY[op].status for op in ops.split()} == dict.fromkeys(ops.split(), status)


def test_size_is_pinned() -> None:
    counts = Counter(entry.status for op, entry in VOCABULARY.items() if op not in ELSEWHERE)
    assert counts == {"eligible": 103, "conditional": 25, "ineligible": 38, "unknown": 2}
    assert sum(counts.values()) == 168


def test_every_entry_says_why_and_who_says_so() -> None:
    rules = {rule.id for rule in RULES}
    for op, entry in VOCABULARY.items():
        if entry is UNKNOWN:
            continue
        assert entry.reason and entry.confidence != "none", op
        assert entry.sources and set(entry.sources) <= set(SOURCES), op
        assert entry.rule in rules or entry.rule in ("V01", "V02", "V03"), op
        assert entry.status != "ineligible" or entry.fix, op


def test_a_rule_that_decides_for_an_operation_applies_to_it() -> None:
    for op, entry in VOCABULARY.items():
        for rule in RULES:
            if rule.id == entry.rule:
                assert not rule.applies_to or op in rule.applies_to, op


def test_rules_apply_to_operations_that_are_known() -> None:
    for rule in RULES:
        assert rule.applies_to <= set(VOCABULARY), rule.id
    assert set(VOCABULARY) >= FAMILY_0


def test_rewrites_are_offered() -> None:
    assert "reduce_log_sum" in (VOCABULARY["reduce_prod"].fix or "")
    assert "convolution over time" in (VOCABULARY["lstm"].fix or "")
    assert "triangular" in (VOCABULARY["cumsum"].fix or "")


def test_every_core_operation_of_coremltools_is_classified() -> None:
    """In a process of its own: coremltools is loaded there without TensorFlow."""
    code = (
        "from eyecli.lazy import coremltools; coremltools()\n"
        "from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry as r\n"
        "print(*sorted(r.core_ops))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    core = set(done.stdout.split())
    assert len(core) == 168
    assert set(VOCABULARY) - core == ELSEWHERE
    assert core - set(VOCABULARY) == set()
