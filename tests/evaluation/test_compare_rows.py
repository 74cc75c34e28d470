"""Paired bootstrap and Holm's correction, against what can be computed by hand or otherwise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.evaluation import bootstrap
from eyecli.evaluation.bootstrap import mean_interval
from eyecli.evaluation.compare import compare_rows, holm, interval_of, paired_p
from eyecli.evaluation.headline import Headline, Sampling
from eyecli.metrics.agreement import quadratic_weighted_kappa

GROUPS = 12
OWNER = np.repeat(np.arange(GROUPS), 5)
RNG = np.random.default_rng(4)
ERRORS = RNG.gamma(3, 10, len(OWNER)) + RNG.normal(0, 8, GROUPS)[OWNER]


def draw_groups(groups: int, replicates: int = 10_000) -> np.ndarray:
    return np.concatenate(list(bootstrap.draw_groups(groups, replicates=replicates)))


def row(errors: np.ndarray, lower: bool = True, weight: np.ndarray | None = None) -> list[Headline]:
    share = np.ones(len(errors)) if weight is None else weight
    mean = Sampling(OWNER, share, GROUPS).mean(errors)
    return [Headline("error_mean_px", "frames", lower, len(errors), mean)]


def test_holm_by_hand() -> None:
    # 0.01 * 4; 0.02 * 3; max(0.06, 0.03 * 2); max(0.06, 0.04 * 1): the order is kept.
    p = {"c": 0.03, "a": 0.01, "d": 0.04, "b": 0.02, "none": None}
    assert holm(p) == {
        "a": pytest.approx(0.04), "b": pytest.approx(0.06), "c": pytest.approx(0.06),
        "d": pytest.approx(0.06), "none": None,
    }  # fmt: skip
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8))
def test_holm_lies_between_nothing_and_bonferroni(values: list[float]) -> None:
    p = {str(i): value for i, value in enumerate(values)}
    corrected = holm(p)
    for name, value in p.items():
        assert value <= corrected[name] <= min(1, value * len(p)) + 1e-12  # type: ignore[operator]
    order = sorted(p, key=lambda name: p[name])
    assert sorted(corrected[name] for name in order) == [corrected[name] for name in order]  # type: ignore[type-var]


def permutation_p(groups: np.ndarray) -> float:
    """Two-sided p of the mean of group differences by flipping every sign, exactly."""
    flips = np.array(list(itertools.product((-1, 1), repeat=len(groups))))
    means = flips @ groups / len(groups)
    return float((np.abs(means) >= abs(groups.mean()) - 1e-12).mean())


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6, 1.0])
def test_the_bootstrap_agrees_with_the_permutation_of_signs(shift: float) -> None:
    groups = np.random.default_rng(1).normal(size=GROUPS)
    groups = (groups - groups.mean()) / groups.std() + shift
    drawn = draw_groups(GROUPS) @ groups / GROUPS
    expected = permutation_p(groups)
    assert paired_p(drawn, GROUPS) == pytest.approx(expected, abs=0.02 + 0.15 * expected)


def test_p_is_no_smaller_than_signs_could_give() -> None:
    """Three people who all gain say little, however often they are resampled."""
    for groups in (2, 3, 5):
        assert paired_p(draw_groups(groups) @ np.ones(groups), groups) == 2.0 ** (1 - groups)
    many = paired_p(draw_groups(40) @ np.ones(40), 40)
    assert many == pytest.approx(2 / 10_001)
    assert paired_p(np.zeros(100), 40) == 1.0
    assert paired_p(np.ones(100), 1) is None


def test_intervals_are_those_of_the_report() -> None:
    found = compare_rows({"a": [row(ERRORS)]}, [], GROUPS)
    (figure,) = found.figures["a"]
    assert figure.value == pytest.approx(ERRORS.mean())
    expected = mean_interval(ERRORS, np.char.zfill(OWNER.astype(str), 2))
    assert figure.interval == pytest.approx(expected), "the same draws"
    assert (figure.difference, figure.p, figure.spread) == (None, None, None)


def test_differences_are_paired() -> None:
    """A constant gain is sure, however much people differ."""
    noisy = RNG.permutation(ERRORS) + 1
    found = compare_rows(
        {"a": [row(ERRORS)], "gain": [row(ERRORS - 1)], "noise": [row(noisy)]}, [], GROUPS
    )
    gain, noise = found.figures["gain"][0], found.figures["noise"][0]
    assert gain.difference == pytest.approx(-1)
    assert gain.difference_interval == (pytest.approx(-1), pytest.approx(-1))
    assert gain.p == 2.0 ** (1 - GROUPS)
    assert gain.p_holm == 2 * 2.0 ** (1 - GROUPS), "two comparisons"
    low, high = noise.difference_interval or (0, 0)
    assert low < 0 < high and noise.p is not None and noise.p > 0.05


def test_seeds_are_one_row_with_mean_and_spread() -> None:
    found = compare_rows({"a": [row(ERRORS), row(ERRORS + 2), row(ERRORS + 4)]}, [], GROUPS)
    figure = found.figures["a"][0]
    assert figure.value == pytest.approx(ERRORS.mean() + 2)
    assert figure.spread == pytest.approx(2)
    alone = compare_rows({"a": [row(ERRORS + 2)]}, [], GROUPS).figures["a"][0]
    assert figure.interval == pytest.approx(alone.interval)


@pytest.mark.parametrize("lower", [True, False])
def test_a_baseline_is_beaten_only_if_the_whole_interval_says_so(lower: bool) -> None:
    sign = 1 if lower else -1
    rows = {
        "model": [row(ERRORS, lower)],
        "worse": [row(ERRORS + sign * 5, lower)],
        "better": [row(ERRORS - sign * 5, lower)],
        "same": [row(ERRORS, lower)],
    }
    found = compare_rows(rows, ["worse", "better", "same"], GROUPS)
    assert found.unbeaten == {"model": ["better", "same"]}


def test_blocks_are_no_more_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = compare_rows({"a": [row(ERRORS)], "b": [row(ERRORS[::-1])]}, [], GROUPS)
    drawn = draw_groups(GROUPS)
    assert drawn.shape == (10_000, GROUPS) and (drawn.sum(axis=1) == GROUPS).all()
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.05)
    monkeypatch.setattr(bootstrap, "DRAWN", 7 * GROUPS)
    monkeypatch.setattr(bootstrap, "KEPT", 0)
    assert [len(block) for block in bootstrap.draw_groups(GROUPS, replicates=15)] == [7, 7, 1]
    found = compare_rows({"a": [row(ERRORS)], "b": [row(ERRORS[::-1])]}, [], GROUPS)
    for name in "ab":
        mine, other = found.figures[name][0], expected.figures[name][0]
        assert mine.value == other.value and mine.interval == pytest.approx(
            other.interval, rel=0.03
        )


def test_one_group_gives_figures_and_no_claims() -> None:
    mean = Sampling(np.zeros(4, int), np.ones(4), 1).mean(np.arange(4.0))
    rows = {name: [[Headline("e", "frames", True, 4, mean)]] for name in ("a", "b")}
    found = compare_rows(rows, ["b"], 1)
    assert found.figures["b"][0].value == 1.5
    assert found.figures["b"][0].interval is None and found.figures["b"][0].p_holm is None
    assert found.unbeaten == {"a": ["b"]}


def test_repeats_of_a_sample_count_once() -> None:
    twice = np.r_[ERRORS, ERRORS[:5], ERRORS[:5]]
    owner = np.r_[OWNER, OWNER[:5], OWNER[:5]]
    weight = np.ones(len(twice))
    weight[:5] = weight[-10:] = 1 / 3
    mean = Sampling(owner, weight, GROUPS).mean(twice)
    drawn = draw_groups(GROUPS, replicates=50)
    np.testing.assert_allclose(mean(drawn), row(ERRORS)[0].replicate(drawn))


def test_a_statistic_of_a_whole_set_is_compared_likewise() -> None:
    """Quadratic kappa: its point value is that of the metric, its difference is paired."""
    truth = RNG.integers(0, 5, len(OWNER))

    def kappa(predicted: np.ndarray) -> list[Headline]:
        cells = truth * 5 + predicted
        sums = np.bincount(OWNER * 25 + cells, minlength=GROUPS * 25).reshape(GROUPS, 25)
        return [
            Headline("kappa", "eyes", False, len(truth),
                     lambda c: quadratic_weighted_kappa((c @ sums).reshape(-1, 5, 5)))
        ]  # fmt: skip

    good = np.clip(truth + RNG.integers(-1, 2, len(truth)), 0, 4)
    poor = RNG.permutation(truth)
    found = compare_rows({"good": [kappa(good)], "poor": [kappa(poor)]}, ["poor"], GROUPS)
    matrix = np.zeros((5, 5))
    np.add.at(matrix, (truth, good), 1)
    first, second = found.figures["good"][0], found.figures["poor"][0]
    assert first.value == pytest.approx(quadratic_weighted_kappa(matrix[None])[0])
    assert second.difference_interval and second.difference_interval[1] < 0
    assert found.unbeaten == {"good": []}


def test_replicates_without_a_value_are_left_out() -> None:
    drawn = np.r_[np.full(50, np.nan), np.linspace(1, 2, 101)]
    assert interval_of(drawn, 5) == pytest.approx((1.025, 1.975))
    assert interval_of(np.full(9, np.nan), 5) is None
