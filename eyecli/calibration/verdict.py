"""The verdict on a calibration: accept it, repeat these points, or reject it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eyecli.calibration.regressors import MIN_QUALITY, Points
from eyecli.calibration.samples import Floats
from eyecli.calibration.select import Selection, paired_p_value

# Five is the fewest points that calibration screens show, and with four a paired test over
# points cannot reach 5 % by signs alone (1/16).
MIN_POINTS = 5
# The calibrated gaze must beat "always the centre of the targets" in a paired test at this level:
# without any gaze signal at most 1 calibration in 20 passes (1 in 80 of 9 random points).
SIGNAL_LEVEL = 0.05
# A point is outlying when its residual is this many standard deviations from the median residual.
# With the constants of the tests, 9 points and 5.0, 1 clean calibration in 50 names a point, and a
# point that was looked at 8 cm off is named alone in 96 of 100 (4.0: 1 in 14, and 97 of 100).
OUTLIER_Z = 5.0
# Nor is it outlying below this share of the diagonal of the targets (1 cm on 17 x 11 cm): where
# all points are good, the worst of them is good too.
OUTLIER_FLOOR = 0.05
# A point with less than half of its frames usable was not watched, or not seen.
MIN_VALID = 0.5
# So was one with less than a third of the usable frames of the median point.
MIN_SHARE = 1 / 3


@dataclass(frozen=True)
class Verdict:
    """What to do with a calibration.

    Parameters
    ----------
    verdict
        ``accept``, ``repeat`` (the named points) or ``reject`` (all of it).
    points
        Ids of the points to repeat.
    reasons
        One sentence a finding; empty for ``accept``.
    """

    verdict: Literal["accept", "repeat", "reject"]
    points: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def judge(selection: Selection) -> Verdict:
    """Judge a calibration by its points and its leave-one-point-out residuals.

    Parameters
    ----------
    selection
        Result of `eyecli.calibration.select.select`.

    Returns
    -------
    Verdict
        ``reject`` where there are fewer than `MIN_POINTS` usable points or no gaze signal,
        ``repeat`` where points are outlying or have too few usable frames, else ``accept``.
    """
    points = selection.points
    if len(points) < MIN_POINTS:
        lost = f" ({', '.join(points.lost)} without a usable frame)" if points.lost else ""
        return Verdict("reject", (), (f"{len(points)} usable points, needed: {MIN_POINTS}{lost}",))
    # The centre of all targets, known without calibration: one with the point left out would lie
    # away from it and lose to a model that answers about the middle of the screen.
    from_centre = np.hypot(*(points.target - points.target.mean(axis=0)).T)
    error = np.hypot(*selection.residual.T)
    if not paired_p_value(from_centre - error) < SIGNAL_LEVEL:
        reason = (
            f"no gaze signal: the error on points left out is {error.mean():.3g}, always "
            f"answering the centre of the targets has {from_centre.mean():.3g}"
        )
        return Verdict("reject", (), (reason,))
    found = _few_frames(points) | _outliers(points, selection.residual)
    return Verdict("repeat" if found else "accept", tuple(found), tuple(found.values()))


def _few_frames(points: Points) -> dict[str, str]:
    found = {name: f"point {name}: no usable frame" for name in points.lost}
    few = points.valid < MIN_VALID * points.frames
    fewer = points.valid < MIN_SHARE * np.median(points.valid)
    for i in np.flatnonzero(few | fewer):
        found[str(points.point[i])] = (
            f"point {points.point[i]}: {points.valid[i]} of {points.frames[i]} frames usable "
            f"(quality {MIN_QUALITY:g} or more), the median point has {np.median(points.valid):g}"
        )
    return found


def _outliers(points: Points, residual: Floats) -> dict[str, str]:
    """Points whose residual is far from the median residual (a shift left over is no outlier)."""
    distance = np.hypot(*(residual - np.median(residual, axis=0)).T)
    # In two dimensions the median distance of normal noise is sqrt(2 ln 2) standard deviations.
    sd = np.median(distance) / np.sqrt(2 * np.log(2))
    floor = OUTLIER_FLOOR * np.hypot(*np.ptp(points.target, axis=0))
    return {
        str(points.point[i]): f"point {points.point[i]}: its error of {distance[i]:.3g} is not "
        f"like that of the others (median {np.median(distance):.3g})"
        for i in np.flatnonzero((distance > OUTLIER_Z * sd) & (distance > floor))
    }
