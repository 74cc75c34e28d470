from __future__ import annotations

from dataclasses import replace

import pytest

from eyecli.coreml.judgement import limit, refusal
from eyecli.coreml.parity import Agreement

CLASSES = Agreement(0.01, 0.001, "logits", 1.0, 1.0, top1=1.0, commonest=0.4)
GAZE = Agreement(0.01, 0.001, "cm", 5.0, 4.0)
PIXELS = Agreement(3.0, 1.0, "px", 400.0, 300.0)
PLAIN = Agreement(0.005, 0.001, "", 1.0, 0.9)


@pytest.mark.parametrize("found", [CLASSES, GAZE, PIXELS, PLAIN])
def test_what_agrees_and_discriminates_passes(found: Agreement) -> None:
    assert refusal({"y": found}, "fp16") is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(CLASSES, max=0.021), r"differ on output y: at most 0.021 logits"),
        (replace(CLASSES, max=float("nan")), "differ on output y"),
        (replace(CLASSES, top1=0.99), "same class of output y for 99.0%"),
        (replace(CLASSES, scale=0.09, spread=0.09, max=0.001), "not discriminating: the logits"),
        (replace(CLASSES, commonest=0.61), "not discriminating: output y names one class for 61%"),
        (replace(GAZE, max=0.021), r"at most 0.021 cm, which is 0.0042 of its scale \(0.02 cm"),
        (replace(GAZE, spread=0.4), "not discriminating: output y varies by 0.08"),
        (replace(PIXELS, max=4.1), "at most 4.1 px"),
        (replace(PLAIN, max=0.011), "at most 0.011, which"),
        (replace(PLAIN, scale=0.0, spread=0.0, max=0.0), "not discriminating"),
    ],
)
def test_refusals(found: Agreement, words: str) -> None:
    import re

    assert re.search(words, refusal({"good": PLAIN, "y": found}, "fp16") or "")


def test_float32_has_a_tighter_bar() -> None:
    """The absolute one in cm is for what rounding to float16 costs."""
    for found in (CLASSES, GAZE, PIXELS, PLAIN):
        assert limit(found, "fp32") == pytest.approx(1e-4 * found.scale)
        assert refusal({"y": found}, "fp32") is not None
        assert refusal({"y": replace(found, max=9e-5 * found.scale)}, "fp32") is None


def test_compression_has_a_bar_of_its_own_but_a_blind_model_never_passes() -> None:
    lossy = replace(CLASSES, max=0.09, top1=0.9)
    assert refusal({"y": lossy}, "fp16", 0.1) is None
    assert "differ" in (refusal({"y": replace(lossy, max=0.11)}, "fp16", 0.1) or "")
    assert "not discriminating" in (
        refusal({"y": replace(lossy, commonest=1.0)}, "fp16", 0.1) or ""
    )
