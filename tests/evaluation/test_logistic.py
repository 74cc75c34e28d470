from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from eyecli.evaluation.logistic import ALPHAS, Logistic, fit_logistic, log_loss
from eyecli.evaluation.ridge import group_folds


def problem(n: int, p: int, k: int = 3, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features of very different scales, and classes that depend on them; pairs are groups."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, p))
    y = (z @ rng.normal(size=(p, k)) / np.sqrt(max(p, 1)) * 2 + rng.gumbel(size=(n, k))).argmax(
        axis=1
    )
    y[:k] = range(k)
    return z * 10 ** rng.uniform(-2, 2, p) + rng.normal(size=p), y, np.arange(n) // 2


def by_scipy(x: np.ndarray, y: np.ndarray, alpha: float, k: int) -> tuple[np.ndarray, ...]:
    """Plain minimisation over all weights and biases, with a gradient; on standardised rows."""
    n, p = x.shape
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    truth = np.eye(k)[y]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = flat[: p * k].reshape(p, k), flat[p * k :]
        loss = -(truth * log_softmax(z @ w + b, axis=1)).sum() / n + alpha / 2 * (w**2).sum()
        error = (softmax(z @ w + b, axis=1) - truth) / n
        return loss, np.concatenate([(z.T @ error + alpha * w).ravel(), error.sum(axis=0)])

    found = minimize(objective, np.zeros((p + 1) * k), jac=True, method="BFGS",
                     options={"gtol": 1e-9, "maxiter": 5000}).x  # fmt: skip
    return found[: p * k].reshape(p, k), found[p * k :]


@pytest.mark.parametrize(("n", "p", "k"), [(60, 4, 3), (30, 29, 2), (24, 40, 4), (12, 1, 2)])
@pytest.mark.parametrize("alpha", [1e-3, 0.3, 10.0])
def test_equals_a_plain_minimisation(n: int, p: int, k: int, alpha: float) -> None:
    x, y, groups = problem(n, p, k)
    found = fit_logistic(x, y, groups, k, alphas=[alpha])
    w, b = by_scipy(x, y, alpha, k)
    np.testing.assert_allclose(found.weight, w, atol=1e-4)
    np.testing.assert_allclose(found.bias, b - b.mean(), atol=1e-4)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    np.testing.assert_allclose(found.probabilities(x), softmax(z @ w + b, axis=1), atol=1e-5)


@given(st.integers(10, 40), st.integers(1, 50), st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_the_gradient_vanishes(n: int, p: int, seed: int) -> None:
    x, y, groups = problem(n, p, 3, seed)
    found = fit_logistic(x, y, groups, 3, alphas=[0.01, 1.0])
    z = (x - found.mean) / found.std
    error = (found.probabilities(x) - np.eye(3)[y]) / n
    np.testing.assert_allclose(z.T @ error + found.alpha * found.weight, 0, atol=1e-5)
    np.testing.assert_allclose(error.sum(axis=0), 0, atol=1e-5)


def held_out_loss(x: np.ndarray, y: np.ndarray, groups: np.ndarray, alpha: float, k: int) -> float:
    fold, total = group_folds(groups, 0, 5), 0.0
    for number in range(5):
        kept, left = fold != number, fold == number
        one = fit_logistic(x[kept], y[kept], groups[kept], k, alphas=[alpha])
        total += float(log_loss(one.logits(x[left]), y[left]).sum())
    return total


def test_the_penalty_has_the_least_loss_on_groups_left_out() -> None:
    x, y, groups = problem(60, 30)
    alphas = ALPHAS[4::2]
    losses = [held_out_loss(x, y, groups, alpha, 3) for alpha in alphas]
    assert 0 < np.argmin(losses) < len(alphas) - 1
    assert fit_logistic(x, y, groups, 3, alphas=alphas).alpha == alphas[int(np.argmin(losses))]


def test_the_penalty_is_chosen_for_new_people() -> None:
    """Features that tell people apart, each of one class: their other eyes reward learning them
    by heart, new people punish it.
    """
    rng = np.random.default_rng(1)
    people, eyes = 20, 6
    face = np.repeat(rng.normal(size=(people, 40)), eyes, axis=0)
    x = face + 0.1 * rng.normal(size=face.shape)
    y = np.repeat(np.arange(people) % 2, eyes)
    who = np.repeat(np.arange(people), eyes)
    alphas = ALPHAS[4::2]
    together = fit_logistic(x, y, who, 2, alphas=alphas).alpha
    apart = fit_logistic(x, y, np.arange(len(x)), 2, alphas=alphas).alpha
    assert together >= 100 * apart


def test_log_loss_is_scipys() -> None:
    logits = np.random.default_rng(0).normal(size=(9, 4)) * 500
    y = np.arange(9) % 4
    np.testing.assert_allclose(log_loss(logits, y), -log_softmax(logits, axis=1)[range(9), y])


def finite(found: Logistic) -> bool:
    return all(np.isfinite(a).all() for a in (found.weight, found.bias, found.mean, found.std))


@pytest.mark.parametrize("p", [0, 4, 60])
def test_features_that_do_not_vary_change_nothing(p: int) -> None:
    x, y, groups = problem(30, p)
    padded = np.hstack([x, np.zeros((30, 1)), np.full((30, 1), 1e6 + 0.1)])
    plain, more = (fit_logistic(z, y, groups, 3, alphas=[0.1, 1.0]) for z in (x, padded))
    assert finite(more)
    np.testing.assert_allclose(more.probabilities(padded), plain.probabilities(x), atol=1e-5)
    if not p:
        shares = np.bincount(y) / 30
        np.testing.assert_allclose(plain.probabilities(x), np.tile(shares, (30, 1)), atol=1e-6)


def test_a_class_without_rows_is_never_said() -> None:
    x, y, groups = problem(40, 5)
    plain, more = fit_logistic(x, y, groups, 3), fit_logistic(x, y * 2, groups, 6)
    far = x * 1000
    assert more.probabilities(far)[:, [1, 3, 5]].max() < 1e-12
    np.testing.assert_allclose(more.probabilities(x)[:, ::2], plain.probabilities(x), atol=1e-9)
    # One group has all there is of a class: left out, it cannot be known.
    y[y == 2], y[:2] = 1, 2
    assert finite(fit_logistic(x, y, groups, 3))


def test_one_class_one_group_or_one_row() -> None:
    x, y, groups = problem(10, 3)
    assert finite(fit_logistic(x, y, ["one"] * 10, 3))
    same = fit_logistic(x, np.full(10, 2), np.arange(10), 3)
    np.testing.assert_allclose(same.probabilities(x)[:, 2], 1)
    assert fit_logistic(x[:1], y[:1], groups[:1], 3).probabilities(x).argmax() == y[0]


def test_what_cannot_be_fitted_is_refused() -> None:
    x, y, groups = problem(10, 3)
    with pytest.raises(ValueError, match="classes from 0 to 1"):
        fit_logistic(x, y, groups, 2)
    with pytest.raises(ValueError, match="rows"):
        fit_logistic(x[:0], y[:0], groups[:0], 3)
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        fit_logistic(x, y, groups, 3)


def test_it_is_the_same_every_time_in_any_units() -> None:
    x, y, groups = problem(40, 60)
    one, again = (fit_logistic(x, y, groups, 3, alphas=ALPHAS[6:]) for _ in range(2))
    assert one.weight.tobytes() == again.weight.tobytes()
    other = fit_logistic(x * 50 - 3, y, groups, 3, alphas=ALPHAS[6:])
    assert other.alpha == one.alpha
    np.testing.assert_allclose(other.probabilities(x * 50 - 3), one.probabilities(x), atol=1e-5)
