from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.evaluation.ridge import ALPHAS, fit_ridge


def problem(n: int, p: int, seed: int = 0, groups: int = 6) -> tuple[np.ndarray, ...]:
    """Features of very different scales, two targets, and at most ten groups."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * 10 ** rng.uniform(-2, 2, p) + rng.normal(size=p)
    y = (x / x.std(axis=0)) @ rng.normal(size=(p, 2)) + 3 * rng.normal(size=(n, 2)) + [5, -7]
    return x, y, np.array([f"g{i % groups}" for i in range(n)])


def solve(
    x: np.ndarray, y: np.ndarray, alpha: float, standardise: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations, with the intercept left free: (Z'Z + n alpha I) w = Z'y."""
    std = x.std(axis=0) if standardise else np.ones(x.shape[1])
    std[std == 0] = 1
    z = (x - x.mean(axis=0)) / std
    w = np.linalg.solve(z.T @ z + len(z) * alpha * np.eye(z.shape[1]), z.T @ (y - y.mean(axis=0)))
    return w / std[:, None], y.mean(axis=0) - x.mean(axis=0) @ (w / std[:, None])


def best_alpha(x: np.ndarray, y: np.ndarray, groups: np.ndarray, standardise: bool = True) -> float:
    """The penalty that a plain loop over left-out groups likes best."""
    errors = []
    for alpha in ALPHAS:
        error = 0.0
        for group in set(groups):
            left = groups == group
            w, b = solve(x[~left], y[~left], alpha, standardise)
            error += ((x[left] @ w + b - y[left]) ** 2).sum()
        errors.append(error)
    return float(ALPHAS[int(np.argmin(errors))])


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize(("n", "p"), [(60, 5), (30, 30), (31, 30), (24, 70), (6, 3)])
def test_equals_the_normal_equations(n: int, p: int, standardise: bool) -> None:
    x, y, groups = problem(n, p)
    ridge = fit_ridge(x, y, groups, standardise=standardise)
    assert ridge.alpha == best_alpha(x, y, groups, standardise)
    w, b = solve(x, y, ridge.alpha, standardise)
    np.testing.assert_allclose(x @ ridge.weight, x @ w, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ridge.bias, b, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ridge.predict(x[:3]), x[:3] @ w + b, rtol=1e-6, atol=1e-6)


@given(st.integers(8, 40), st.integers(1, 50), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_gradient_vanishes(n: int, p: int, seed: int) -> None:
    """At the minimum of mean |y - zw|^2 + alpha |w|^2, whatever the shape."""
    x, y, groups = problem(n, p, seed)
    ridge = fit_ridge(x, y, groups)
    std = x.std(axis=0)
    z, w = (x - x.mean(axis=0)) / std, ridge.weight * std[:, None]
    residual = ridge.predict(x) - y
    np.testing.assert_allclose(z.T @ residual / n + ridge.alpha * w, 0, atol=1e-8)
    np.testing.assert_allclose(residual.mean(axis=0), 0, atol=1e-8)


def test_the_penalty_is_chosen_for_new_people() -> None:
    """Features that tell people apart, and an offset of each: frames of the same people reward
    learning the offsets by heart, new people punish it.
    """
    rng = np.random.default_rng(1)
    people, frames, p = 8, 20, 30
    face = np.repeat(rng.normal(size=(people, p)), frames, axis=0)
    signal = rng.normal(size=(people * frames, 1))
    x = np.hstack([face + 0.1 * rng.normal(size=face.shape), signal])
    y = 3 * np.repeat(rng.normal(size=(people, 2)), frames, axis=0) + signal
    who = np.repeat([f"p{i}" for i in range(people)], frames)
    together = fit_ridge(x, y, who).alpha
    apart = fit_ridge(x, y, [f"f{i}" for i in range(len(x))]).alpha
    assert together == best_alpha(x, y, who)
    assert together > 100 * apart


def test_one_group_is_divided_by_sample() -> None:
    x, y, _ = problem(10, 3)
    samples = np.array([f"f{i}" for i in range(10)])
    assert fit_ridge(x, y, ["one"] * 10).alpha == best_alpha(x, y, samples)


def test_many_groups_share_folds_and_the_seed_draws_them() -> None:
    x, y, _ = problem(60, 40)
    groups = [f"g{i // 2}" for i in range(60)]
    first, again = fit_ridge(x, y, groups, seed=0), fit_ridge(x, y, groups, seed=0)
    np.testing.assert_array_equal(first.weight, again.weight)
    # The names of the groups and the order of the samples within them play no part.
    order = np.arange(60).reshape(30, 2)[:, ::-1].ravel()
    turned = fit_ridge(x[order], y[order], groups)
    assert turned.alpha == first.alpha
    np.testing.assert_allclose(turned.weight, first.weight, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("p", [4, 60])
def test_constant_features_change_nothing(p: int) -> None:
    x, y, groups = problem(30, p)
    constant = np.hstack([x, np.zeros((30, 1)), np.full((30, 1), 1e6)])
    plain, padded = fit_ridge(x, y, groups), fit_ridge(constant, y, groups)
    assert plain.alpha == padded.alpha and np.isfinite(padded.weight).all()
    np.testing.assert_allclose(padded.predict(constant), plain.predict(x), rtol=1e-6)
    nothing = fit_ridge(np.ones((30, 2)), y, groups)
    np.testing.assert_allclose(nothing.predict(np.ones((1, 2))), [y.mean(axis=0)])


@given(st.floats(1e-3, 1e3), st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_units_play_no_part(scale: float, shift: float) -> None:
    x, y, groups = problem(40, 6)
    one, other = fit_ridge(x, y, groups), fit_ridge(x * scale + shift, y, groups)
    assert one.alpha == other.alpha
    np.testing.assert_allclose(
        other.predict(x * scale + shift), one.predict(x), rtol=1e-5, atol=1e-5
    )
