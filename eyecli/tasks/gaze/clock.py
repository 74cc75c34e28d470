"""Whether a video and its stimuli keep the same time, from what the face does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eyecli.tasks.gaze.session_file import FARTHEST_MS, Stimulus

# From a target's onset to the eyes' arrival, in ms: about 200 ms of latency (Carpenter 1988,
# Movements of the Eyes) and half the saccade.
LATENCY_MS = 220.0
REACH_MS, STEP_MS = FARTHEST_MS, 10.0
# Below these there is nothing to tell a lag by.
# With nine targets of their own, ten rendered people reach 0.78 and, above the median, 0.41 at
# least; with those of others every tenth does (0.73 and 0.39), with fewer targets most do.
LEAST_STEPS, LEAST_EXPLAINED, LEAST_RISE = 8, 0.5, 0.35
# So near the best, in its rise above the median, a lag is as good.
LEVEL = 0.02


def estimate_lag(
    times_ms: np.ndarray, features: np.ndarray, stimuli: Sequence[Stimulus]
) -> float | None:
    """Estimate by how much the video lags the timeline of its stimuli.

    The target's course is explained by the face's by linear regression, once for every lag tried;
    the lag that explains most, less the latency of saccades, is the estimate.

    Parameters
    ----------
    times_ms
        (n,) times of frames with a face, ascending.
    features
        (n, d) what moves with the gaze.
    stimuli
        In order of time.

    Returns
    -------
    float or None
        Milliseconds, positive where the video is late; None if it cannot be told.
    """
    starts = np.array([s.start_ms for s in stimuli])
    places = np.array([(s.x, s.y) for s in stimuli])
    steps = int((np.diff(places, axis=0) != 0).any(axis=1).sum()) if len(places) > 1 else 0
    # The same frames for every lag: else lags would be judged by different data.
    inner = (times_ms >= starts[0] + REACH_MS + LATENCY_MS) & (
        times_ms <= stimuli[-1].end_ms - REACH_MS
    )
    times, course = times_ms[inner], features[inner]
    if steps < LEAST_STEPS or len(times) < 3 * (features.shape[1] + 1):
        return None
    course = course - course.mean(axis=0)
    basis = np.linalg.svd(course / np.maximum(course.std(axis=0), 1e-9), full_matrices=False)[0]
    lags = np.arange(-REACH_MS, REACH_MS + STEP_MS / 2, STEP_MS)
    explained = np.array([_explained(basis, times - lag - LATENCY_MS, starts, places)
                          for lag in lags])  # fmt: skip
    best = int(explained.argmax())
    rise = explained[best] - np.median(explained)
    if explained[best] < LEAST_EXPLAINED or rise < LEAST_RISE:
        return None
    if explained[[0, -1]].max() >= explained[best] - LEVEL * rise:
        return None  # it lies beyond what is tried
    # Frames are far apart: between two of them all lags explain the same. The middle is meant.
    top = explained >= explained[best] - LEVEL * rise
    low = best - int(np.argmin(top[best::-1])) + 1
    high = best + int(np.argmin(top[best:])) - 1
    return float(lags[low] + lags[high]) / 2


def _explained(
    basis: np.ndarray, times: np.ndarray, starts: np.ndarray, places: np.ndarray
) -> float:
    """Share of the target's variance that the basis explains, targets being looked at till next."""
    shown = np.searchsorted(starts, times, side="right") - 1
    target = places[shown.clip(0)]
    target = target - target.mean(axis=0)
    whole = float((target**2).sum())
    return float(((basis.T @ target) ** 2).sum()) / whole if whole > 0 else 0.0
