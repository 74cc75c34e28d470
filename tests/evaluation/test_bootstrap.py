from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.evaluation import bootstrap
from eyecli.evaluation.bootstrap import (
    STATISTICS,
    draw_groups,
    mean_interval,
    quantile_interval,
)
from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa

GROUPS = np.array(list("aaabbcccccddeeeeffggg"))
VALUES = np.random.default_rng(0).gamma(2, 10, len(GROUPS)) + 5 * (GROUPS == "c")


def resampled(statistic: str, seed: int) -> tuple[float, float]:
    """Plain loop: draw as many groups as there are, pool their values, take the statistic."""
    names, inverse = np.unique(GROUPS, return_inverse=True)
    replicates = bootstrap.REPLICATES if statistic == "mean" else bootstrap.QUANTILE_REPLICATES
    found = []
    for row in np.concatenate(list(draw_groups(len(names), seed, replicates))).astype(int):
        pooled = np.concatenate([np.tile(VALUES[inverse == g], n) for g, n in enumerate(row)])
        found.append(STATISTICS[statistic][0](pooled))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("statistic", ["mean", "median", "p95"])
@pytest.mark.parametrize("seed", [0, 3])
def test_equals_a_plain_resampling_loop(statistic: str, seed: int) -> None:
    interval = STATISTICS[statistic][1](VALUES, GROUPS, seed=seed)
    assert interval == pytest.approx(resampled(statistic, seed), rel=1e-9)


def test_groups_are_drawn_with_replacement() -> None:
    counts = np.concatenate(list(draw_groups(7)))
    assert counts.shape == (bootstrap.REPLICATES, 7)
    assert (counts.sum(axis=1) == 7).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.1)
    # Binomial(7, 1/7): variance 6/7.
    np.testing.assert_allclose(counts.var(axis=0), 6 / 7, atol=0.1)
    assert np.abs(np.corrcoef(counts.T)[0, 1] + 1 / 6) < 0.1


def test_draws_that_are_kept_are_those_that_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = np.concatenate(list(draw_groups(7, 3)))
    monkeypatch.setattr(bootstrap, "KEPT", 0)
    np.testing.assert_array_equal(np.concatenate(list(draw_groups(7, 3))), kept)
    assert not np.array_equal(np.concatenate(list(draw_groups(7, 4))), kept)


def coverage(by_group: bool, trials: int) -> float:
    """Share of intervals that hold the true mean of people with an offset each."""
    rng = np.random.default_rng(7)
    people, frames, held = 30, 10, 0
    who = np.repeat(np.arange(people), frames)
    for _ in range(trials):
        values = rng.normal(size=people)[who] + 0.5 * rng.normal(size=len(who))
        interval = mean_interval(values, who.astype(str) if by_group else np.arange(len(who)))
        assert interval is not None
        held += interval[0] <= 0 <= interval[1]
    return held / trials


def test_intervals_over_people_cover_and_those_over_frames_do_not() -> None:
    assert 0.91 <= coverage(by_group=True, trials=400) <= 0.98
    assert coverage(by_group=False, trials=50) < 0.7


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12),
    st.sampled_from((0.0, 0.05, 0.5, 0.95, 1.0)),
    st.data(),
)
def test_weighted_quantiles_are_those_of_repeated_values(
    values: list[float], q: float, data: st.DataObject
) -> None:
    ordered = np.sort(values)
    counts = st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values))
    weights = np.array(data.draw(st.lists(counts.filter(any), min_size=1, max_size=4)))
    found = bootstrap._weighted_quantile(ordered, weights, q)
    expected = [np.quantile(np.repeat(ordered, row), q) for row in weights]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    quantiles = np.linspace(0.05, 0.95, 19)
    whole = [quantile_interval(VALUES, GROUPS, q) for q in quantiles]
    for block in (1, 3 * len(VALUES)):
        monkeypatch.setattr(bootstrap, "BLOCK", block)
        assert [quantile_interval(VALUES, GROUPS, q) for q in quantiles] == whole


