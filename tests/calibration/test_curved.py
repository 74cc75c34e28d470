"""Quadratic, kernels and hidden layer: closed forms against loops, and what they can learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import simulated_users as sim
from hypothesis import given, settings
from hypothesis import strategies as st
from test_regressors import one_a_point, random_points, without

from eyecli.calibration import curved
from eyecli.calibration.curved import CURVED
from eyecli.calibration.regressors import Points, aggregate
from eyecli.calibration.samples import Floats
from eyecli.calibration.select import select
from eyecli.coreml.heads.forms import Head, Kind, Rbf, apply
from eyecli.errors import CheckError

SEEDS = st.integers(0, 2**32 - 1)
KINDS: tuple[Kind, ...] = ("quadratic", "rbf", "mlp")


def explicit(points: Points, head: Head, like: Points) -> Head:
    """The ridge of a kind by its normal equations; features and penalty as of `like`."""
    assert head.features is not None and head.alpha is not None
    p, prior = len(like), head.weight[0, 0]
    y = points.target - prior * points.base
    x = head.features(points.base, points.embedding)
    if isinstance(head.features, Rbf):
        form = replace(
            head.features, support=head.features.support[np.isin(like.point, points.point)]
        )
        n = len(points)
        kernel = form(points.base, points.embedding)
        system = np.block([[kernel + p * head.alpha * np.eye(n), np.ones((n, 1))],
                           [np.ones((1, n)), np.zeros((1, 1))]])  # fmt: skip
        solved = np.linalg.solve(system, np.vstack([y, np.zeros((1, 2))]))
        weight = np.hstack([prior * np.eye(2), solved[:-1].T])
        return Head("rbf", weight, solved[-1], head.alpha, form)
    spread = head.features(like.base, like.embedding).std(axis=0)
    scale = np.maximum(spread, 0.05 * np.sqrt(np.mean(spread**2)))
    mean = x.mean(axis=0)
    penalty = p * head.alpha * x.shape[1] * np.diag(scale**2)
    centred = x - mean
    w = np.linalg.solve(centred.T @ centred + penalty, centred.T @ (y - y.mean(axis=0))).T
    weight = np.hstack([prior * np.eye(2), w])
    return replace(head, weight=weight, bias=y.mean(axis=0) - w @ mean)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(6, 14), st.sampled_from(KINDS))
def test_left_out_residuals_equal_those_of_a_loop(seed: int, p: int, kind: Kind) -> None:
    with pytest.MonkeyPatch.context() as patch:  # one setting: no choice to nest
        patch.setattr(curved, "ALPHAS_QUADRATIC", np.array([0.1]))
        patch.setattr(curved, "ALPHAS_RBF", np.array([0.1]))
        patch.setattr(curved, "ALPHAS", np.array([0.1]))
        patch.setattr(curved, "WIDTHS", np.array([0.7]))
        points = random_points(seed, p)
        points = replace(points, base=points.base + 100)  # the base alone is no use
        fit = CURVED[kind](points)
    if fit is None:  # random points may lie along a line
        return
    whole = explicit(points, fit.head, points)
    np.testing.assert_allclose(fit.head.weight, whole.weight, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fit.head.bias, whole.bias, rtol=1e-5, atol=1e-4)
    if kind == "rbf":
        return  # two priors: the choice among them is nested, tested below
    for i in range(p):
        refit = explicit(without(points, i), fit.head, points)
        naive = points.target[i] - apply(refit, points.base, points.embedding)[i]
        np.testing.assert_allclose(fit.residual[i], naive, rtol=1e-5, atol=1e-5)


def test_left_out_residuals_of_a_kernel_equal_those_of_a_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curved, "ALPHAS_RBF", np.array([0.1]))
    monkeypatch.setattr(curved, "WIDTHS", np.array([0.7]))
    points = random_points(3, 14)
    # So poor a base prediction that every inner choice is to do without.
    points = replace(points, base=np.random.default_rng(0).normal(0, 100, (14, 2)))
    fit = CURVED["rbf"](points)
    assert fit is not None and not fit.head.weight[:, :2].any()
    for i in range(14):
        refit = explicit(without(points, i), fit.head, points)
        naive = points.target[i] - apply(refit, points.base, points.embedding)[i]
        np.testing.assert_allclose(fit.residual[i], naive, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_nested_error_is_that_of_fresh_points(kind: Kind) -> None:
    nested, fresh = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        target = rng.uniform(-1, 1, (209, 2)) * np.array([10.0, 7.0])
        base = target + rng.normal(0, 0.8, (209, 2))
        everything = one_a_point(base, target, rng.normal(size=(209, 20)))
        points = one_a_point(base[:9], target[:9], everything.embedding[:9])
        fit = CURVED[kind](points)
        if fit is None:
            continue
        nested.append(np.hypot(*fit.residual.T).mean())
        left = target - apply(fit.head, base, everything.embedding)
        fresh.append(np.hypot(*left[9:].T).mean())
    # A little too good at most, since a point that is left out has taken part in the scale of the
    # features; a little too bad, since it is of fits to eight points.
    assert 0.95 * np.mean(fresh) < np.mean(nested) < 1.12 * np.mean(fresh)


def bent(base: Floats) -> Floats:
    """An error of up to 3 cm that no affine map removes."""
    x, y = base.T / 10
    return base + np.stack([2 * x * y - y, 3 * x * x - 1.5 * y * y], axis=1)


@pytest.mark.parametrize("swap", [False, True], ids=["right", "swapped"])
def test_a_quadratic_map_is_recovered(swap: bool) -> None:
    """And not with the axes of its terms swapped."""
    rng = np.random.default_rng(1)
    base = rng.uniform(-10, 10, (25, 2))
    points = one_a_point(base, bent(base), rng.normal(size=(25, 6)))
    fit = CURVED["quadratic"](points)
    assert fit is not None
    head = fit.head
    if swap:
        head = replace(head, weight=head.weight[:, [0, 1, 2, 3, 6, 5, 4]])
    fresh = rng.uniform(-10, 10, (50, 2))
    gap = np.abs(apply(head, fresh, rng.normal(size=(50, 6))) - bent(fresh)).max()
    assert gap > 1 if swap else gap < 0.01


@pytest.mark.parametrize("kind", ["rbf", "mlp"])
def test_a_bend_in_the_embedding_is_learnt(kind: Kind) -> None:
    rng = np.random.default_rng(2)
    base = rng.uniform(-10, 10, (155, 2))
    mixing = rng.normal(size=(2, 30)) / 10

    def seen(xy: Floats) -> Floats:
        return xy @ mixing + rng.normal(0, 0.02, (len(xy), 30))

    points = one_a_point(base, bent(base), seen(base))
    fit, affine = CURVED[kind](points), select_error(points)
    assert fit is not None
    fresh = rng.uniform(-10, 10, (100, 2))
    left = np.hypot(*(apply(fit.head, fresh, seen(fresh)) - bent(fresh)).T).mean()
    assert left < 0.4 * affine
    assert left == pytest.approx(np.hypot(*fit.residual.T).mean(), rel=0.4)


def select_error(points: Points) -> float:
    from eyecli.calibration.regressors import fit_affine

    fit = fit_affine(points)
    assert fit is not None
    return float(np.hypot(*fit.residual.T).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_is_the_same_every_time(kind: Kind) -> None:
    one, two = (CURVED[kind](random_points(4, 20)) for _ in range(2))
    assert one is not None and two is not None
    np.testing.assert_array_equal(one.head.weight, two.head.weight)
    np.testing.assert_array_equal(one.residual, two.residual)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 8), st.sampled_from([1e-6, 1.0, 1e6]), st.sampled_from(KINDS))
def test_none_ever_blows_up(seed: int, p: int, size: float, kind: Kind) -> None:
    points = random_points(seed, p)
    points = one_a_point(points.base * size, points.target * size, points.embedding)
    fit = CURVED[kind](points)
    assert fit is None or p >= 5
    if fit is not None:
        for values in (fit.head.weight, fit.head.bias, fit.residual):
            assert np.isfinite(values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_dead_embeddings_and_targets_in_a_row(kind: Kind) -> None:
    points = random_points(2, 9)
    dead = replace(points, embedding=np.ones_like(points.embedding), scale=0 * points.scale)
    fit = CURVED[kind](dead)
    assert fit is not None and np.isfinite(fit.head.weight).all()
    row = replace(points, target=np.stack([np.linspace(-9, 9, 9), np.full(9, 2.0)], axis=1))
    assert CURVED[kind](row) is None


@pytest.mark.parametrize("kind", [*KINDS, "identity", "bias", "affine", "ridge"])
def test_a_named_kind_is_taken_and_judged_as_any_other(kind: Kind) -> None:
    rng = np.random.default_rng(7)
    samples = sim.calibration(rng, sim.network(rng), sim.user(rng, 1.5, 0.05), sim.grid())
    free, named = select(samples), select(samples, kind)
    assert named.head.kind == kind and named.before == free.before
    rows = {c.kind: c for c in named.candidates}
    assert rows.keys() == {c.kind for c in free.candidates} | {kind}
    assert all(rows[c.kind] == c for c in free.candidates), "the ladder is what it was"
    assert named.reason.startswith(f"{kind}: named")
    assert named.reason.endswith(f"; otherwise {free.reason}")
    assert ("surely better" in named.reason) == (kind != "identity")
    error = np.hypot(*named.residual.T).mean()
    assert named.after == pytest.approx(error)
    assert named.shrink == 1 or kind != "identity"


def test_points_that_do_not_determine_the_named_kind_are_said() -> None:
    rng = np.random.default_rng(7)
    row = np.stack([np.linspace(-9, 9, 9), np.full(9, 2.0)], axis=1)
    samples = sim.calibration(rng, sim.network(rng), sim.user(rng, 1.5, 0.05), row)
    with pytest.raises(CheckError, match="9 usable points do not determine a head of kind mlp"):
        select(samples, "mlp")
    assert len(aggregate(samples)) == 9
