"""The lag between video and stimuli is found from what the eyes do, or said not to be."""

from __future__ import annotations

import numpy as np
import pytest

from eyecli.tasks.gaze.clock import LATENCY_MS, estimate_lag
from eyecli.tasks.gaze.session_file import Stimulus


def timeline(rng: np.random.Generator, count: int = 13, ms: float = 1200) -> list[Stimulus]:
    places = rng.uniform((-10, -15), (10, -1), (count, 2))
    onsets = np.cumsum(np.append(0, rng.uniform(ms, ms + 100, count)))
    return [Stimulus(onsets[i], onsets[i + 1], x, y) for i, (x, y) in enumerate(places)]


def face_of(
    rng: np.random.Generator, stimuli: list[Stimulus], lag: float, rate: float = 30,
    noise: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Frame times and features of somebody who follows the stimuli, filmed `lag` ms late."""
    times = np.arange(0, stimuli[-1].end_ms, 1000 / rate)
    starts = np.array([s.start_ms for s in stimuli])
    places = np.array([(s.x, s.y) for s in stimuli])
    arrivals = starts + LATENCY_MS + rng.normal(0, 30, len(starts)) + lag
    arrivals[0] = -np.inf
    looked = places[np.searchsorted(arrivals, times, side="right") - 1]
    iris = looked / (40, 60) + rng.normal(0, noise / 10, looked.shape)
    drift = np.cumsum(rng.normal(0, 0.002, (len(times), 2)), axis=0)
    return times, np.hstack([iris, drift])


@pytest.mark.parametrize("rate", [15, 30, 60])
@pytest.mark.parametrize("lag", [-300.0, -60.0, 0.0, 90.0, 400.0])
def test_a_lag_is_found(lag: float, rate: float) -> None:
    errors = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        stimuli = timeline(rng)
        found = estimate_lag(*face_of(rng, stimuli, lag, rate), stimuli)
        assert found is not None
        errors.append(found - lag)
    # Between two frames nothing tells when the eyes moved.
    assert np.abs(errors).max() < 35 + 500 / rate
    assert abs(np.mean(errors)) < 10 + 150 / rate


def test_a_face_that_does_not_follow_tells_nothing() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        stimuli = timeline(rng)
        times, features = face_of(rng, timeline(rng), 0)
        assert estimate_lag(times, rng.normal(size=features.shape), stimuli) is None


def test_too_few_steps_tell_nothing() -> None:
    rng = np.random.default_rng(0)
    stimuli = timeline(rng, count=8)
    assert estimate_lag(*face_of(rng, stimuli, 0), stimuli) is None
    still = [Stimulus(s.start_ms, s.end_ms, 1.0, -2.0) for s in timeline(rng)]
    assert estimate_lag(*face_of(rng, timeline(rng), 0), still) is None


def test_a_short_video_tells_nothing() -> None:
    rng = np.random.default_rng(0)
    stimuli = timeline(rng)
    times, features = face_of(rng, stimuli, 0)
    assert estimate_lag(times[:20], features[:20], stimuli) is None
    assert estimate_lag(times[:0], features[:0], stimuli) is None
