"""Units of one screen for all, and of the screens of face sessions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from face_data import DEVICES, predictions, with_sessions

from eyecli.data.prepared import Prepared
from eyecli.errors import DataError
from eyecli.tasks.gaze.screens import error_units, gaze_positions, same_screen, screens_of

pytest_plugins = ["rendered_gaze"]


@pytest.mark.parametrize(
    ("setup", "units"),
    [
        ({"unit": "px"}, ["px"]),
        ({"unit": "px", "screen_px": (800, 600)}, ["px"]),
        ({"unit": "px", "screen_px": (800, 600), "distance_cm": 60}, ["px"]),
        ({"unit": "px", "screen_px": (800, 600), "screen_cm": (40, 30)}, ["px", "cm"]),
        ({"unit": "px", "screen_px": (800, 600), "screen_cm": (40, 30), "distance_cm": 60},
         ["px", "cm", "deg"]),
        ({"unit": "cm"}, ["cm"]),
    ],
)  # fmt: skip
def test_units_that_can_be_given(setup: dict, units: list[str]) -> None:
    known = {"screen_px": None, "screen_cm": None, "distance_cm": None} | setup
    found = error_units(same_screen(known, 1))
    assert list(found) == units
    # 400 px are 20 cm, from the centre at 20 cm distance 45 degrees.
    if "deg" in found:
        known["distance_cm"] = 20
        centre, edge = np.array([[400.0, 300]]), np.array([[800.0, 300]])
        units_of = error_units(same_screen(known, 1))
        errors = {unit: error_of(edge, centre)[0] for unit, error_of in units_of.items()}
        assert errors == {"px": 400, "cm": pytest.approx(20), "deg": pytest.approx(45)}


def test_sessions_have_cm_px_and_degrees_of_their_own_screens(faces: Prepared) -> None:
    table = predictions(faces)
    target = table[["target_x", "target_y"]].to_numpy()
    units = error_units(screens_of(faces, table))
    assert list(units) == ["cm", "px", "deg"]
    for name, device in DEVICES.items():
        rows = (table["device"] == name).to_numpy()
        assert rows.any()
        (w_px, h_px), (w_cm, h_cm) = device.px, device.cm
        # One cm to the right, then one down.
        for step, pixels in (((1.0, 0.0), w_px / w_cm), ((0.0, -1.0), h_px / h_cm)):
            found = {unit: of(target + step, target)[rows] for unit, of in units.items()}
            np.testing.assert_allclose(found["cm"], 1)
            np.testing.assert_allclose(found["px"], pixels)
        # From before the screen's centre, a step of the viewing distance is 45 degrees.
        centre = np.tile([w_cm / 2 - device.camera[0], -h_cm / 2 - device.camera[1]],
                         (len(table), 1))  # fmt: skip
        far = centre + np.array([0, device.distance])
        np.testing.assert_allclose(units["deg"](far, centre)[rows], 45)


def test_positions_on_the_screen_are_those_that_were_shown(faces: Prepared) -> None:
    """Pixels from the top left corner, y down, back from cm from the camera, y up."""
    table = predictions(faces)
    screens = screens_of(faces, table)
    assert screens.px is not None and screens.cm is not None and screens.camera is not None
    target = table[["target_x", "target_y"]].to_numpy()
    corner = np.stack([-screens.camera[:, 0], -screens.camera[:, 1]], axis=1)
    shown = table[["shown_x", "shown_y"]].to_numpy()
    distance = error_units(screens)["px"](target, corner)
    np.testing.assert_allclose(distance, np.hypot(*shown.T))


def test_azimuth_grows_to_the_right_and_elevation_down(faces: Prepared) -> None:
    table = predictions(faces)
    screens = screens_of(faces, table)
    assert screens.cm is not None and screens.camera is not None
    centre = screens.cm / 2 * (1, -1) - screens.camera
    found = gaze_positions(screens, centre)
    assert list(found) == ["cm", "deg"]
    np.testing.assert_allclose(found["deg"], 0, atol=1e-12)
    right, up = (gaze_positions(screens, centre + step)["deg"] for step in ((2, 0), (0, 2)))
    assert (right[:, 0] > 1).all() and (up[:, 1] < -1).all()
    np.testing.assert_allclose(np.concatenate([right[:, 1], up[:, 0]]), 0, atol=1e-12)


def test_azimuth_and_elevation_are_those_of_etdqualitizer(faces: Prepared) -> None:
    other = pytest.importorskip("ETDQualitizer", reason="it is in the test extra")
    table = predictions(faces)
    screens = screens_of(faces, table)
    assert screens.cm is not None and screens.camera is not None
    gaze = table[["pred_x", "pred_y"]].to_numpy()
    found = gaze_positions(screens, gaze)["deg"]
    for name, device in DEVICES.items():
        rows = (table["device"] == name).to_numpy()
        screen = other.ScreenConfiguration(
            *(10 * side for side in device.cm), *device.px, 10 * device.distance
        )
        x, y = (gaze[rows] + device.camera).T
        expected = screen.mm_to_deg(10 * (x - device.cm[0] / 2), 10 * (-y - device.cm[1] / 2))
        np.testing.assert_allclose(found[rows], np.stack(expected, axis=1), rtol=1e-9)


def test_one_session_without_a_distance_leaves_no_degrees(faces: Prepared) -> None:
    sessions = faces.sessions
    assert sessions is not None
    sessions["distance_cm"] = sessions["distance_cm"].astype(object)
    sessions.loc[1, "distance_cm"] = ""
    near = with_sessions(faces, sessions)
    table = predictions(near)
    assert list(error_units(screens_of(near, table))) == ["cm", "px"]
    assert list(gaze_positions(screens_of(near, table), np.zeros((len(table), 2)))) == ["cm"]
    # Where that session is not judged, nothing is missing.
    missing = (table["subject"] == sessions["subject"][1]) & (
        table["session"] == sessions["session"][1]
    )
    others = table[~missing].reset_index(drop=True)
    assert missing.any() and "deg" in error_units(screens_of(near, others))


def test_some_rows_keep_their_screens(faces: Prepared) -> None:
    table = predictions(faces)
    rows = np.random.default_rng(0).choice(len(table), 50)
    taken, read = screens_of(faces, table).take(rows), screens_of(faces, table.iloc[rows])
    for mine, other in zip(vars(taken).values(), vars(read).values(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert same_screen({"unit": "px", "screen_px": None, "screen_cm": None, "distance_cm": None},
                       9).take(rows).px is None  # fmt: skip


def test_the_order_of_the_sessions_changes_nothing(faces: Prepared) -> None:
    sessions = faces.sessions
    assert sessions is not None
    table = predictions(faces)
    turned = with_sessions(faces, sessions.iloc[::-1])
    for mine, other in zip(
        vars(screens_of(faces, table)).values(), vars(screens_of(turned, table)).values(),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda s: s.iloc[1:], "lacks the sessions of 45 rows"),
     (lambda s: pd.concat([s, s.iloc[:1]]), "has a session twice")],
)  # fmt: skip
def test_sessions_that_do_not_fit_are_refused(
    faces: Prepared, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    sessions = faces.sessions
    assert sessions is not None
    with pytest.raises(DataError, match=said):
        screens_of(with_sessions(faces, change(sessions)), predictions(faces))
