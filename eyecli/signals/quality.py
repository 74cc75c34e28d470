"""Quality of eye-tracking data: precision, data loss and effective rate.

Precision is computed while a person looks at one point. Positions may be in any unit: cm on a
screen, or azimuth and elevation in degrees. A sample that is no number on either axis is missing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def rms_s2s(
    position: np.ndarray, time: np.ndarray | None = None, longest: float = math.inf
) -> float:
    """Root mean square of the distances between consecutive samples.

    The quick part of the noise: slow drift hardly counts. Two samples with a missing one between
    them are not consecutive.

    Parameters
    ----------
    position
        (n, 2) samples in time order.
    time
        (n,) time of each, in any unit; needed only where samples were left out.
    longest
        A longer time between two samples, in the unit of `time`, is a gap and no step.

    Returns
    -------
    float
        In the unit of the positions; NaN without any step.

    References
    ----------
    Holmqvist, Nyström and Mulvey 2012, Eye tracker data quality: what it is and how to measure it,
    ETRA. Niehorster, Zemblys, Beelders and Holmqvist 2020, Characterizing gaze position signals and
    synthesizing noise during fixations in eye-tracking data, Behavior Research Methods 52.
    """
    squared = (np.diff(np.asarray(position, float), axis=0) ** 2).sum(axis=1)
    steps = np.isfinite(squared)
    if time is not None:
        steps &= np.diff(np.asarray(time, float)) <= longest
    return float(np.sqrt(squared[steps].mean())) if steps.any() else math.nan


def std(position: np.ndarray) -> float:
    """Standard deviation of the samples about their mean, both axes together.

    The spatial spread, drift included: ``sqrt(var_x + var_y)``, variances divided by n.

    Parameters
    ----------
    position
        (n, 2) samples, in any order.

    Returns
    -------
    float
        In the unit of the positions; NaN without samples.

    References
    ----------
    Holmqvist, Nyström and Mulvey 2012; Niehorster et al. 2020 (see `rms_s2s`).
    """
    known = _known(position)
    return float(np.sqrt(known.var(axis=0).sum())) if len(known) else math.nan


def bcea(position: np.ndarray, proportion: float = 0.68) -> float:
    """Area of the ellipse that holds a proportion of the samples, were they bivariate normal.

    ``2 k pi s_x s_y sqrt(1 - r^2)`` with ``k = -ln(1 - proportion)`` and variances divided by
    n - 1: of samples on one line it is 0.

    Parameters
    ----------
    position
        (n, 2) samples, in any order.
    proportion
        Between 0 and 1, both excluded.

    Returns
    -------
    float
        In the squared unit of the positions; NaN with fewer than two samples.

    Raises
    ------
    ValueError
        If the proportion is not between 0 and 1.

    References
    ----------
    Steinman 1965, Effect of target size, luminance, and color on monocular fixation, Journal of the
    Optical Society of America 55. Crossland and Rubin 2002, The use of an infrared eyetracker to
    measure fixation stability, Optometry and Vision Science 79 (a proportion of 0.68).
    """
    if not 0 < proportion < 1:
        raise ValueError(f"proportion {proportion} is not between 0 and 1")
    known = _known(position)
    if len(known) < 2:
        return math.nan
    # s_x s_y sqrt(1 - r^2) as a product of singular values: precise however flat the ellipse is.
    axes = np.linalg.svd(known - known.mean(axis=0), compute_uv=False)
    return float(-2 * math.log1p(-proportion) * math.pi * axes.prod() / (len(known) - 1))


def data_loss(kept: ArrayLike, expected: ArrayLike) -> np.ndarray:
    """Share of the expected samples that are missing or invalid.

    Parameters
    ----------
    kept, expected
        Numbers of samples; the expected ones include those that were never
        delivered. Shapes are broadcast.

    Returns
    -------
    ndarray
        Between 0 and 1; NaN where none was expected.

    References
    ----------
    Holmqvist, Nyström and Mulvey 2012 (see `rms_s2s`).
    """
    return 1 - _ratio(kept, expected)


def effective_rate(kept: ArrayLike, seconds: ArrayLike) -> np.ndarray:
    """Valid samples a second.

    Parameters
    ----------
    kept
        Numbers of valid samples.
    seconds
        How long they were recorded; shapes are broadcast.

    Returns
    -------
    ndarray
        In Hz; NaN where nothing was recorded.

    References
    ----------
    Holmqvist, Nyström and Mulvey 2012 (see `rms_s2s`).
    """
    return _ratio(kept, seconds)


def _known(position: np.ndarray) -> np.ndarray:
    position = np.asarray(position, float)
    return position[np.isfinite(position).all(axis=1)]


def _ratio(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    a, b = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)
