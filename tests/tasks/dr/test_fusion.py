"""Fusion of both eyes: what the other eye adds is used, and nothing else is."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.tasks.dr import reporting
from eyecli.tasks.dr.fusion import LEAST_PATIENTS, fit_fusion, fuse, graded, odds, other_eye
from eyecli.tasks.dr.grading import at_least, columns, settle

# A standard normal severity has about the grades of Kaggle's set beyond these.
CUTS = np.array([0.6, 0.8, 1.45, 1.9])
# Severities that correlate by so much give grades that do by 0.855, as in that set.
LIKE_LIFE = 0.94
PATIENTS = 150


def drawn(patients: int, seed: int, shared: float) -> tuple[np.ndarray, ...]:
    """Logits, grades, patients and sides; the eyes' severities correlate by `shared`."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(patients, 1)) * np.sqrt(shared)
    severity = (common + rng.normal(size=(patients, 2)) * np.sqrt(1 - shared)).ravel()
    seen = severity + rng.normal(0, 0.7, len(severity))
    logits = 2.5 * (0.67 * seen[:, None] - CUTS)
    owner = np.repeat([f"p{i}" for i in range(patients)], 2)
    return logits, np.searchsorted(CUTS, severity), owner, np.tile(["OD", "OS"], patients)


@cache
def settled(patients: int, shared: float) -> dict[str, Any]:
    logits, grades, owner, sides = drawn(patients, 0, shared)
    facts = {"target": "grade", **settle(logits, grades, "grade")}
    return facts | {"fusion": fit_fusion(logits, grades, owner, sides, facts)}


def kappas(shared: float) -> tuple[float, float]:
    """Kappa without and with fusion, on patients that are new."""
    logits, grades, owner, sides = drawn(3000, 1, shared)
    found = graded(logits, settled(PATIENTS, shared), owner, sides)
    called = (found["grade_predicted_alone"], found["grade_predicted"])
    alone, both = (quadratic_weighted_kappa(confusion(grades, each, 5)) for each in called)
    return float(alone), float(both)


def test_eyes_that_agree_raise_kappa() -> None:
    grades = drawn(3000, 0, LIKE_LIFE)[1]
    assert np.corrcoef(grades[::2], grades[1::2])[0, 1] == pytest.approx(0.855, abs=0.03)
    alone, both = kappas(LIKE_LIFE)
    assert both - alone > 0.03


def test_eyes_that_know_nothing_of_each_other_lose_nothing() -> None:
    alone, both = kappas(0.0)
    assert both == pytest.approx(alone, abs=0.01)


def test_a_photograph_without_the_other_eye_stays_as_it_is() -> None:
    facts = settled(PATIENTS, LIKE_LIFE)
    logits, _, owner, sides = drawn(40, 1, LIKE_LIFE)
    # p0 lost the right eye, p1's eyes are not named, the patient of the next pair is not known.
    kept = np.arange(len(logits)) != 0
    sides[2:4], owner[4:6] = "", ""
    found = graded(logits[kept], facts, owner[kept], sides[kept])
    own = odds(logits, facts)[kept]
    fused = fuse(own, owner[kept], sides[kept], facts["fusion"])
    np.testing.assert_array_equal(fused[:5], own[:5])
    assert (fused[5:] != own[5:]).any(axis=1).all()
    alone = columns(logits[kept], facts)
    assert {f"{name}_alone" for name in alone} | set(alone) == set(found)
    for name, values in alone.items():
        np.testing.assert_array_equal(found[f"{name}_alone"], values)


def test_models_without_fusion_predict_as_before() -> None:
    facts = settled(PATIENTS, LIKE_LIFE)
    logits, _, owner, sides = drawn(40, 1, LIKE_LIFE)
    unlearnt, without = {**facts, "fusion": None}, dict(facts)
    del without["fusion"]
    expected = columns(logits, without)
    assert graded(logits, without, owner, sides).keys() == expected.keys()
    # The folds of one model have the same columns.
    assert (
        graded(logits, unlearnt, owner, sides).keys() == graded(logits, facts, owner, sides).keys()
    )
    for name, values in expected.items():
        for less in (unlearnt, without):
            np.testing.assert_array_equal(graded(logits, less, owner, sides)[name], values)


