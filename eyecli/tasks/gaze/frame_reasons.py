"""Which frames of a video become samples, and why the others do not."""

from __future__ import annotations

import numpy as np

from eyecli.tasks.gaze.faces import CLOSED, LEAST_EYE, LOST, NO_STIMULUS, SETTLING
from eyecli.tasks.gaze.session_file import Session

# Eyes are closed below this share of the session's median openness, or of that around, since lids
# sink for long when the gaze does, but for a blink only shortly; its flanks count to it.
BLINK_SHARE, DIP_SHARE, AROUND_MS, BLINK_FLANK_MS = 0.5, 0.75, 500.0, 50.0
# Beyond this lag, targets and frames disagree enough to matter.
WORST_LAG_MS = 50.0


def offset_to_apply(given: float | None, lag: float | None) -> float:
    """Return the clock offset of a video: the one given, or the lag where it matters.

    Parameters
    ----------
    given
        As asked for; None to use the lag.
    lag
        As estimated; None where it cannot be told.
    """
    if given is not None:
        return given
    # A smaller one may be the error of the estimate.
    return lag if lag is not None and abs(lag) > WORST_LAG_MS else 0.0


def judge_frames(
    time_ms: np.ndarray,
    openness: np.ndarray,
    eye_px: np.ndarray,
    outside: np.ndarray,
    session: Session,
    settle_ms: float,
) -> tuple[np.ndarray, list[str]]:
    """Say for every frame which stimulus was shown, and why it is left out.

    Parameters
    ----------
    time_ms
        (n,) by the clock of the stimuli.
    openness, eye_px
        (n,) NaN where there is no face.
    outside
        (n,) whether an eye reaches out of the frame.
    session
        Its stimuli.
    settle_ms
        How long after an onset the eyes are taken to be on their way.

    Returns
    -------
    shown : ndarray of int, shape (n,)
        Number of the stimulus.
    reasons : list of str
        '' for a frame that is kept.
    """
    starts = np.array([s.start_ms for s in session.stimuli])
    ends = np.array([s.end_ms for s in session.stimuli])
    shown = np.searchsorted(starts, time_ms, side="right") - 1
    since = time_ms - starts[shown.clip(0)]
    seen = np.isfinite(openness)
    closed = np.zeros(len(time_ms), bool)
    if seen.any():
        usual = float(np.median(openness[seen]))
        limit = np.maximum(
            max(CLOSED, BLINK_SHARE * usual), DIP_SHARE * _around(time_ms[seen], openness[seen])
        )
        shut = time_ms[seen][openness[seen] < limit]
        closed = _near(time_ms, shut, BLINK_FLANK_MS)
    reasons = np.select(
        [
            (shown < 0) | (time_ms >= ends[shown.clip(0)]),
            since < settle_ms,
            ~seen,
            eye_px < LEAST_EYE,
            outside,
            closed,
        ],
        [NO_STIMULUS, SETTLING, *LOST],
        "",
    )
    return shown.clip(0), reasons.tolist()


def _around(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Median of the values within `AROUND_MS` of every time; times ascend."""
    low = np.searchsorted(times, times - AROUND_MS)
    high = np.searchsorted(times, times + AROUND_MS, side="right")
    return np.array([np.median(values[a:b]) for a, b in zip(low, high, strict=True)])


def _near(times: np.ndarray, events: np.ndarray, reach: float) -> np.ndarray:
    """Say which times lie within reach of an event; events ascend."""
    if not len(events):
        return np.zeros(len(times), bool)
    after = np.searchsorted(events, times)
    distance = np.minimum(
        np.abs(times - events[(after - 1).clip(0)]),
        np.abs(times - events[after.clip(max=len(events) - 1)]),
    )
    return np.asarray(distance <= reach)
