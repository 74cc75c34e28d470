from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.training.backend import load_keras
from eyecli.training.ordinal import (
    class_weights,
    corn_loss,
    corn_probabilities,
    expected_grade,
    grade_of,
    resampling_weights,
    thresholds_from_validation,
)

K = 5
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def keras() -> Any:
    return load_keras()


def corn_by_subsets(logits: np.ndarray, grades: np.ndarray) -> float:
    """Equation 4 of Shi, Cao and Raschka 2021, subset by subset."""
    total, members = 0.0, 0
    for j in range(logits.shape[1]):
        for z, grade in zip(logits[:, j], grades, strict=True):
            if grade > j - 1:
                chance = 1 / (1 + np.exp(-z))
                total -= np.log(chance if grade > j else 1 - chance)
                members += 1
    return total / members


def losses(grades: np.ndarray, logits: np.ndarray) -> np.ndarray:
    keras = load_keras()
    found = corn_loss(logits.shape[-1] + 1)(
        keras.ops.convert_to_tensor(grades), keras.ops.convert_to_tensor(logits)
    )
    return np.asarray(keras.ops.convert_to_numpy(found))


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_loss_is_that_of_the_conditional_subsets(k: int) -> None:
    logits, grades = RNG.normal(size=(40, k - 1)) * 3, RNG.integers(0, k, 40)
    found = losses(grades[:, None].astype(np.float32), logits)
    assert found.shape == (40,)
    assert found.mean() == pytest.approx(corn_by_subsets(logits, grades))
    maps = losses(grades[:, None, None, None], logits[:, None, None, :])
    np.testing.assert_allclose(maps[:, 0, 0], found)


def test_the_loss_stays_finite_and_all_may_be_of_grade_0() -> None:
    huge = np.array([[800.0, -800], [-800, 800]])
    assert losses(np.array([[0], [2]]), huge).tolist() == pytest.approx([800 / 1.5, 800 / 1.5])
    assert losses(np.array([[0], [0]]), np.zeros((2, 4))).mean() == pytest.approx(np.log(2))


def test_the_gradient_is_that_of_finite_differences(keras: Any) -> None:
    """By the tape's own step: a network of one bias a question, one step of descent."""
    grades = RNG.integers(0, K, (30, 1))
    start = RNG.normal(size=K - 1)

    def loss(bias: np.ndarray) -> float:
        return corn_by_subsets(np.tile(bias, (30, 1)), grades[:, 0])

    steps = 1e-5 * np.eye(K - 1)
    gradient = np.array([(loss(start + s) - loss(start - s)) / 2e-5 for s in steps])
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(K - 1, dtype="float64")(inputs))
    model.compile(keras.optimizers.SGD(0.1), loss=corn_loss(K))
    model.set_weights([np.zeros((1, K - 1)), start])
    said = model.train_on_batch(np.zeros((30, 1)), grades)
    assert said == pytest.approx(loss(start), rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], start - 0.1 * gradient, atol=1e-6)


def test_keras_learns_the_conditional_frequencies(keras: Any) -> None:
    """The best answers to the questions are their frequencies, and the product the grades'."""
    grades = np.repeat(np.arange(4), [10, 20, 5, 15])[:, None]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.Adam(0.1), loss=corn_loss(4))
    for _ in range(150):
        model.train_on_batch(np.zeros((50, 1)), grades)
    found = corn_probabilities(model.get_weights()[1][None])
    np.testing.assert_allclose(found, [[0.2, 0.4, 0.1, 0.3]], atol=5e-3)


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4), min_size=1, max_size=5))
def test_probabilities_are_products_of_answers(rows: list[list[float]]) -> None:
    logits = np.array(rows)
    found = corn_probabilities(logits)
    assert (found >= 0).all() and found.shape == (len(rows), 5)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    answers = 1 / (1 + np.exp(-np.clip(logits, -700, 700)))
    for row, a in zip(found, answers, strict=True):
        expected = [1 - a[0], a[0] * (1 - a[1]), a[0] * a[1] * (1 - a[2])]
        np.testing.assert_allclose(row[:3], expected, atol=1e-12)


