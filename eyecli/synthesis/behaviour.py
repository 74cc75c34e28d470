"""What a person does while targets are shown: saccades, fixations, blinks, and a head that drifts.

Times are in ms of the session's clock; positions in cm from the camera, in the world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eyecli.synthesis.eyes import FloatArray

LATENCY_MS = (200.0, 30.0)
LEAST_LATENCY_MS = 120.0
SACCADE_MS = 40.0
# Where a saccade lands, and how a fixation wanders, each in cm on the screen (SD an axis).
LANDING_CM, WANDER_CM = 0.15, 0.08
BLINK_MS = (150.0, 300.0)
BLINK_EVERY_MS, BLINK_REST_MS = 3500.0, 1200.0
# Shares of a blink after which the lid is down, and goes up again.
DOWN, UP = 0.3, 0.6
KNOT_MS = 2500.0
# Head: yaw, pitch, roll in degrees, then x, y, z in cm. Between people, and drift (SD) within one.
SEAT_SD = np.array([3.0, 2.5, 2.0, 1.0, 0.7, 2.0])
DRIFT_SD = np.array([2.2, 1.8, 1.2, 0.6, 0.5, 1.0])
LARGEST_TURN = 12.0


@dataclass(frozen=True)
class Blink:
    """A time for which the lids are not fully open."""

    start_ms: float
    end_ms: float


def gaze_onsets(rng: np.random.Generator, starts: FloatArray) -> FloatArray:
    """Draw when the eyes begin to move to each new target.

    Parameters
    ----------
    rng
        Source of the latencies: normal, 200 +/- 30 ms.
    starts
        (n,) times at which the targets come on.
    """
    return starts + rng.normal(*LATENCY_MS, len(starts)).clip(LEAST_LATENCY_MS)


def gaze_places(
    rng: np.random.Generator,
    times: FloatArray,
    onsets: FloatArray,
    targets: FloatArray,
    start: FloatArray,
) -> FloatArray:
    """Return what the eyes look at, at any time.

    Parameters
    ----------
    rng
        Source of the landing errors and of the wandering.
    times
        (t,) when.
    onsets
        (n,) when the saccades begin.
    targets
        (n, 2) where they go, cm.
    start
        (2,) where the eyes are before the first.

    Returns
    -------
    ndarray of shape (t, 2)
        cm. A saccade takes 40 ms, by minimum jerk.
    """
    landed = targets + rng.normal(0, LANDING_CM, targets.shape)
    steps = np.diff(np.concatenate([start[None], landed]), axis=0)
    share = ((times[:, None] - onsets) / SACCADE_MS).clip(0, 1)
    share = share**3 * (10 - 15 * share + 6 * share**2)
    return start + share @ steps + rng.normal(0, WANDER_CM, (len(times), 2))


def draw_blinks(rng: np.random.Generator, end_ms: float) -> list[Blink]:
    """Draw blinks of 150 to 300 ms from the start to `end_ms`, 1.2 s or more apart."""
    blinks: list[Blink] = []
    start = rng.exponential(BLINK_EVERY_MS)
    while start + BLINK_MS[1] < end_ms:
        blinks.append(Blink(start, start + rng.uniform(*BLINK_MS)))
        start = blinks[-1].end_ms + BLINK_REST_MS + rng.exponential(BLINK_EVERY_MS)
    return blinks


def closed_lids(times: FloatArray, blinks: list[Blink]) -> FloatArray:
    """Return how far the lids are closed, (t,): 0 open, 1 shut. They close faster than open."""
    closed = np.zeros(len(times))
    for blink in blinks:
        share = (times - blink.start_ms) / (blink.end_ms - blink.start_ms)
        closed = np.maximum(
            closed, np.interp(share, (0, DOWN, UP, 1), (0, 1, 1, 0), left=0, right=0)
        )
    return closed


def head_motion(
    rng: np.random.Generator, times: FloatArray, seat: FloatArray, turned: FloatArray
) -> FloatArray:
    """Let a head drift about where its owner sits.

    Parameters
    ----------
    rng
        Source of this person's habits and drift.
    times
        (t,) when.
    seat
        (3,) where the head is on average of all people, cm.
    turned
        (3,) yaw, pitch and roll of a head that faces the screen, degrees.

    Returns
    -------
    ndarray of shape (t, 6)
        Yaw, pitch, roll in degrees, at most 12 either way, then x, y, z in cm.
    """
    own = np.concatenate([turned, seat]) + rng.normal(0, SEAT_SD)
    knots = np.arange(0, times[-1] + 2 * KNOT_MS, KNOT_MS)
    drift = rng.normal(0, DRIFT_SD, (len(knots), 6))
    left = np.searchsorted(knots, times, side="right").clip(1, len(knots) - 1) - 1
    share = ((times - knots[left]) / KNOT_MS).clip(0, 1)[:, None]
    share = share**2 * (3 - 2 * share)
    motion = own + drift[left] + share * (drift[left + 1] - drift[left])
    motion[:, :3] = motion[:, :3].clip(-LARGEST_TURN, LARGEST_TURN)
    return motion