@pytest.mark.parametrize("statistic", STATISTICS)
def test_one_group_has_no_interval(statistic: str) -> None:
    value_of, interval_of = STATISTICS[statistic]
    assert interval_of(VALUES, ["one"] * len(VALUES)) is None
    assert interval_of(VALUES[:1], ["one"]) is None
    assert value_of(VALUES) > 0


@settings(deadline=None)
@given(st.permutations(range(len(VALUES))))
def test_the_order_of_the_values_changes_nothing(order: list[int]) -> None:
    for _, interval_of in STATISTICS.values():
        interval = interval_of(VALUES[order], GROUPS[order])
        assert interval == pytest.approx(interval_of(VALUES, GROUPS), rel=1e-9)


def test_intervals_hold_the_value_and_are_reproducible() -> None:
    for value_of, interval_of in STATISTICS.values():
        low, high = interval_of(VALUES, GROUPS)  # type: ignore[misc]
        assert low < value_of(VALUES) < high
        assert interval_of(VALUES, GROUPS) == (low, high)
    values = [STATISTICS[name][0](VALUES) for name in ("median", "mean", "p95")]
    assert all(a < b for a, b in pairwise(values))


def two_eyes(people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grades of both eyes of each person, and what a model said."""
    rng = np.random.default_rng(5)
    first = rng.choice(5, people, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    other = np.clip(first + rng.choice([-1, 0, 1], people, p=[0.1, 0.8, 0.1]), 0, 4)
    truth = np.stack([first, other], axis=1).ravel()
    # What misleads the model in one eye does so in the other.
    off = np.repeat(rng.choice([-1, 0, 1], people, p=[0.1, 0.8, 0.1]), 2)
    said = np.clip(truth + off, 0, 4)
    return truth, said, np.repeat(np.arange(people), 2)


def naive_kappa_interval(
    truth: np.ndarray, said: np.ndarray, groups: np.ndarray, replicates: int
) -> tuple[float, float]:
    """Draw people with replacement, pool their eyes, take kappa; again and again."""
    rng = np.random.default_rng(1)
    rows = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    found = []
    for _ in range(replicates):
        drawn = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        found.append(quadratic_weighted_kappa(confusion(truth[drawn], said[drawn], 5)))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def test_the_interval_of_kappa_is_that_of_the_naive_bootstrap() -> None:
    truth, said, groups = two_eyes(3000)
    found = bootstrap.kappa_interval(truth, said, groups, 5, replicates=20_000)
    # To three decimals: what is left is the noise of two different sets of draws.
    assert found == pytest.approx(naive_kappa_interval(truth, said, groups, 4000), abs=1e-3)
    by_eye = bootstrap.kappa_interval(truth, said, np.arange(len(truth)), 5, replicates=20_000)
    assert by_eye is not None
    assert found != pytest.approx(by_eye, abs=1e-3)


def test_drawing_patterns_is_drawing_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where no two groups are alike every pattern is a group, and the draws can be followed.
    truth, said, groups = two_eyes(12)
    truth = np.concatenate([truth, np.arange(12) % 5])
    said, groups = np.concatenate([said, np.arange(12) // 3]), np.concatenate([groups, range(12)])
    sums = np.stack([confusion(truth[groups == g], said[groups == g], 5).ravel()
                     for g in range(12)])  # fmt: skip
    patterns, counts = np.unique(sums, axis=0, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(12, counts / 12, size=500)
    kappas = [quadratic_weighted_kappa((row @ patterns).reshape(5, 5)) for row in drawn]
    expected = np.quantile(kappas, [0.025, 0.975])
    assert bootstrap.kappa_interval(truth, said, groups, 5, replicates=500) == pytest.approx(
        tuple(expected)
    )
    monkeypatch.setattr(bootstrap, "BLOCK", 7 * len(patterns))
    assert bootstrap.kappa_interval(truth, said, groups, 5, replicates=500) is not None


def test_kappa_of_one_patient_has_no_interval() -> None:
    assert bootstrap.kappa_interval(np.array([0, 1]), np.array([0, 1]), ["a", "a"], 2) is None
    # Everybody healthy and called so: chance agrees as well, whoever is drawn.
    nothing = np.zeros(6, int)
    assert bootstrap.kappa_interval(nothing, nothing, list("aabbcc"), 2) is None
