from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.metrics.calibration import COLDEST, HOTTEST
from eyecli.metrics.ordinal_logistic import fit_levels

RNG = np.random.default_rng(0)


def test_what_the_scores_were_drawn_by_is_found() -> None:
    scores, levels, temperature = RNG.normal(2, 2, 40_000), np.array([0.5, 1.5, 2.2, 3.5]), 0.6
    noise = RNG.logistic(0, temperature, len(scores))
    above = (scores + noise)[:, None] > levels
    found, at = fit_levels(scores, above)
    assert found == pytest.approx(temperature, rel=0.03)
    np.testing.assert_allclose(at, levels, atol=0.05)


def test_a_shift_and_a_scale_of_the_score_go_with_it() -> None:
    scores = RNG.normal(size=300)
    above = (scores + RNG.logistic(0, 0.5, 300))[:, None] > np.array([-1.0, 0.0, 0.7])
    temperature, levels = fit_levels(scores, above)
    other, moved = fit_levels(3 * scores - 7, above)
    assert other == pytest.approx(3 * temperature, rel=1e-4)
    np.testing.assert_allclose(moved, 3 * levels - 7, atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=25), st.integers(0, 5))
def test_levels_are_finite_and_in_order_whatever_grades_there_are(
    grades: list[int], seed: int
) -> None:
    scores = np.random.default_rng(seed).normal(size=len(grades))
    temperature, levels = fit_levels(scores, np.array(grades)[:, None] >= np.arange(1, 5))
    assert COLDEST <= temperature <= HOTTEST * 1.0001
    assert np.isfinite(levels).all() and (np.diff(levels) >= 0).all()


def test_a_boundary_that_nobody_reaches_is_one_that_somebody_may() -> None:
    scores, above = RNG.normal(size=18), np.zeros((18, 2), bool)
    above[scores > 0, 0] = True
    temperature, levels = fit_levels(scores, above)
    chances = 1 / (1 + np.exp((levels - scores[:, None]) / temperature))
    count = above[:, 0].sum()
    wanted = count * (count + 1) / (count + 2) + (18 - count) / (20 - count)
    np.testing.assert_allclose(chances.sum(axis=0), [wanted, 18 / 20], atol=0.01)


def test_scores_that_tell_all_or_the_opposite_have_limits() -> None:
    grades = np.repeat(np.arange(3), 50)
    above = grades[:, None] >= np.array([1, 2])
    temperature, levels = fit_levels(grades.astype(float), above)
    assert 0 < levels[0] < 1 < levels[1] < 2 and temperature < 0.3
    assert fit_levels(-grades.astype(float), above)[0] == pytest.approx(HOTTEST)
    with pytest.raises(ValueError, match="finite"):
        fit_levels(np.array([np.nan]), np.array([[True]]))
