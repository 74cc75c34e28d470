"""The ladder: exact recovery, closed forms against loops, points as the unit, degenerate points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.calibration import press
from eyecli.calibration.regressors import (
    ALPHAS,
    LADDER,
    Points,
    aggregate,
    fit_affine,
    fit_bias,
    fit_ridge,
)
from eyecli.calibration.samples import Floats, Samples
from eyecli.coreml.heads.forms import Head, Kind

SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(5, 14)
TARGETS = np.array([10.0, 7.0])


def one_a_point(base: Floats, target: Floats, embedding: Floats) -> Points:
    n = len(base)
    ones = np.ones(n, np.intp)
    scale = embedding.std(axis=0)
    return Points(np.arange(n).astype(str), embedding, base, target, scale, ones, ones)


def random_points(seed: int, p: int, dims: int = 7) -> Points:
    rng = np.random.default_rng(seed)
    target = rng.uniform(-1, 1, (p, 2)) * TARGETS
    embedding = target @ rng.normal(size=(2, dims)) + rng.normal(0, 3, (p, dims))
    return one_a_point(target + rng.normal(1, 1, (p, 2)), target, embedding)


def without(points: Points, i: int) -> Points:
    keep = np.arange(len(points)) != i
    return replace(
        points, **{name: getattr(points, name)[keep] for name in
                   ("point", "embedding", "base", "target", "valid", "frames")}
    )  # fmt: skip


def predict(head: Head, points: Points) -> Floats:
    return np.hstack([points.base, points.embedding]) @ head.weight.T + head.bias


def frames_of(points: Points, seed: int, count: int = 4) -> Samples:
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(len(points)), count)
    n = len(code)
    return Samples(
        embedding=points.embedding[code] + rng.normal(0, 0.1, (n, points.embedding.shape[1])),
        base=points.base[code] + rng.normal(0, 0.1, (n, 2)),
        target=points.target[code],
        point=points.point[code],
        quality=rng.uniform(0.3, 1, n),
    )


@settings(deadline=None)
@given(SEEDS, COUNTS)
def test_bias_recovers_a_shift(seed: int, p: int) -> None:
    points = random_points(seed, p)
    shift = np.random.default_rng(seed).normal(0, 5, 2)
    fit = fit_bias(replace(points, base=points.target - shift))
    assert fit is not None
    np.testing.assert_allclose(fit.head.bias, shift, atol=1e-9)
    np.testing.assert_array_equal(fit.head.weight[:, :2], np.eye(2))
    np.testing.assert_allclose(fit.residual, 0, atol=1e-9)


@settings(deadline=None)
@given(SEEDS, COUNTS)
def test_affine_recovers_an_affine_map(seed: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    points = random_points(seed, p)
    matrix = np.eye(2) + rng.uniform(-0.3, 0.3, (2, 2))
    shift = rng.normal(0, 5, 2)
    fit = fit_affine(replace(points, target=points.base @ matrix.T + shift))
    if fit is None:  # random points may lie along a line
        return
    np.testing.assert_allclose(fit.head.weight[:, :2], matrix, atol=1e-6)
    np.testing.assert_allclose(fit.head.bias, shift, atol=1e-6)
    np.testing.assert_allclose(fit.residual, 0, atol=1e-6)


@settings(deadline=None)
@given(SEEDS, COUNTS, st.sampled_from(["identity", "bias", "affine"]))
def test_left_out_residuals_equal_those_of_a_loop(seed: int, p: int, kind: Kind) -> None:
    points = random_points(seed, p + 1)
    fit = LADDER[kind](points)
    if fit is None:
        return
    for i in range(len(points)):
        refit = LADDER[kind](without(points, i))
        if refit is None:
            continue
        naive = points.target[i] - predict(refit.head, points)[i]
        np.testing.assert_allclose(fit.residual[i], naive, rtol=1e-6, atol=1e-7)


def plain_ridge(points: Points, alpha: float, prior: int, penalty: Floats) -> Head:
    """Ridge by the normal equations, the penalty of each embedding value given."""
    mean = points.embedding.mean(axis=0)
    x = points.embedding - mean
    y = points.target - prior * points.base
    weight = np.linalg.solve(x.T @ x + alpha * np.diag(penalty), x.T @ (y - y.mean(axis=0))).T
    weight = np.hstack([prior * np.eye(2), weight])
    return Head("ridge", weight, y.mean(axis=0) - weight[:, 2:] @ mean, alpha)


def loop_ridge(points: Points, penalty: Floats) -> tuple[Head, Floats]:
    """The best setting, and residuals (settings, p, 2) of the points left out one by one."""
    grid = [(alpha, prior) for alpha in ALPHAS for prior in (1, 0)]
    residual = np.array([
        [
            points.target[i]
            - predict(plain_ridge(without(points, i), alpha, prior, penalty), points)[i]
            for i in range(len(points))
        ]
        for alpha, prior in grid
    ])  # fmt: skip
    alpha, prior = grid[int(np.hypot(*residual.transpose(2, 0, 1)).mean(axis=1).argmin())]
    return plain_ridge(points, alpha, prior, penalty), residual


@settings(max_examples=5, deadline=None)
@given(SEEDS, st.integers(6, 8), st.sampled_from([3, 12]))
def test_nested_ridge_equals_two_loops(seed: int, p: int, dims: int) -> None:
    points = random_points(seed, p, dims)
    fit = fit_ridge(points)
    if fit is None:
        return
    penalty = p * dims * points.scale**2
    head, residual = loop_ridge(points, penalty)
    assert fit.head.alpha == head.alpha
    np.testing.assert_allclose(fit.head.weight, head.weight, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fit.head.bias, head.bias, rtol=1e-6, atol=1e-7)
    for i in range(p):
        inner = loop_ridge(without(points, i), penalty)[1]
        chosen = int(np.hypot(*inner.transpose(2, 0, 1)).mean(axis=1).argmin())
        np.testing.assert_allclose(fit.residual[i], residual[chosen, i], rtol=1e-6, atol=1e-7)


def test_many_points_take_the_plain_leave_out(monkeypatch: pytest.MonkeyPatch) -> None:
    points = random_points(3, 60)
    nested = fit_ridge(points)
    monkeypatch.setattr(press, "NESTED_POINTS", 10)
    plain = fit_ridge(points)
    assert nested is not None and plain is not None
    np.testing.assert_array_equal(nested.head.weight, plain.head.weight)
    flattered = np.hypot(*plain.residual.T).mean() - np.hypot(*nested.residual.T).mean()
    assert -0.1 < flattered <= 1e-9


def test_nested_error_of_ridge_is_that_of_fresh_points() -> None:
    """The plain minimum over the settings flatters; the nested one does not."""
    nested, fresh = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        target = rng.uniform(-1, 1, (409, 2)) * TARGETS
        base = target + rng.normal(0, 0.8, (409, 2))
        everything = one_a_point(base, target, rng.normal(size=(409, 40)))
        points = one_a_point(base[:9], target[:9], everything.embedding[:9])
        fit = fit_ridge(points)
        if fit is None:
            continue
        nested.append(np.hypot(*fit.residual.T).mean())
        fresh.append(np.hypot(*(target - predict(fit.head, everything))[9:].T).mean())
    assert np.mean(nested) == pytest.approx(np.mean(fresh), rel=0.05)


@settings(max_examples=40, deadline=None)
@given(SEEDS, COUNTS, st.sampled_from(list(LADDER)))
def test_order_and_repetition_of_frames_change_nothing(seed: int, p: int, kind: Kind) -> None:
    samples = frames_of(random_points(seed, p), seed)
    points = aggregate(samples)
    rng = np.random.default_rng(seed)
    repeated = np.flatnonzero(samples.point == points.point[0])
    rows = rng.permutation(np.concatenate([np.arange(len(samples)), repeated, repeated]))
    again = aggregate(
        replace(samples, **{name: getattr(samples, name)[rows] for name in
                            ("embedding", "base", "target", "point", "quality")})
    )  # fmt: skip
    for name in ("point", "embedding", "base", "target", "scale", "lost"):
        a, b = getattr(points, name), getattr(again, name)
        if name in ("point", "lost"):
            assert list(a) == list(b)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    a, b = LADDER[kind](points), LADDER[kind](again)
    assert (a is None) == (b is None)
    if a is not None and b is not None:
        np.testing.assert_allclose(a.residual, b.residual, rtol=1e-5, atol=1e-6)


def test_points_are_robust_means_of_good_frames() -> None:
    base = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [1.5, 0.5], [40, 40], [9, 9], [3, 3.0]])
    samples = Samples(
        embedding=base[:, :1].copy(),
        base=base,
        target=np.repeat([[1.0, 2.0], [5.0, 6.0]], [7, 1], axis=0),
        point=np.array(["a"] * 7 + ["b"]),
        quality=np.array([1, 1, 1, 1, 0.5, 1, 0.4, 0.2]),
    )
    points = aggregate(samples)
    assert points.point.tolist() == ["a"] and points.lost == ("b",)
    # 40 is far from the median, 9 is of low quality, the fifth counts half.
    np.testing.assert_allclose(points.base, [[2.75 / 4.5, 0.5]])
    np.testing.assert_array_equal(points.target, [[1, 2]])
    assert points.valid.tolist() == [6] and points.frames.tolist() == [7]


def test_no_good_frame_leaves_no_point() -> None:
    samples = frames_of(random_points(0, 5), 0)
    points = aggregate(replace(samples, quality=np.zeros(len(samples))))
    assert len(points) == 0 and len(points.lost) == 5


@pytest.mark.parametrize(
    "target",
    [
        np.stack([np.linspace(-9, 9, 9), np.full(9, 2.0)], axis=1),
        np.stack([np.linspace(-9, 9, 9), np.linspace(-6, 6, 9)], axis=1),
        np.repeat([[3.0, 4.0]], 9, axis=0),
        np.repeat([[3.0, 4.0], [5.0, 1.0]], [4, 5], axis=0),
    ],
    ids=["row", "diagonal", "one place", "two places"],
)
def test_points_on_a_line_determine_no_affine_and_no_ridge(target: Floats) -> None:
    rng = np.random.default_rng(1)
    points = one_a_point(target + rng.normal(0, 0.5, (9, 2)), target, rng.normal(size=(9, 20)))
    assert fit_affine(points) is None
    assert fit_ridge(points) is None
    assert fit_bias(points) is not None


def test_a_dead_base_prediction_determines_no_affine() -> None:
    points = random_points(2, 9)
    assert fit_affine(replace(points, base=np.ones((9, 2)))) is None


def test_a_dead_embedding_leaves_ridge_finite() -> None:
    points = random_points(2, 9)
    dead = replace(points, embedding=np.ones_like(points.embedding), scale=0 * points.scale)
    fit, bias = fit_ridge(dead), fit_bias(points)
    assert fit is not None and bias is not None
    np.testing.assert_array_equal(fit.head.weight, bias.head.weight)
    np.testing.assert_allclose(fit.residual, bias.residual, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 6), st.sampled_from([1e-6, 1.0, 1e6]))
def test_no_rung_ever_blows_up(seed: int, p: int, size: float) -> None:
    points = random_points(seed, p)
    points = one_a_point(points.base * size, points.target * size, points.embedding)
    for make in LADDER.values():
        fit = make(points)
        if fit is not None:
            for values in (fit.head.weight, fit.head.bias, fit.residual):
                assert np.isfinite(values).all()


def test_ridge_predicts_the_target_where_the_base_is_noise() -> None:
    rng = np.random.default_rng(0)
    target = rng.uniform(-1, 1, (155, 2)) * TARGETS
    embedding = target @ rng.normal(size=(2, 128)) + rng.normal(0, 1, (155, 128))
    points = one_a_point(rng.normal(0, 5, (155, 2)), target, embedding)
    fit = fit_ridge(points)
    assert fit is not None
    np.testing.assert_array_equal(fit.head.weight[:, :2], 0)
    assert np.hypot(*fit.residual.T).mean() < 1
    fit = fit_ridge(replace(points, base=target + rng.normal(0, 0.05, (155, 2))))
    assert fit is not None
    np.testing.assert_array_equal(fit.head.weight[:, :2], np.eye(2))