def test_the_expected_grade() -> None:
    assert expected_grade(np.array([[0.5, 0, 0.5], [0, 0, 1]])).tolist() == [1, 2]


def test_a_threshold_belongs_to_the_grade_above() -> None:
    scores = np.array([-3, 0.49, 0.5, 1.5, 3.6])
    assert grade_of(scores, [0.5, 1.5, 2.5, 3.5]).tolist() == [0, 0, 1, 2, 4]


def kappa_with(scores: np.ndarray, grades: np.ndarray, thresholds: Any, k: int) -> float:
    return float(quadratic_weighted_kappa(confusion(grades, grade_of(scores, thresholds), k)))


@given(st.integers(0, 10**6), st.booleans())
# Best without any of grade 0.
@example(142568, False)
@settings(max_examples=20, deadline=None)
def test_no_single_threshold_could_be_better(seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    grades = rng.integers(0, K, 60)
    scores = 0.6 * grades + rng.normal(size=60)
    scores = np.round(scores) if coarse else scores
    found = thresholds_from_validation(scores, grades, K)
    assert found.shape == (4,) and (np.diff(found) >= 0).all()
    best = kappa_with(scores, grades, found, K)
    assert best >= kappa_with(scores, grades, [0.5, 1.5, 2.5, 3.5], K)
    for j, place in itertools.product(range(4), np.linspace(-4, 6, 81)):
        other = found.copy()
        other[j] = np.clip(place, found[j - 1] if j else -9, found[j + 1] if j < 3 else 9)
        assert kappa_with(scores, grades, other, K) <= best + 1e-9


def test_shrunken_scores_are_spread_again() -> None:
    """What a regression of few samples does: towards the mean."""
    grades = RNG.integers(0, K, 2000)
    scores = 1.5 + 0.4 * (grades - 1.5) + 0.1 * RNG.normal(size=2000)
    found = thresholds_from_validation(scores, grades, K)
    np.testing.assert_allclose(found, 1.5 + 0.4 * (np.arange(4) - 1), atol=0.1)
    assert kappa_with(scores, grades, found, K) > 0.95
    assert kappa_with(scores, grades, [0.5, 1.5, 2.5, 3.5], K) < 0.9


def test_thresholds_stay_where_nothing_could_be_gained() -> None:
    grades = np.arange(5)
    start = [0.5, 1.5, 2.5, 3.5]
    assert thresholds_from_validation(grades + 0.1, grades, K).tolist() == start
    assert thresholds_from_validation(np.zeros(4), np.zeros(4), K).tolist() == start
    for scores in ([], [np.inf], [np.nan]):
        with pytest.raises(ValueError, match="finite"):
            thresholds_from_validation(np.array(scores), np.zeros(len(scores)), K)


GRADES = np.repeat(np.arange(4), [60, 5, 25, 10])


def test_class_weights() -> None:
    assert class_weights(GRADES, 5, 0).tolist() == [1, 1, 1, 1, 0]
    # As scikit-learn's "balanced": n / (classes that occur * count).
    np.testing.assert_allclose(class_weights(GRADES, 5)[:4], 100 / (4 * np.array([60, 5, 25, 10])))
    half = class_weights(GRADES, 5, 0.5)
    assert half[GRADES].mean() == pytest.approx(1)
    assert half[1] / half[0] == pytest.approx(np.sqrt(60 / 5))


def test_resampling_decays_from_balance_to_the_final_weights() -> None:
    counts = np.array([60, 5, 25, 10])
    start, end = 100 / counts, [1, 2, 2, 2]
    first = np.bincount(GRADES, resampling_weights(GRADES, 0, start, end))
    np.testing.assert_allclose(first, 0.25)
    # By hand: 0.975 ** 10 = 0.7763 of the start.
    tenth = resampling_weights(GRADES, 10, start, end)
    share = 0.776329
    expected = share * 100 / 5 + (1 - share) * 2, share * 100 / 60 + (1 - share)
    assert tenth[60] / tenth[0] == pytest.approx(expected[0] / expected[1], rel=1e-5)
    last = resampling_weights(GRADES, 2000, start, end)
    assert last.sum() == pytest.approx(1) and last[60] / last[0] == pytest.approx(2)
