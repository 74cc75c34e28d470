"""Precision, data loss and rate: by hand, by their properties, and against ETDQualitizer."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eyecli.signals.quality import bcea, data_loss, effective_rate, rms_s2s, std

# Coarse numbers, so that rounding stays far below what is compared.
NUMBERS = st.integers(-4000, 4000).map(lambda number: number / 100)
GAZE = st.integers(3, 30).flatmap(lambda n: arrays(float, (n, 2), elements=NUMBERS))
MEASURES = {"rms_s2s": rms_s2s, "std": std, "bcea": bcea}


def test_figures_by_hand() -> None:
    # Steps of 5, 0 and 5; about the mean (1.5, 2) all are 2.5 away.
    gaze = np.array([[0.0, 0], [3, 4], [3, 4], [0, 0]])
    assert rms_s2s(gaze) == pytest.approx(math.sqrt(50 / 3))
    assert std(gaze) == pytest.approx(2.5)
    assert bcea(gaze) == pytest.approx(0, abs=1e-6), "on one line"
    # A square of side 2: variances 4 / 3 with n - 1, no correlation.
    square = np.array([[1.0, 1], [1, -1], [-1, -1], [-1, 1]])
    assert rms_s2s(square) == 2
    assert std(square) == pytest.approx(math.sqrt(2))
    assert bcea(square) == pytest.approx(2 * math.pi * -math.log(0.32) * 4 / 3)
    assert bcea(square, 1 - math.exp(-1)) == pytest.approx(2 * math.pi * 4 / 3)


def test_the_ellipse_holds_its_proportion_of_normal_samples() -> None:
    """Its area is that of the contour of an independent count: Mahalanobis distances."""
    gaze = np.random.default_rng(0).normal(size=(20_000, 2)) @ np.array([[2.0, 1], [0, 0.5]])
    centred = gaze - gaze.mean(axis=0)
    covariance = np.cov(gaze.T)
    squared = (centred @ np.linalg.inv(covariance) * centred).sum(axis=1)
    for proportion in (0.5, 0.68, 0.95):
        radius = bcea(gaze, proportion) / (math.pi * math.sqrt(np.linalg.det(covariance)))
        assert np.mean(squared < radius) == pytest.approx(proportion, abs=0.01)


def test_a_gap_is_no_step() -> None:
    gaze = np.array([[0.0, 0], [1, 0], [9, 0], [10, 0]])
    time = np.array([0.0, 33, 133, 166])
    assert rms_s2s(gaze, time, 1.5 * 33.3) == 1
    assert rms_s2s(gaze, time, 100) == pytest.approx(math.sqrt(66 / 3))
    assert math.isnan(rms_s2s(gaze, time * 10, 50))


def test_missing_samples_are_left_out_and_not_bridged() -> None:
    gaze = np.array([[0.0, 0], [1, 0], [np.nan, 0], [9, 0], [9, np.nan], [4, 3], [5, 3]])
    assert rms_s2s(gaze) == 1
    known = gaze[[0, 1, 3, 5, 6]]
    assert (std(gaze), bcea(gaze)) == (std(known), bcea(known))


def test_too_few_samples_have_no_figure() -> None:
    for gaze in (np.empty((0, 2)), np.full((4, 2), np.nan)):
        assert all(math.isnan(measure(gaze)) for measure in MEASURES.values())
    one = np.zeros((1, 2))
    assert math.isnan(rms_s2s(one)) and math.isnan(bcea(one)) and std(one) == 0


@pytest.mark.parametrize("proportion", [0, 1, -0.1, 68, math.nan])
def test_a_proportion_is_between_0_and_1(proportion: float) -> None:
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        bcea(np.zeros((3, 2)), proportion)


@settings(deadline=None)
@given(GAZE, NUMBERS, NUMBERS)
def test_a_shift_changes_nothing(gaze: np.ndarray, x: float, y: float) -> None:
    for measure in MEASURES.values():
        assert measure(gaze + np.array([x, y])) == pytest.approx(measure(gaze), rel=1e-6, abs=1e-4)


@settings(deadline=None)
@given(GAZE, st.floats(0.01, 100))
def test_lengths_scale_and_areas_by_the_square(gaze: np.ndarray, factor: float) -> None:
    assert rms_s2s(factor * gaze) == pytest.approx(factor * rms_s2s(gaze), abs=1e-9)
    assert std(factor * gaze) == pytest.approx(factor * std(gaze), abs=1e-9)
    assert bcea(factor * gaze) == pytest.approx(factor**2 * bcea(gaze), abs=factor**2 * 1e-4)


@settings(deadline=None)
@given(GAZE, st.floats(0, 2 * math.pi))
def test_turning_or_mirroring_changes_nothing(gaze: np.ndarray, angle: float) -> None:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    for measure in MEASURES.values():
        for moved in (gaze @ turn, gaze[:, ::-1]):
            assert measure(moved) == pytest.approx(measure(gaze), rel=1e-6, abs=1e-4)


@settings(deadline=None)
@given(GAZE, st.randoms(use_true_random=False))
def test_spread_knows_no_order_and_steps_no_direction(gaze: np.ndarray, random: Random) -> None:
    order = list(range(len(gaze)))
    random.shuffle(order)
    assert std(gaze[order]) == pytest.approx(std(gaze), abs=1e-9)
    assert bcea(gaze[order]) == pytest.approx(bcea(gaze), rel=1e-6, abs=1e-4)
    assert rms_s2s(gaze[::-1]) == pytest.approx(rms_s2s(gaze))


def test_white_noise_has_a_step_of_its_spread_times_the_root_of_two() -> None:
    """RMS-S2S / STD is sqrt(2) for white noise (Niehorster et al. 2020), small for drift."""
    noise = np.random.default_rng(1).normal(size=(50_000, 2))
    assert rms_s2s(noise) / std(noise) == pytest.approx(math.sqrt(2), rel=0.01)
    drift = np.linspace(0, 1, 1000)[:, None] * [3.0, 4.0]
    assert rms_s2s(drift) / std(drift) < 0.01


def test_loss_and_rate_by_hand() -> None:
    np.testing.assert_array_equal(data_loss(np.array([30, 0, 24]), np.array([30, 30, 32])),
                                  [0, 1, 0.25])  # fmt: skip
    np.testing.assert_array_equal(effective_rate(np.array([30, 0, 24]), 1.5), [20, 0, 16])
    nothing = np.zeros(1)
    assert np.isnan(data_loss(nothing, nothing)) and np.isnan(effective_rate(nothing, nothing))


# Against ETDQualitizer (Niehorster et al.), where its definitions are the same.


@settings(deadline=None)
@given(GAZE, st.data())
def test_figures_are_those_of_etdqualitizer(gaze: np.ndarray, data: st.DataObject) -> None:
    other = pytest.importorskip("ETDQualitizer", reason="it is in the test extra")
    # It leaves out NaN axis by axis, so samples are missing as a whole.
    lost = data.draw(arrays(bool, len(gaze), elements=st.booleans()))
    gaze = np.where(lost[:, None] & (np.arange(len(gaze)) > 1)[:, None], np.nan, gaze)
    assert rms_s2s(gaze) == pytest.approx(other.rms_s2s(*gaze.T)[0], rel=1e-9, abs=1e-9)
    assert std(gaze) == pytest.approx(other.std(*gaze.T)[0], rel=1e-9, abs=1e-9)
    known = ~np.isnan(gaze[:, 0])
    seconds = len(gaze) / 25
    assert 100 * data_loss(known.sum(), 25 * seconds) == pytest.approx(
        other.data_loss_from_expected(*gaze.T, seconds, 25), rel=1e-9, abs=1e-9
    )
    assert 100 * data_loss(known.sum(), known.size) == pytest.approx(
        other.data_loss_from_invalid(*gaze.T), rel=1e-9, abs=1e-9
    )
    assert effective_rate(known.sum(), seconds) == pytest.approx(
        other.effective_frequency(*gaze.T, seconds), rel=1e-9
    )


@settings(deadline=None)
@given(st.integers(3, 200), st.floats(-0.99, 0.99), st.floats(0.05, 0.99), st.integers(0, 99))
def test_the_ellipse_is_that_of_etdqualitizer(
    n: int, rho: float, proportion: float, seed: int
) -> None:
    """Of samples on one line it has no figure or a rounding error, so these are spread."""
    other = pytest.importorskip("ETDQualitizer", reason="it is in the test extra")
    gaze = np.random.default_rng(seed).normal(size=(n, 2)) @ np.array([[1, rho], [0, 1]])
    assert bcea(gaze, proportion) == pytest.approx(other.bcea(*gaze.T, proportion)[0], rel=1e-9)
