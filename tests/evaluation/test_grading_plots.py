from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest

from eyecli.evaluation.grading_plots import (
    confusion_map,
    decision_curves,
    referral_curves,
    reliability_diagram,
    roc_curves,
)
from eyecli.metrics.calibration import reliability
from eyecli.metrics.decision import decision_curve
from eyecli.metrics.roc import auc
from eyecli.metrics.selective import accuracy_curve, auc_curve

RNG = np.random.default_rng(1)
SICK = RNG.random(200) < 0.3
CHANCE = np.clip(0.35 * SICK + RNG.random(200) * 0.6, 0, 1)
CURVE = decision_curve(CHANCE, SICK)


def roc() -> str:
    return roc_curves({"model": CHANCE, "size": -CHANCE}, SICK, {"model": (0.8, 0.95)})


def diagram() -> str:
    return reliability_diagram({"raw": reliability(CHANCE, SICK)})


def matrix() -> str:
    return confusion_map(np.array([[31, 7], [0, 0]]), ["none", "mild"])


def referral() -> str:
    return referral_curves({"model": accuracy_curve(SICK, CHANCE > 0.5, -abs(CHANCE - 0.5))}, "acc")


def decision() -> str:
    return decision_curves({"model": CURVE}, {"model": (CURVE.model - 0.05, CURVE.model + 0.05)})


def words(svg: str) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


@pytest.mark.parametrize("draw", [roc, diagram, matrix, referral, decision])
def test_plots_are_svg_and_the_same_every_time(draw: Callable[[], str]) -> None:
    svg = draw()
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert draw() == svg and "nan" not in svg


def test_the_legend_of_the_roc_curves_tells_areas_and_intervals() -> None:
    area = auc(CHANCE, SICK)
    assert f"model: {area:.3f} (0.800 to 0.950)" in words(roc())
    assert f"size: {1 - area:.3f}" in words(roc()) and "size: 0.0 (" not in words(roc())


def test_the_matrix_shows_its_counts_and_classes() -> None:
    said = words(matrix())
    assert all(word in said.split() for word in ("31", "7", "0", "none", "mild", "true"))


def test_treating_all_and_none_are_beside_the_model() -> None:
    assert all(name in words(decision()) for name in ("model", "treat all", "treat none"))
    assert decision_curves({"model": CURVE}, {}) != decision()


def test_a_metric_without_value_leaves_a_gap() -> None:
    curve = auc_curve(CHANCE, SICK, 1.0 - SICK + 0.001 * np.arange(200))
    assert np.isnan(curve.value[0])
    assert "mean" in words(referral_curves({"model": curve}, "area"))