def test_left_and_right_are_alike() -> None:
    logits, grades, owner, sides = drawn(60, 0, LIKE_LIFE)
    facts = {"target": "grade", **settle(logits, grades, "grade")}
    mirrored = np.where(sides == "OD", "OS", "OD")
    first = fit_fusion(logits, grades, owner, sides, facts)
    assert first == fit_fusion(logits, grades, owner, mirrored, facts)
    assert first is not None
    own = odds(logits, facts)
    np.testing.assert_array_equal(fuse(own, owner, sides, first), fuse(own, owner, mirrored, first))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_photographs_plays_no_part(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, order = rng.normal(size=(12, 2)), rng.permutation(12)
    owner, sides = rng.choice(["a", "b", "c", ""], 12), rng.choice(["OD", "OS", ""], 12)
    found = other_eye(values, owner, sides)
    np.testing.assert_allclose(
        other_eye(values[order], owner[order], sides[order]), found[order], atol=1e-12
    )
    for row in range(12):
        theirs = (owner == owner[row]) & (sides != sides[row]) & (sides != "")
        if owner[row] and sides[row] and theirs.any():
            np.testing.assert_allclose(found[row], values[theirs].mean(axis=0), atol=1e-12)
        else:
            assert np.isnan(found[row]).all()


def test_cuts_and_points_are_settled_on_patients_left_out() -> None:
    logits, grades, owner, sides = drawn(LEAST_PATIENTS, 2, LIKE_LIFE)
    facts = {"target": "grade", **settle(logits, grades, "grade")}
    found = fit_fusion(logits, grades, owner, sides, facts)
    assert found is not None and any(found["other"])
    own = odds(logits, facts)
    seen = settle(fuse(own, owner, sides, found), grades, "grade")
    # What was fitted on looks surer than it is.
    assert found["temperature"] > seen["temperature"] + 0.05


def test_a_boundary_with_negative_coefficients_keeps_its_own_odds() -> None:
    logits, grades, owner, sides = drawn(80, 0, LIKE_LIFE)
    assert set(grades) == set(range(5))
    facts = {"target": "grade", **settle(logits, grades, "grade")}
    found = fit_fusion(-logits, grades, owner, sides, facts)
    assert found is not None
    for name, value in (("own", 1.0), ("other", 0.0), ("bias", 0.0)):
        assert found[name] == [value] * 4


def test_few_patients_with_both_eyes_teach_nothing(caplog: pytest.LogCaptureFixture) -> None:
    logits, grades, owner, sides = drawn(LEAST_PATIENTS - 1, 0, LIKE_LIFE)
    facts = {"target": "grade", **settle(logits, grades, "grade")}
    assert fit_fusion(logits, grades, owner, sides, facts) is None
    assert f"{LEAST_PATIENTS - 1} patients outside the fitted rows" in caplog.text
    assert "all but the test part with --trainable head" in caplog.text


def test_folds_that_learnt_no_fusion_are_not_reported_to_fuse() -> None:
    facts = settled(PATIENTS, LIKE_LIFE)
    logits, _, owner, sides = drawn(40, 1, LIKE_LIFE)
    fused, unlearnt = (
        pd.DataFrame(graded(logits, {**facts, **more}, owner, sides)).assign(partition=number)
        for number, more in enumerate(({}, {"fusion": None}))
    )
    names = reporting.predicted_columns(fused)
    assert reporting.fused_folds(pd.concat([fused, unlearnt]), names) == [True, False]
    assert reporting.fused_folds(unlearnt, names) == [False]
    assert reporting.fused_folds(fused[names], names) == []


def test_binary_targets_are_fused_too() -> None:
    logits, grades, owner, sides = drawn(PATIENTS, 0, LIKE_LIFE)
    facts = {"target": "referable", **settle(logits[:, 1:2], grades, "referable")}
    facts["fusion"] = fit_fusion(logits[:, 1:2], grades, owner, sides, facts)
    logits, grades, owner, sides = drawn(3000, 1, LIKE_LIFE)
    found = graded(logits[:, 1:2], facts, owner, sides)
    yes = at_least(grades, "referable")[:, 0]
    errors = [((found[name] - yes) ** 2).mean() for name in ("p_ge2", "p_ge2_alone")]
    assert len(facts["fusion"]["own"]) == 1 and errors[0] < 0.9 * errors[1]
