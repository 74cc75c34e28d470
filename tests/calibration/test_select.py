"""The choice: simulated users gain and are not harmed, rich heads win where they should."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import simulated_users as sim
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eyecli.calibration.head import apply_head
from eyecli.calibration.regressors import LADDER, fit_bias
from eyecli.calibration.samples import Floats, Samples
from eyecli.calibration.select import (
    Selection,
    paired_p_value,
    select,
    shift_p_value,
    t_tail,
)
from eyecli.calibration.verdict import judge

USERS = 1000
TEST_POINTS = 40
SEED = 20


def simulate(bias_sd: float, scale_sd: float) -> tuple[Floats, Floats, Counter[str]]:
    """Mean error on fresh points before and after (users,), and what was chosen."""
    rng = np.random.default_rng(SEED)
    net = sim.network(rng)
    before, after, kinds = [], [], Counter[str]()
    for _ in range(USERS):
        who = sim.user(rng, bias_sd, scale_sd)
        selection = select(sim.calibration(rng, net, who, sim.grid()))
        kinds[selection.head.kind] += 1
        target = sim.anywhere(rng, TEST_POINTS)
        drift = rng.normal(0, sim.DRIFT_SD_CM, 2)
        embedding, base = sim.look(rng, net, who, target, frames=1, drift=drift)
        before.append(np.hypot(*(base - target).T).mean())
        gaze = apply_head(selection.head, base, embedding)
        after.append(np.hypot(*(gaze - target).T).mean())
    return np.array(before), np.array(after), kinds


def test_users_gain_and_hardly_any_is_harmed() -> None:
    before, after, kinds = simulate(sim.BIAS_SD_CM, sim.SCALE_SD)
    # Both readings of "mean gain".
    assert np.mean(1 - after / before) >= 0.35
    assert 1 - after.mean() / before.mean() >= 0.35
    assert np.mean(after - before > 0.1) <= 0.02
    assert set(kinds) == {"identity", "bias", "affine", "ridge"}


def test_users_without_an_error_of_their_own_are_left_alone() -> None:
    before, after, _ = simulate(0.0, 0.0)
    assert np.mean(after - before > 0.1) <= 0.02


def test_ridge_wins_with_many_points_and_a_poor_base() -> None:
    rng = np.random.default_rng(1)
    net = sim.network(rng)
    who = sim.user(rng, sim.BIAS_SD_CM, sim.SCALE_SD)
    good = sim.calibration(rng, net, who, sim.anywhere(rng, 100))
    poor = 0.3 * good.base + np.repeat(rng.normal(0, 3, (100, 2)), sim.FRAMES, axis=0)
    selection = select(replace(good, base=poor))
    assert selection.head.kind == "ridge"
    target = sim.anywhere(rng, 300)
    embedding, base = sim.look(rng, net, who, target, frames=1)
    base = 0.3 * base + rng.normal(0, 3, base.shape)
    after = np.hypot(*(apply_head(selection.head, base, embedding) - target).T).mean()
    assert after < 0.3 * np.hypot(*(base - target).T).mean()
    assert after == pytest.approx(selection.after, rel=0.2)
    errors = {c.kind: c.error for c in selection.candidates}
    assert errors["ridge"] < 0.5 * min(errors[k] for k in ("identity", "bias", "affine"))


def test_affine_is_chosen_for_a_strong_scale_error() -> None:
    rng = np.random.default_rng(2)
    net = sim.network(rng)
    who = replace(sim.user(rng, 0.0, 0.0), scale=np.array([0.6, -0.4]))
    assert select(sim.calibration(rng, net, who, sim.anywhere(rng, 25))).head.kind == "affine"


def make(base: Floats, target: Floats) -> Samples:
    rng = np.random.default_rng(0)
    n = len(base)
    return Samples(rng.normal(size=(n, 16)), base, target, np.arange(n).astype(str), unit="cm")


def test_an_exact_shift_is_removed_whole() -> None:
    selection = select(make(sim.grid() + np.array([3.0, -2.0]), sim.grid()))
    assert (selection.head.kind, selection.shrink) == ("bias", pytest.approx(1))
    np.testing.assert_allclose(selection.head.bias, [-3, 2])
    assert selection.before == pytest.approx(np.hypot(3, 2))
    assert selection.after == pytest.approx(0, abs=1e-9)


@given(st.floats(-7, 7), st.floats(-7, 7), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_rounding_does_not_make_a_richer_head(x: float, y: float, seed: int) -> None:
    assume(np.hypot(x, y) > 1e-6)
    target = sim.anywhere(np.random.default_rng(seed), 9)
    assert select(make(target + np.array([x, y]), target)).head.kind == "bias"


def test_no_simpler_rung_is_within_one_standard_error() -> None:
    rng = np.random.default_rng(6)
    net = sim.network(rng)
    refused = 0
    for _ in range(100):
        who = sim.user(rng, 0.2, 0.02)
        selection = select(sim.calibration(rng, net, who, sim.anywhere(rng, 40), frames=1))
        errors = [np.hypot(*fit.residual.T) for make_fit in LADDER.values()
                  if (fit := make_fit(selection.points)) is not None]  # fmt: skip
        best = min(errors, key=np.mean)
        for candidate, error in zip(selection.candidates, errors, strict=True):
            if candidate.kind == selection.head.kind:
                break
            gap = error - best
            assert gap.mean() > gap.std(ddof=1) / np.sqrt(len(gap))
            refused += 1
    assert refused > 10


def test_an_exact_prediction_stays() -> None:
    selection = select(make(sim.grid(), sim.grid()))
    assert selection.head.kind == "identity"
    np.testing.assert_array_equal(selection.head.weight[:, :2], np.eye(2))


def test_the_correction_shrinks_as_the_points_disagree() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(9, 2))
    noise -= noise.mean(axis=0)
    shifted = sim.grid() + np.array([1.5, 0.0])
    calm, wild = (select(make(shifted + sd * noise, sim.grid())) for sd in (0.1, 0.9))
    assert calm.head.kind == wild.head.kind == "bias"
    assert 0 < wild.shrink < calm.shrink < 1
    np.testing.assert_allclose(wild.head.bias, [-1.5 * wild.shrink, 0], atol=1e-9)


def test_the_shrinkage_of_a_point_is_that_of_the_others() -> None:
    rng = np.random.default_rng(8)
    selection = select(
        make(sim.grid() + np.array([1.5, 0.0]) + 0.8 * rng.normal(size=(9, 2)), sim.grid())
    )
    fit = fit_bias(selection.points)
    assert fit is not None and selection.head.kind == "bias"
    error = selection.points.target - selection.points.base
    correction = error - fit.residual
    for i in range(9):
        rest = np.arange(9) != i
        share = (error[rest] * correction[rest]).sum() / (correction[rest] ** 2).sum()
        expected = error[i] - min(share, 1) * correction[i]
        np.testing.assert_allclose(selection.residual[i], expected)


def test_a_rich_head_has_to_beat_the_bias_not_only_the_base() -> None:
    rng = np.random.default_rng(9)
    net = sim.network(rng)
    kinds = Counter(
        select(sim.calibration(rng, net, sim.user(rng, 4.0, 0.0), sim.grid())).head.kind
        for _ in range(300)
    )
    assert kinds["affine"] + kinds["ridge"] <= 9


def test_the_gate_keeps_the_base_where_the_shift_is_not_sure() -> None:
    rng = np.random.default_rng(5)
    target = sim.grid()
    kept = 0
    for _ in range(200):
        selection = select(make(target + np.array([0.6, 0.0]) + rng.normal(0, 0.8, (9, 2)), target))
        if selection.head.kind != "identity":
            continue
        kept += 1
        assert selection.after == selection.before
        assert selection.shrink == 1.0
        assert selection.reason.startswith("identity: ")
    assert kept > 20


@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_few_points_are_answered(p: int) -> None:
    target = sim.grid()[[0, 2, 6, 8]][:p]
    selection = select(make(target + np.array([1.0, 1.0]), target))
    assert {c.kind for c in selection.candidates} <= {"identity", "bias"}
    assert np.isfinite(selection.after)


def test_no_usable_frame_keeps_the_base() -> None:
    selection = select(replace(make(sim.grid(), sim.grid()), quality=np.zeros(9)))
    assert selection.head.kind == "identity"
    assert np.isnan(selection.before) and selection.candidates == ()


def same(a: Selection, b: Selection) -> None:
    assert a.head.kind == b.head.kind
    np.testing.assert_allclose(a.head.weight, b.head.weight, atol=1e-6)
    np.testing.assert_allclose(a.head.bias, b.head.bias, atol=1e-6)
    np.testing.assert_allclose(a.residual, b.residual, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_and_repetition_of_frames_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = sim.calibration(rng, sim.network(rng), sim.user(rng, 1.5, 0.05), sim.grid())
    twice = np.flatnonzero(np.isin(samples.point, ["p2", "p7"]))
    rows = rng.permutation(np.concatenate([np.arange(len(samples)), twice]))
    other = Samples(
        samples.embedding[rows], samples.base[rows], samples.target[rows], samples.point[rows]
    )
    same(select(samples), select(other))


NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 1e-30, 3.0, 1e10, 3e38, -3e38, 1e-300])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_samples_end_in_a_finite_head(data: st.DataObject) -> None:
    p, dims = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 4))
    embedding, base, target = (
        data.draw(arrays(float, (p, n), elements=NUMBERS)) for n in (dims, 2, 2)
    )
    with np.errstate(all="ignore"):
        selection = select(Samples(embedding, base, target, np.arange(p).astype(str)))
        verdict = judge(selection)
    assert np.isfinite(selection.head.weight).all() and np.isfinite(selection.head.bias).all()
    assert np.isfinite(selection.after) and 0 <= selection.shrink <= 1
    assert verdict.verdict in ("accept", "repeat", "reject")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_unit_and_origin_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = sim.calibration(rng, sim.network(rng), sim.user(rng, 1.5, 0.05), sim.grid())
    origin = np.array([960.0, 540.0])
    px = replace(samples, base=samples.base * 96 + origin, target=samples.target * 96 + origin)
    a, b = select(samples), select(px)
    assert a.head.kind == b.head.kind
    np.testing.assert_allclose(a.residual * 96, b.residual, atol=1e-4)


@settings(deadline=None)
@given(st.floats(0, 50), st.integers(1, 200))
def test_t_tail_is_students(t: float, df: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert t_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-6, abs=1e-13)


@settings(deadline=None)
@given(st.integers(2, 30), st.floats(0, 2), st.integers(0, 2**32 - 1))
def test_shift_test_is_the_f_test(n: int, shift: float, seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    error = np.random.default_rng(seed).normal(shift, 1, (n, 2))
    mean = error.mean(axis=0)
    f = n * (n - 1) * (mean**2).sum() / ((error - mean) ** 2).sum()
    assert shift_p_value(error) == pytest.approx(stats.f.sf(f, 2, 2 * (n - 1)), rel=1e-9)


def test_the_level_of_the_shift_test_holds() -> None:
    rng = np.random.default_rng(0)
    p = np.array([shift_p_value(rng.normal(0, 0.8, (9, 2))) for _ in range(4000)])
    for level in (0.02, 0.1, 0.5):
        assert np.mean(p < level) == pytest.approx(level, abs=4 * np.sqrt(level / 4000))


def test_paired_p_value_of_degenerate_differences() -> None:
    assert paired_p_value(np.array([1.0])) == 1.0
    assert paired_p_value(np.zeros(5)) == 1.0
    assert paired_p_value(np.full(5, -1.0)) == 1.0
    assert paired_p_value(np.full(5, 1.0)) == 0.0
