"""Gaze error: Euclidean, in px, cm and degrees, over frames, dots or subjects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def euclidean(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Distance between predicted and true position.

    Parameters
    ----------
    prediction, target
        (n, 2) positions in the same unit.

    Returns
    -------
    ndarray, shape (n,)
        In that unit.
    """
    return np.linalg.norm(np.asarray(prediction) - np.asarray(target), axis=1)


def px_to_cm(
    position: np.ndarray,
    screen_px: Sequence[float] | np.ndarray,
    screen_cm: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Positions on the screen from pixels to cm; pixels need not be square.

    Parameters
    ----------
    position
        (n, 2) px.
    screen_px, screen_cm
        Width and height of the screen, or (n, 2), of the screen of every row.

    Returns
    -------
    ndarray, shape (n, 2)
        In cm from the same origin.
    """
    return np.asarray(position) * (np.asarray(screen_cm) / np.asarray(screen_px))


def angle_deg(
    prediction: np.ndarray,
    target: np.ndarray,
    screen_cm: Sequence[float] | np.ndarray,
    distance_cm: float | np.ndarray,
) -> np.ndarray:
    """Angle between the lines of sight to two positions on the screen.

    The eye is taken to be before the screen's centre; the angle is that between the two vectors,
    not the distance divided by the viewing distance, which overstates it towards the edges.

    Parameters
    ----------
    prediction, target
        (n, 2) cm from the screen's top left corner.
    screen_cm
        Width and height of the screen, or (n, 2), of the screen of every row.
    distance_cm
        From the eye to the screen, or (n,), of every row.

    Returns
    -------
    ndarray, shape (n,)
        Degrees.
    """
    a = _line_of_sight(prediction, screen_cm, distance_cm)
    b = _line_of_sight(target, screen_cm, distance_cm)
    # atan2 keeps its precision for small angles, where the arc cosine loses it.
    cross = np.linalg.norm(np.cross(a, b), axis=1)
    return np.degrees(np.arctan2(cross, (a * b).sum(axis=1)))


def azimuth_elevation_deg(
    position: np.ndarray,
    screen_cm: Sequence[float] | np.ndarray,
    distance_cm: float | np.ndarray,
) -> np.ndarray:
    """Azimuth and elevation (Fick angles) of the lines of sight to positions on the screen.

    Parameters
    ----------
    position
        (n, 2) cm from the screen's top left corner, y down.
    screen_cm, distance_cm
        As for `angle_deg`.

    Returns
    -------
    ndarray, shape (n, 2)
        Degrees from the screen's centre, to the right and down.
    """
    x, y, z = _line_of_sight(position, screen_cm, distance_cm).T
    return np.degrees(np.stack([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))], axis=1))


def _line_of_sight(
    position: np.ndarray,
    screen_cm: Sequence[float] | np.ndarray,
    distance_cm: float | np.ndarray,
) -> np.ndarray:
    """Vectors (n, 3) from an eye before the screen's centre, in cm."""
    from_centre = np.asarray(position) - np.asarray(screen_cm) / 2
    depth = np.broadcast_to(np.asarray(distance_cm, float), len(from_centre))
    return np.column_stack([from_centre, depth])
