from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from eyecli.metrics.agreement import confusion
from eyecli.metrics.operating import (
    accuracy,
    balanced_accuracy,
    macro_f1,
    recalls,
    roc_points,
    sensitivity_specificity,
    threshold_at,
    wilson_interval,
)
from eyecli.metrics.roc import auc

SAMPLES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(positive for _, positive in rows) < len(rows)
)
Rows = list[tuple[int, bool]]


def arrays(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s for s, _ in rows], float), np.array([p for _, p in rows])


@given(SAMPLES, st.integers(1, 20))
def test_a_threshold_reaches_its_target_and_wastes_nothing(rows: Rows, twentieths: int) -> None:
    """Against every threshold there is: the best of those that reach the target."""
    score, positive = arrays(rows)
    target = twentieths / 20
    every = [sensitivity_specificity(score, positive, t) for t in (*np.unique(score), np.inf)]
    sensitivity, specificity = sensitivity_specificity(
        score, positive, threshold_at(score, positive, sensitivity=target)
    )
    assert sensitivity >= target - 1e-12
    assert specificity == max(b for a, b in every if a >= target - 1e-12)
    found = threshold_at(score, positive, specificity=target)
    sensitivity, specificity = sensitivity_specificity(score, positive, found)
    assert specificity >= target - 1e-12 and np.isfinite(found)
    assert sensitivity == max(a for a, b in every if b >= target - 1e-12)


def test_a_share_that_rounding_lifts_over_a_whole_number_does_not_cost_a_sample() -> None:
    # 0.55 * 100 is 55.000000000000007.
    score = np.concatenate([np.arange(100.0), [-1]])
    positive = np.arange(101) < 100
    assert threshold_at(score, positive, sensitivity=0.55) == 45


def test_an_unreachable_target_calls_nobody() -> None:
    score, positive = np.array([0.2, 0.9, 0.9]), np.array([True, True, False])
    found = threshold_at(score, positive, specificity=0.5)
    assert np.isfinite(found) and found > 0.9
    assert sensitivity_specificity(score, positive, found) == (0, 1)
    # On other rows a score beyond all that was seen is called.
    assert sensitivity_specificity(np.array([0.95]), np.array([True]), found)[0] == 1


def test_a_class_without_samples_has_no_share() -> None:
    sensitivity, specificity = sensitivity_specificity(np.array([1.0]), np.array([True]), 0.5)
    assert sensitivity == 1 and np.isnan(specificity)


@pytest.mark.parametrize(
    ("score", "positive", "wanted", "match"),
    [
        ([0.1, 0.2], [True, True], {"sensitivity": 0.9}, "positives and negatives"),
        ([0.1, np.nan], [True, False], {"sensitivity": 0.9}, "no number"),
        ([0.1, np.inf], [True, False], {"specificity": 0.9}, "not finite"),
        ([0.1, 0.2], [True, False], {}, "sensitivity or a specificity"),
        ([0.1, 0.2], [True, False], {"sensitivity": 1, "specificity": 1}, "sensitivity or a"),
        ([0.1, 0.2], [True, False], {"sensitivity": 0.0}, "above 0"),
        ([0.1, 0.2], [True, False], {"specificity": 95.0}, "at most 1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    score: list[float], positive: list[bool], wanted: dict[str, float], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        threshold_at(np.array(score), np.array(positive), **wanted)


@given(SAMPLES)
def test_the_area_below_the_curve_is_the_area(rows: Rows) -> None:
    score, positive = arrays(rows)
    false_positive, true_positive = roc_points(score, positive)
    area = ((true_positive[1:] + true_positive[:-1]) / 2 * np.diff(false_positive)).sum()
    assert area == pytest.approx(auc(score, positive))
    assert (false_positive[-1], true_positive[-1]) == (1, 1)


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from((0.9, 0.95, 0.99)))
def test_wilsons_interval_is_scipys(total: int, share: float, level: float) -> None:
    successes = round(total * share)
    expected = binomtest(successes, total).proportion_ci(level, method="wilson")
    found = wilson_interval(successes, total, level)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilsons_interval_at_its_limits() -> None:
    assert wilson_interval(0, 0) == (0, 1)
    assert wilson_interval(0, 5)[0] == 0 and wilson_interval(5, 5)[1] == 1
    with pytest.raises(ValueError, match="6 of 5"):
        wilson_interval(6, 5)


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@given(PAIRS)
def test_figures_of_a_confusion_matrix_by_sets(pairs: list[tuple[int, int]]) -> None:
    truth, said = np.array(pairs).T
    matrix = confusion(truth, said, 4)
    by_class, f1 = [], []
    for c in range(4):
        true, called = set(np.flatnonzero(truth == c)), set(np.flatnonzero(said == c))
        by_class.append(len(true & called) / len(true) if true else np.nan)
        if true | called:
            f1.append(2 * len(true & called) / (len(true) + len(called)))
    np.testing.assert_allclose(recalls(matrix), by_class)
    known = [r for r in by_class if r == r]
    assert balanced_accuracy(matrix) == pytest.approx(np.mean(known))
    assert macro_f1(matrix) == pytest.approx(np.mean(f1))
    assert accuracy(matrix) == pytest.approx((truth == said).mean())


def test_many_matrices_at_once() -> None:
    matrices = np.random.default_rng(0).integers(0, 9, (7, 5, 3, 3))
    matrices[0, 0] = 0
    for statistic in (accuracy, balanced_accuracy, macro_f1):
        found = statistic(matrices)
        assert found.shape == (7, 5) and np.isnan(found[0, 0])
        assert found[3, 2] == statistic(matrices[3, 2])
