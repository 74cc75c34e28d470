from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.metrics.decision import THRESHOLDS, decision_curve, net_benefits


@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=40))
def test_net_benefit_is_the_formula_of_vickers_and_elkin(rows: list[tuple[int, bool]]) -> None:
    """True positives / n - false positives / n * p / (1 - p), threshold by threshold."""
    probability, positive = np.array([p for p, _ in rows]) / 10, np.array([y for _, y in rows])
    curve = decision_curve(probability, positive)
    n = len(rows)
    for threshold, found, everybody in zip(*curve, strict=True):
        odds = threshold / (1 - threshold)
        true = sum(p >= threshold and y for p, y in zip(probability, positive, strict=True))
        false = sum(p >= threshold and not y for p, y in zip(probability, positive, strict=True))
        assert found == pytest.approx(true / n - false / n * odds)
        share = positive.mean()
        assert everybody == pytest.approx(share - (1 - share) * odds)


def test_a_model_that_tells_nothing_gains_nothing_and_a_perfect_one_the_prevalence() -> None:
    positive = np.arange(10) < 3
    curve = decision_curve(np.full(10, 0.3), positive)
    below = THRESHOLDS <= 0.3
    np.testing.assert_allclose(curve.model[below], curve.treat_all[below])
    assert not curve.model[~below].any()
    # Treating everybody is worth nothing where the threshold is the prevalence.
    assert curve.treat_all[THRESHOLDS == 0.3] == pytest.approx(0)
    np.testing.assert_allclose(decision_curve(positive.astype(float), positive).model, 0.3)


def test_what_is_no_probability_is_refused() -> None:
    for probability in (1.5, -0.5, np.nan):
        with pytest.raises(ValueError, match="probabilities"):
            net_benefits(np.array([probability]), np.array([True]))
    for threshold in (0.0, 1.0):
        with pytest.raises(ValueError, match="thresholds"):
            net_benefits(np.array([0.5]), np.array([True]), np.array([threshold]))
