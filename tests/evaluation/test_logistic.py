"""Logistic regression: the least penalised loss, and a penalty that suits new groups."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from eyecli.evaluation import logistic
from eyecli.evaluation.logistic import PENALTIES, fit_logistic


def drawn(n: int, p: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, answers to three questions of which the last is noise, and groups of two."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * rng.uniform(0.1, 10, p) + rng.normal(size=p)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    score = z[:, 0] - z[:, 1] + 0.5 * rng.normal(size=n)
    return x, np.column_stack([score > -0.5, score > 0.5, rng.random(n) < 0.3]), np.arange(n) // 2


@pytest.mark.parametrize(("n", "p"), [(60, 8), (40, 100)])
def test_it_is_the_solution_of_scikit_learn(n: int, p: int) -> None:
    x, yes, groups = drawn(n, p)
    found = fit_logistic(x, yes, groups)
    z = (x - x.mean(axis=0)) / x.std(axis=0) / np.sqrt(p)
    for question in range(3):
        strength = 1 / (found.penalties[question] * n)
        exact = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000).fit(z, yes[:, question])
        logits = x @ found.weight[:, question] + found.bias[question]
        np.testing.assert_allclose(logits, exact.decision_function(z), atol=0.02)


def test_the_penalty_suits_groups_that_were_held_out() -> None:
    x, yes, groups = drawn(200, 20)
    found = fit_logistic(x, yes, groups)
    assert found.penalties[2] == PENALTIES[-1] > found.penalties[0]
    # Twins of one group would give each other away.
    twins = fit_logistic(np.vstack([x, x]), np.vstack([yes, yes]), np.arange(400))
    assert twins.penalties[2] < found.penalties[2]


def test_held_out_predictions_come_from_fits_without_their_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logistic, "PENALTIES", np.array([1e-6]))
    rng = np.random.default_rng(0)
    # More features than samples, and answers by chance: fits know them all by heart.
    x, yes = rng.normal(size=(60, 200)), rng.random((60, 1)) < 0.5
    found = fit_logistic(x, yes, np.arange(60))
    fitted = x @ found.weight + found.bias
    assert ((fitted > 0) == yes).mean() > 0.9
    assert 0.2 < ((found.held_out > 0) == yes).mean() < 0.8


def test_what_never_varies_and_what_is_always_yes_break_nothing() -> None:
    x, yes, groups = drawn(40, 5)
    x[:, 3], yes[:, 1] = 7.0, True
    found = fit_logistic(x, yes, groups)
    assert np.isfinite(found.weight).all() and not found.weight[3].any()
    assert (x @ found.weight + found.bias)[:, 1].min() > 3


def test_many_samples_choose_penalties_by_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "MOST", 30)
    x, yes, groups = drawn(100, 5)
    found = fit_logistic(x, yes, groups)
    assert (~np.isnan(found.held_out[:, 0])).sum() == 30
    assert ((x @ found.weight + found.bias > 0) == yes)[:, 0].mean() > 0.8
