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
    position: np.ndarray, screen_px: Sequence[float], screen_cm: Sequence[float]
) -> np.ndarray:
    """Positions on the screen from pixels to cm; pixels need not be square.

    Parameters
    ----------
    position
        (n, 2) px.
    screen_px, screen_cm
        Width and height of the screen.

    Returns
    -------
    ndarray, shape (n, 2)
        In cm from the same origin.
    """
    return np.asarray(position) * (np.asarray(screen_cm) / np.asarray(screen_px))


def angle_deg(
    prediction: np.ndarray, target: np.ndarray, screen_cm: Sequence[float], distance_cm: float
) -> np.ndarray:
    """Angle between the lines of sight to two positions on the screen.

    The eye is taken to be before the screen's centre; the angle is that between the two vectors,
    not the distance divided by the viewing distance, which overstates it towards the edges.

    Parameters
    ----------
    prediction, target
        (n, 2) cm from the screen's top left corner.
    screen_cm
        Width and height of the screen.
    distance_cm
        From the eye to the screen.

    Returns
    -------
    ndarray, shape (n,)
        Degrees.
    """
    centre = np.asarray(screen_cm) / 2
    depth = np.full((len(prediction), 1), distance_cm)
    a = np.hstack([np.asarray(prediction) - centre, depth])
    b = np.hstack([np.asarray(target) - centre, depth])
    # atan2 keeps its precision for small angles, where the arc cosine loses it.
    cross = np.linalg.norm(np.cross(a, b), axis=1)
    return np.degrees(np.arctan2(cross, (a * b).sum(axis=1)))
