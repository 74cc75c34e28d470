from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.evaluation.bootstrap import draw_groups, kappa_interval
from eyecli.evaluation.grading_intervals import (
    auc_replicate,
    benefit_band,
    calibration_replicate,
    confusion_replicate,
    group_intervals,
    operating_intervals,
)
from eyecli.evaluation.headline import Sampling
from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.metrics.calibration import bins_of, expected_calibration_error
from eyecli.metrics.decision import decision_curve
from eyecli.metrics.operating import balanced_accuracy, sensitivity_specificity
from eyecli.metrics.roc import auc, auc_interval

RNG = np.random.default_rng(6)
PEOPLE = 60
OWNER = np.repeat(np.arange(PEOPLE), 2)
SICK = np.repeat(RNG.random(PEOPLE) < 0.4, 2)
SCORE = np.round(SICK + np.repeat(RNG.normal(size=PEOPLE), 2) + 0.5 * RNG.normal(size=120), 1)
PROBABILITY = 1 / (1 + np.exp(-SCORE))
SAMPLING = Sampling(OWNER, np.ones(120), PEOPLE)
COUNTS = np.concatenate(list(draw_groups(PEOPLE, replicates=40)))


def pooled(row: np.ndarray) -> np.ndarray:
    """Rows of the people drawn, as often as they are."""
    return np.repeat(np.arange(120), row.astype(int)[OWNER])


def test_the_area_of_a_draw_is_that_of_its_pooled_samples() -> None:
    found = auc_replicate(SCORE, SICK, SAMPLING)(COUNTS)
    expected = [auc(SCORE[pooled(row)], SICK[pooled(row)]) for row in COUNTS]
    np.testing.assert_allclose(found, expected)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(1, 3)), min_size=1,
                max_size=15))  # fmt: skip
def test_weights_are_repeats(rows: list[tuple[int, bool, int]]) -> None:
    score, positive, weight = (np.array(column) for column in zip(*rows, strict=True))
    sampling = Sampling(np.arange(len(rows)), weight / 6, len(rows))
    (found,) = auc_replicate(score, positive, sampling)(np.ones((1, len(rows))))
    if positive.all() or not positive.any():
        assert np.isnan(found)
    else:
        expected = auc(np.repeat(score, weight), np.repeat(positive, weight))
        assert found == pytest.approx(expected)


def test_the_interval_of_the_area_is_near_that_of_obuchowski() -> None:
    low, high = group_intervals({"auc": auc_replicate(SCORE, SICK, SAMPLING)}, PEOPLE)["auc"] or (
        0,
        0,
    )
    _, formula_low, formula_high = auc_interval(SCORE, SICK, OWNER)
    assert (low, high) == pytest.approx((formula_low, formula_high), abs=0.025)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no number"):
        auc_replicate(np.where(SICK, np.nan, SCORE), SICK, SAMPLING)


def test_statistics_of_the_confusion_matrix_of_a_draw() -> None:
    truth, said = RNG.integers(0, 5, 120), RNG.integers(0, 5, 120)
    for statistic in (quadratic_weighted_kappa, balanced_accuracy):
        found = confusion_replicate(truth, said, 5, SAMPLING, statistic)(COUNTS)
        expected = [statistic(confusion(truth[pooled(r)], said[pooled(r)], 5)) for r in COUNTS]
        np.testing.assert_allclose(found, expected)


def test_calibration_of_a_draw_keeps_the_bins() -> None:
    replicate = calibration_replicate(PROBABILITY, SICK, SAMPLING, bins=6)
    whole = expected_calibration_error(PROBABILITY, SICK, bins=6)
    assert replicate(np.ones((1, PEOPLE))) == pytest.approx([whole])
    bins = bins_of(PROBABILITY, 6)
    for row, found in zip(COUNTS[:5], replicate(COUNTS[:5]), strict=True):
        rows = pooled(row)
        expected = sum(
            abs((PROBABILITY[rows] - SICK[rows])[bins[rows] == b].sum()) for b in range(6)
        ) / len(rows)
        assert found == pytest.approx(expected)


def test_one_pass_gives_all_intervals() -> None:
    truth = np.where(SICK, 2, 0)
    said = np.clip(truth + RNG.integers(-1, 2, 120), 0, 2)
    kappa = confusion_replicate(truth, said, 3, SAMPLING, quadratic_weighted_kappa)
    found = group_intervals({"kappa": kappa, "never": lambda c: np.full(len(c), np.nan)}, PEOPLE)
    assert found["kappa"] == pytest.approx(kappa_interval(truth, said, OWNER, 3), abs=0.01)
    assert found["never"] is None
    assert group_intervals({"kappa": kappa}, 1) == {"kappa": None}


def test_operating_points_are_resampled_by_patient() -> None:
    found = operating_intervals(SCORE, SICK, 0.5, OWNER)
    point = sensitivity_specificity(SCORE, SICK, 0.5)
    drawn = np.array([sensitivity_specificity(SCORE[r], SICK[r], 0.5) for r in (
        pooled(row) for row in np.concatenate(list(draw_groups(PEOPLE, 3, 2000))))])  # fmt: skip
    for interval, value, column in zip(found, point, drawn.T, strict=True):
        assert interval is not None and interval[0] <= value <= interval[1]
        assert interval == pytest.approx(np.quantile(column, [0.025, 0.975]), abs=0.025)
    alone = operating_intervals(SCORE, SICK, 0.5, np.arange(120))
    assert found[0] is not None and alone[0] is not None
    assert found[0][1] - found[0][0] > 1.1 * (alone[0][1] - alone[0][0])
    # No positive, no sensitivity; one patient, nothing.
    assert operating_intervals(SCORE, SICK & False, 0.5, OWNER)[0] is None
    assert operating_intervals(SCORE, SICK, 0.5, np.zeros(120)) == (None, None)


def test_the_band_of_the_net_benefit() -> None:
    thresholds = np.array([0.2, 0.5])
    band = benefit_band(PROBABILITY, SICK, SAMPLING, thresholds)
    assert band is not None
    value = decision_curve(PROBABILITY, SICK, thresholds).model
    assert (band[0] < value).all() and (value < band[1]).all()
    drawn = [
        decision_curve(PROBABILITY[pooled(row)], SICK[pooled(row)], thresholds).model
        for row in np.concatenate(list(draw_groups(PEOPLE, 0)))[:3000]
    ]
    np.testing.assert_allclose(band, np.quantile(drawn, [0.025, 0.975], axis=0), atol=0.02)
    one = Sampling(np.zeros(120, int), np.ones(120), 1)
    assert benefit_band(PROBABILITY, SICK, one, thresholds) is None
