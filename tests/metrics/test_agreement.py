from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa

GRADES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=60)


def kappa_by_definition(truth: np.ndarray, predicted: np.ndarray) -> float:
    """One minus observed over expected squared distance, over all pairs."""
    observed = np.mean((truth - predicted) ** 2)
    expected = np.mean((truth[:, None] - predicted[None, :]) ** 2)
    return float(1 - observed / expected) if expected else float("nan")


@given(GRADES)
def test_kappa_is_that_of_its_definition(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    found = quadratic_weighted_kappa(confusion(truth, predicted, 5))
    np.testing.assert_allclose(found, kappa_by_definition(truth, predicted), atol=1e-12)


def test_a_worked_example() -> None:
    # Squared distances by hand: observed 2 / 4, expected 14 / 16.
    truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert quadratic_weighted_kappa(confusion(truth, predicted, 3)) == pytest.approx(3 / 7)
    assert quadratic_weighted_kappa(np.diag([3, 2, 5])) == 1
    assert quadratic_weighted_kappa(np.array([[0, 5], [5, 0]])) == -1
    assert np.isnan(quadratic_weighted_kappa(np.array([[7, 0], [0, 0]])))


def test_many_matrices_at_once() -> None:
    matrices = np.random.default_rng(0).integers(0, 9, (6, 3, 3))
    single = [quadratic_weighted_kappa(matrix) for matrix in matrices]
    np.testing.assert_array_equal(quadratic_weighted_kappa(matrices), single)


@pytest.mark.parametrize(
    ("truth", "predicted"), [([0, 3], [0, 1]), ([0, 1], [-1, 1]), ([0, 1, 2], [0, 1])]
)
def test_what_are_no_classes_is_refused(truth: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=r"classes are|true classes"):
        confusion(np.array(truth), np.array(predicted), 3)


def test_rows_are_the_truth() -> None:
    assert confusion(np.array([0, 0, 1]), np.array([1, 1, 1]), 2).tolist() == [[0, 2], [0, 1]]
