from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as scipy_softmax

from eyecli.metrics import calibration
from eyecli.metrics.calibration import (
    COLDEST,
    HOTTEST,
    bins_of,
    brier,
    debiased_calibration_error,
    expected_calibration_error,
    fit_temperature,
    reliability,
    softmax,
    top_label,
)


def drawn(n: int, k: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes drawn from logits, and the logits times a temperature: too sure of themselves."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, k)) * 2
    classes = (scipy_softmax(true, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return true * temperature, classes


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    logits, classes = drawn(20_000, 5, temperature)
    assert fit_temperature(logits, classes) == pytest.approx(temperature, rel=0.03)


@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(0.2, 5))
@settings(max_examples=25, deadline=None)
def test_no_other_temperature_has_less_log_loss(seed: int, k: int, factor: float) -> None:
    logits, classes = drawn(200, k, factor, seed)

    def loss(log_t: float) -> float:
        return float(-log_softmax(logits / np.exp(log_t), axis=1)[np.arange(200), classes].mean())

    best = minimize_scalar(loss, bounds=(np.log(0.01), np.log(100)), method="bounded",
                           options={"xatol": 1e-10})  # fmt: skip
    assert loss(np.log(fit_temperature(logits, classes))) <= best.fun + 1e-12
    # One logit of two classes is the difference of theirs; logits may be shifted.
    if k == 2:
        one = fit_temperature(logits[:, 1] - logits[:, 0], classes == 1)
        assert one == pytest.approx(fit_temperature(logits, classes), rel=1e-6)
    assert fit_temperature(logits + 7, classes) == pytest.approx(
        fit_temperature(logits, classes), rel=1e-6
    )


def test_temperatures_end_where_the_search_does() -> None:
    perfect = np.eye(3) * 5
    assert fit_temperature(perfect, np.arange(3)) == COLDEST
    assert fit_temperature(-perfect, np.arange(3)) == HOTTEST
    for logits in (np.zeros((0, 3)), np.full((2, 3), np.nan), np.array([[0, -np.inf]])):
        with pytest.raises(ValueError, match="finite"):
            fit_temperature(logits, np.zeros(len(logits), int))


def test_softmax_is_scipys_even_where_numbers_are_large() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 5, 3)) * 1000
    np.testing.assert_allclose(softmax(logits), scipy_softmax(logits, axis=-1), atol=1e-15)


def test_the_top_label() -> None:
    confidence, right = top_label(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]))
    assert confidence.tolist() == [0.8, 0.6] and right.tolist() == [True, False]


CLAIMS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=80)


@given(CLAIMS, st.integers(1, 20), st.randoms())
def test_bins_keep_ties_and_the_order_plays_no_part(
    claims: list[tuple[int, bool]], bins: int, random: object
) -> None:
    confidence, outcome = np.array([c for c, _ in claims]) / 20, np.array([o for _, o in claims])
    owner = bins_of(confidence, bins)
    assert owner.max() < bins and set(owner) == set(range(owner.max() + 1))
    for value in set(confidence):
        assert len(set(owner[confidence == value])) == 1
    assert (np.diff(owner[np.argsort(confidence, kind="stable")]) >= 0).all()
    order = np.arange(len(claims))
    random.shuffle(order)  # type: ignore[attr-defined]
    found = reliability(confidence, outcome, bins)
    turned = reliability(confidence[order], outcome[order], bins)
    for mine, theirs in zip(found, turned, strict=True):
        np.testing.assert_allclose(mine, theirs)
    by_hand = sum(
        abs(confidence[owner == b].mean() - outcome[owner == b].mean()) * (owner == b).mean()
        for b in set(owner)
    )
    assert expected_calibration_error(confidence, outcome, bins) == pytest.approx(by_hand)


def test_bins_without_ties_hold_equal_shares() -> None:
    confidence = np.random.default_rng(0).permutation(47) / 47
    expected = [len(part) for part in np.array_split(np.arange(47), 15)]
    found = np.bincount(bins_of(confidence))
    assert sorted(found) == sorted(expected)
    assert bins_of(np.arange(6) / 6, 3).tolist() == [0, 0, 1, 1, 2, 2]


def test_the_error_of_a_perfect_model_is_bias_and_the_debiased_form_removes_it() -> None:
    """Many small test sets of a model that says the truth, and of one that is off by 0.1."""
    rng = np.random.default_rng(5)
    plain, debiased = [], []
    for _ in range(300):
        claimed = rng.uniform(0.2, 0.8, 400)
        came = rng.random(400) < claimed + 0.1
        plain.append(expected_calibration_error(claimed, came))
        debiased.append(debiased_calibration_error(claimed, came))
    assert abs(np.mean(debiased) - 0.1) < 0.4 * abs(np.mean(plain) - 0.1)
    came = rng.random(400) < claimed
    assert debiased_calibration_error(claimed, came) < 0.6 * expected_calibration_error(
        claimed, came
    )


def test_the_debiased_error_is_that_of_resampling() -> None:
    """Kumar, Liang and Ma draw the frequencies of the bins anew, a thousand times and more."""
    rng = np.random.default_rng(2)
    claimed = rng.beta(2, 2, 900)
    came = rng.random(900) < claimed**1.3
    table = reliability(claimed, came)
    share = table.samples / 900
    deviation = np.sqrt(table.frequency * (1 - table.frequency) / table.samples)
    again = rng.normal(table.frequency, deviation, size=(200_000, len(share)))
    expected = 2 * share @ np.abs(table.confidence - table.frequency) - np.mean(
        np.abs(again - table.confidence) @ share
    )
    assert debiased_calibration_error(claimed, came) == pytest.approx(expected, abs=2e-4)


def test_a_bin_that_is_all_right_has_no_bias() -> None:
    claimed, came = np.full(10, 0.9), np.ones(10, bool)
    assert debiased_calibration_error(claimed, came) == pytest.approx(0.1)
    assert calibration._folded_normal_mean(-0.2, 0.0) == 0.2


def test_calibration_of_nothing_or_of_no_probabilities_is_refused() -> None:
    for confidence in ([], [1.2], [np.nan], [-0.1]):
        with pytest.raises(ValueError, match="0 to 1"):
            reliability(np.array(confidence), np.ones(len(confidence), bool))


def test_briers_score_by_hand() -> None:
    assert brier(np.array([0.7, 0.2]), np.array([True, True])) == pytest.approx([0.09, 0.64])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])
    assert brier(probabilities, np.array([0, 1])) == pytest.approx([0.09 + 0.04 + 0.01, 2])
