"""What a session's JSON may say, and the line that names what it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.errors import DataError
from eyecli.tasks.gaze.session_file import Screen, misfit, parse_session

GOOD: dict[str, Any] = {
    "subject": "p01",
    "screen_px": [1000, 500],
    "screen_cm": [20.0, 10.0],
    "camera_cm": [10.0, 0.5],
    "stimuli": [
        {"start_ms": 0, "end_ms": 1000, "x": 500, "y": 0},
        {"start_ms": 1000, "end_ms": 2000, "x": 1000, "y": 500, "point": "corner"},
    ],
}


def content(**fields: Any) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def with_stimulus(**fields: Any) -> bytes:
    first, second = GOOD["stimuli"]
    return content(stimuli=[first, {**second, **fields}])


def test_targets_are_cm_from_the_camera_x_right_y_up() -> None:
    """The camera sits above the middle of the top edge: the screen is below it."""
    session = parse_session(content(), "p01.json")
    assert [(s.x, s.y) for s in session.stimuli] == [(0.0, -0.5), (10.0, -10.5)]
    assert [s.point for s in session.stimuli] == ["500_0", "corner"]
    assert (session.orientation, session.device, session.distance_cm) == ("landscape", "", None)


def test_cm_are_taken_as_they_are() -> None:
    stimuli = [{"start_ms": 0, "end_ms": 1000, "x": -3.5, "y": -4.25}]
    session = parse_session(content(stimuli=stimuli, unit="cm"), "p01.json")
    assert (session.stimuli[0].x, session.stimuli[0].y) == (-3.5, -4.25)


def test_fields_of_others_are_let_be() -> None:
    text = content(app_version="3.1", note="left eye patched", truth={"kappa": 5})
    assert parse_session(text, "p01.json").subject == "p01"


def test_a_tall_screen_is_portrait_unless_it_is_said() -> None:
    tall: dict[str, Any] = {"screen_px": [500, 1000], "screen_cm": [10.0, 20.0]}
    stimuli = [{"start_ms": 0, "end_ms": 1000, "x": 3, "y": 4}]
    assert parse_session(content(stimuli=stimuli, **tall), "a").orientation == "portrait"
    told = content(stimuli=stimuli, orientation="upside down", **tall)
    assert parse_session(told, "a").orientation == "upside down"


@given(
    st.tuples(st.floats(0, 3000), st.floats(0, 2000)),
    st.tuples(st.floats(100, 4000), st.floats(100, 4000)),
    st.tuples(st.floats(5, 100), st.floats(5, 100)),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_screen_geometry_round_trips(
    place: tuple[float, float], px: tuple[float, float], cm: tuple[float, float],
    camera: tuple[float, float],
) -> None:  # fmt: skip
    found = Screen(px, cm, camera).to_cm(np.array([place]))[0]
    back = (found + camera) * (1, -1) * np.divide(px, cm)
    assert back == pytest.approx(place, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[]", "object"),
        (b"[" * 100_000, "not JSON"),
        (content().replace(b"1000", b"1" * 5000), "not JSON"),
        (content(subject=""), "subject is empty"),
        (content(subject=7), "$.subject"),
        (content(subject="a\nb"), "control characters"),
        (content(screen_px=[1000]), "$.screen_px"),
        (content(screen_cm=[0, 10]), "screen_cm [0.0, 10.0] is no size"),
        (content(camera_cm=[float("nan"), 0]), "camera_cm"),
        (content(distance_cm=-4), "distance_cm"),
        (content(distance_cm=440), "distance_cm 440 is no distance from a screen: is it in cm?"),
        (content(screen_cm=[260, 130]), "is no screen's: is it in cm?"),
        (content(screen_cm=[10.0, 20.0]), "other shapes: 100 and 25 px a cm"),
        (content(mirrorred=True), "unknown field 'mirrorred': did you mean 'mirrored'?"),
        (content(distance=50), "did you mean 'distance_cm'?"),
        (content(unit="inch"), "$.unit"),
        (content(stimuli=[]), "stimuli is empty"),
        (with_stimulus(x=float("nan")), "stimuli[1].x is nan"),
        (with_stimulus(y=float("inf")), "stimuli[1].y is inf"),
        (with_stimulus(y=None), "$.stimuli[1].y"),
        (with_stimulus(end_ms=900), "stimuli[1] is shown from 1000 to 900"),
        (with_stimulus(start_ms=990), "starts at 990 ms, before"),
        (with_stimulus(x=1001), "stimuli[1] at (1001, 500) px is off the screen"),
        (with_stimulus(y=-1), "off the screen"),
        (content(stimuli=[{**stimulus, "point": "a"} for stimulus in GOOD["stimuli"]]),
         "point 'a' is at (1000, 500), in stimuli[0] at (500, 0)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_in_one_line(text: bytes, said: str) -> None:
    with pytest.raises(DataError) as error:
        parse_session(text, "folder/p01.json")
    assert said in error.value.message
    assert error.value.message.startswith("folder/p01.json: ") and "\n" not in error.value.message


@pytest.mark.parametrize("field", ["subject", "screen_px", "screen_cm", "camera_cm", "stimuli"])
def test_a_missing_field_is_named(field: str) -> None:
    text = json.dumps({k: v for k, v in GOOD.items() if k != field}).encode()
    with pytest.raises(DataError, match=field):
        parse_session(text, "p01.json")


def test_a_video_may_end_a_moment_before_its_stimuli_but_not_more() -> None:
    session = parse_session(content(), "p01.json")
    assert misfit(Path("a.mp4"), session, 1950, 0) is None
    assert "a.mp4: is 1500 ms long, but stimuli[1] of its JSON ends at 2000 ms" in str(
        misfit(Path("a.mp4"), session, 1500, 0)
    )


def test_an_offset_moves_what_must_be_in_the_video() -> None:
    early = parse_session(with_stimulus(start_ms=1000), "p01.json")
    assert misfit(Path("a.mp4"), early, 2150, 200) is None
    assert "ends at 2300 ms (with the clock offset of 300 ms)" in str(
        misfit(Path("a.mp4"), early, 2100, 300)
    )
    assert "stimuli[0] of its JSON is shown 250 ms before the first frame" in str(
        misfit(Path("a.mp4"), early, 3000, -250)
    )
    # What is still to be estimated may be anything that can be.
    assert misfit(Path("a.mp4"), early, 1100, None) is None
    assert misfit(Path("a.mp4"), early, 900, None) is not None
