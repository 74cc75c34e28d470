"""People react, fix, blink and drift as they should."""

from itertools import pairwise

import numpy as np
import pytest

from eyecli.synthesis.behaviour import (
    BLINK_REST_MS,
    Blink,
    closed_lids,
    draw_blinks,
    gaze_onsets,
    gaze_places,
    head_motion,
)

STARTS = np.arange(400) * 1200.0


def test_eyes_move_after_a_latency() -> None:
    latency = gaze_onsets(np.random.default_rng(1), STARTS) - STARTS
    assert latency.mean() == pytest.approx(200, abs=6)
    assert latency.std() == pytest.approx(30, abs=5)
    assert latency.min() >= 120


def test_gaze_stays_until_the_onset_and_arrives_after_40_ms() -> None:
    onsets, targets = np.array([200.0, 1400.0]), np.array([[5.0, -3.0], [-6.0, -9.0]])
    times = np.arange(0, 2400, 1.0)
    gaze = gaze_places(np.random.default_rng(2), times, onsets, targets, np.array([0.0, 0.0]))
    for part, place in (((0, 200), (0, 0)), ((241, 1400), targets[0]), ((1441, 2400), targets[1])):
        within = gaze[slice(*part)]
        assert np.abs(within.mean(axis=0) - place).max() < 0.6
        assert within.std(axis=0).max() < 0.12
    assert gaze[220, 0] == pytest.approx(2.5, abs=0.6), "half way after half the time"


def test_blinks_are_short_and_apart() -> None:
    blinks = draw_blinks(np.random.default_rng(3), 600_000)
    lengths = [blink.end_ms - blink.start_ms for blink in blinks]
    assert 100 < len(blinks) < 170
    assert min(lengths) >= 150 and max(lengths) <= 300
    rests = [b.start_ms - a.end_ms for a, b in pairwise(blinks)]
    assert min(rests) >= BLINK_REST_MS
    assert blinks[-1].end_ms <= 600_000


def test_lids_are_closed_in_blinks_only() -> None:
    times = np.array([99.0, 130.0, 190.0, 240.0, 301.0])
    closed = closed_lids(times, [Blink(100, 300)])
    assert closed == pytest.approx([0, 0.5, 1, 0.75, 0])
    assert closed_lids(times, []).sum() == 0


def test_heads_drift_slowly_and_turn_little() -> None:
    times = np.arange(0, 60_000, 1000 / 15)
    motion = head_motion(np.random.default_rng(4), times, np.array([0.0, -4.0, 50.0]), np.zeros(3))
    assert motion.shape == (len(times), 6)
    assert np.abs(motion[:, :3]).max() <= 12
    assert np.abs(np.diff(motion, axis=0)).max() < 0.6
    assert motion.std(axis=0).min() > 0.2
    turned = np.array([40.0, -40.0, 0.0])
    tilted = head_motion(np.random.default_rng(4), times, np.zeros(3), turned)
    assert np.allclose(tilted[:, 0], 12) and np.allclose(tilted[:, 1], -12)
