"""The screens that rows were recorded before, and the units in which an error can be given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.metrics.gaze import angle_deg, azimuth_elevation_deg, euclidean, px_to_cm
from eyecli.tasks.gaze.recordings import sessions_of_rows

if TYPE_CHECKING:
    import pandas as pd

# From (n, 2) prediction and target to (n,) errors.
ErrorOf = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Screens:
    """The screen of every row, None for what is not known of all of them.

    Attributes
    ----------
    unit
        Of targets and predictions: ``px`` or ``cm``.
    px, cm
        (n, 2) width and height.
    camera
        (n, 2) where targets are measured from, y up: cm to the right of the screen's top left
        corner and above it. None where they are measured from that corner, y down.
    distance
        (n,) cm from the eye to the screen.
    """

    unit: str
    px: np.ndarray | None
    cm: np.ndarray | None
    camera: np.ndarray | None
    distance: np.ndarray | None

    def take(self, rows: np.ndarray) -> Screens:
        """Return the screens of some rows."""
        arrays = (self.px, self.cm, self.camera, self.distance)
        return Screens(self.unit, *(None if a is None else a[rows] for a in arrays))


def screens_of(prepared: Prepared, table: pd.DataFrame) -> Screens:
    """Return the screens of a table's rows: those of their sessions, or the one of all the data.

    Parameters
    ----------
    prepared
        The data that the rows are of.
    table
        (n) rows of it.

    Raises
    ------
    DataError
        If a session of face videos is not known.
    """
    sessions = prepared.sessions
    if sessions is None:
        return same_screen(prepared.setup, len(table))
    found = sessions_of_rows(sessions, table)

    def numbers(*columns: str) -> np.ndarray:
        return found[list(columns)].to_numpy(float)

    distance = numbers("distance_cm")[:, 0]
    return Screens(
        prepared.setup["unit"],
        numbers("screen_w_px", "screen_h_px"),
        numbers("screen_w_cm", "screen_h_cm"),
        numbers("camera_x_cm", "camera_y_cm"),
        None if np.isnan(distance).any() else distance,
    )


def same_screen(setup: Mapping[str, Any], rows: int) -> Screens:
    """Return one screen for all rows, as far as the setup knows it."""

    def repeated(value: Any) -> np.ndarray | None:
        return np.repeat(np.asarray([value], float), rows, axis=0) if value else None

    return Screens(
        setup["unit"], repeated(setup["screen_px"]), repeated(setup["screen_cm"]), None,
        repeated(setup["distance_cm"]),
    )  # fmt: skip


def error_units(screens: Screens) -> dict[str, ErrorOf]:
    """Units in which the error can be given, that of the targets first.

    Pixels need the screen in px and cm to become cm, and centimetres to become pixels the camera's
    place too; degrees need the distance as well.
    """
    units: dict[str, ErrorOf] = {screens.unit: euclidean}
    px, cm, distance, in_cm = screens.px, screens.cm, screens.distance, _from_corner(screens)
    if in_cm is None or px is None or cm is None:
        return units
    if screens.unit == "px":
        units["cm"] = lambda p, t: euclidean(in_cm(p), in_cm(t))
    else:
        units["px"] = lambda p, t: euclidean(in_cm(p) * px / cm, in_cm(t) * px / cm)
    if distance is not None:
        units["deg"] = lambda p, t: angle_deg(in_cm(p), in_cm(t), cm, distance)
    return units


def gaze_positions(screens: Screens, gaze: np.ndarray) -> dict[str, np.ndarray]:
    """Gaze in the unit of the targets, and as azimuth and elevation in degrees if they are known.

    Parameters
    ----------
    screens
        Of the rows.
    gaze
        (n, 2) in the unit of the targets.
    """
    found, in_cm = {screens.unit: gaze}, _from_corner(screens)
    if in_cm is not None and screens.cm is not None and screens.distance is not None:
        found["deg"] = azimuth_elevation_deg(in_cm(gaze), screens.cm, screens.distance)
    return found


def _from_corner(screens: Screens) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what turns positions into cm from the screen's top left corner, y down."""
    px, cm, camera = screens.px, screens.cm, screens.camera
    if camera is not None:
        return lambda position: (position + camera) * np.array([1, -1])
    if screens.unit == "px" and px is not None and cm is not None:
        return lambda position: px_to_cm(position, px, cm)
    return None
