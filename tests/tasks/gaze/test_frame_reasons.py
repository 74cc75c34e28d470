"""Which frames of a video become samples, and the reason for each that does not."""

from __future__ import annotations

import numpy as np
import pytest

from eyecli.tasks.gaze.frame_reasons import judge_frames, offset_to_apply
from eyecli.tasks.gaze.session_file import Screen, Session, Stimulus

SCREEN = Screen((1000, 500), (20, 10), (10, 0.5))
STIMULI = (Stimulus(100, 1100, 0, -1), Stimulus(1200, 2200, 3, -2))
SESSION = Session("p01", "1", "", "landscape", SCREEN, None, False, STIMULI)
TIMES = np.arange(0, 2400, 50.0)
OPEN = np.full(len(TIMES), 0.3)
WIDE = np.full(len(TIMES), 40.0)
INSIDE = np.zeros(len(TIMES), bool)


def judged(openness: np.ndarray = OPEN, eyes: np.ndarray = WIDE, settle: float = 500) -> list[str]:
    return judge_frames(TIMES, openness, eyes, INSIDE, SESSION, settle)[1]


def times_of(reasons: list[str], reason: str) -> list[float]:
    return [float(t) for t, r in zip(TIMES, reasons, strict=True) if r == reason]


def test_frames_are_kept_while_a_stimulus_is_shown_and_the_eyes_have_settled() -> None:
    shown, reasons = judge_frames(TIMES, OPEN, WIDE, INSIDE, SESSION, 500)
    kept = [t for t, r in zip(TIMES, reasons, strict=True) if not r]
    assert kept == [*np.arange(600, 1100, 50), *np.arange(1700, 2200, 50)]
    assert set(shown[TIMES < 1100]) == {0} and set(shown[TIMES >= 1200]) == {1}
    assert times_of(reasons, "settling")[0] == 100
    assert times_of(reasons, "no stimulus") == [0, 50, 1100, 1150, 2200, 2250, 2300, 2350]


def test_without_settling_all_shown_frames_are_kept() -> None:
    assert judged(settle=0).count("") == 40


def test_a_blink_takes_its_flanks_along() -> None:
    openness = OPEN.copy()
    openness[TIMES == 800] = 0.1
    assert times_of(judged(openness), "blink") == [750, 800, 850]


def test_a_blink_is_relative_to_the_persons_own_eyes() -> None:
    """Narrow eyes are not closed; a third of them is."""
    narrow = np.full(len(TIMES), 0.2)
    assert times_of(judged(narrow), "blink") == []
    assert len(times_of(judged(np.full(len(TIMES), 0.05)), "blink")) == 20  # always closed
    narrow[TIMES == 800] = 0.07
    assert 800 in times_of(judged(narrow), "blink")


def test_lids_that_sink_for_long_are_no_blink_but_a_short_dip_is() -> None:
    """Who looks down has lower lids for as long as that; a blink is over in a moment."""
    openness = OPEN.copy()
    openness[(TIMES >= 100) & (TIMES < 1200)] = 0.19
    assert times_of(judged(openness), "blink") == []
    openness[TIMES == 1900] = 0.2
    assert times_of(judged(openness), "blink") == [1850, 1900, 1950]


def test_no_face_and_small_faces_are_told_apart() -> None:
    openness, eyes = OPEN.copy(), WIDE.copy()
    openness[TIMES == 900] = np.nan
    eyes[TIMES == 900] = np.nan
    eyes[TIMES == 1000] = 5
    reasons = judged(openness, eyes)
    assert times_of(reasons, "no face") == [900]
    assert times_of(reasons, "small face") == [1000]


def test_an_eye_outside_the_picture_is_none() -> None:
    reasons = judge_frames(TIMES, OPEN, WIDE, TIMES == 900, SESSION, 500)[1]
    assert times_of(reasons, "eye outside") == [900]


def test_a_video_without_any_face_gives_nothing() -> None:
    nothing = np.full(len(TIMES), np.nan)
    reasons = judged(nothing, nothing)
    assert reasons.count("") == 0 and reasons.count("no face") == 20


@pytest.mark.parametrize(
    ("given", "lag", "applied"),
    [(120, 300, 120), (0, 300, 0), (None, 300, 300), (None, -80, -80), (None, 40, 0),
     (None, None, 0)],
)  # fmt: skip
def test_auto_corrects_what_is_more_than_the_error_of_the_estimate(
    given: float | None, lag: float | None, applied: float
) -> None:
    assert offset_to_apply(given, lag) == applied
