"""Area under the ROC curve, its interval after DeLong, for single and for clustered samples."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs.

    Parameters
    ----------
    values
        (n,).
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def placements(score: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """For every sample the share of the other class on its right side (ties count half).

    The structural components of DeLong et al. 1988, computed by ranks in n log n (Sun and Xu 2014).

    Parameters
    ----------
    score
        (n,), higher for positives.
    positive
        (n,) bool.

    Returns
    -------
    ndarray, shape (n,)
        The mean over the positives, and that over the negatives, is the area.

    Raises
    ------
    ValueError
        If there is only one class, or a score is no number.
    """
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    m, n = int(positive.sum()), int((~positive).sum())
    if not (m and n):
        raise ValueError("the area under the ROC curve needs positives and negatives")
    if np.isnan(score).any():
        raise ValueError("a score is no number")
    ranks = midranks(score)
    found = np.empty(len(score))
    found[positive] = (ranks[positive] - midranks(score[positive])) / n
    found[~positive] = 1 - (ranks[~positive] - midranks(score[~positive])) / m
    return found


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative (ties count half)."""
    return float(placements(score, positive)[np.asarray(positive, bool)].mean())


def auc_interval(
    score: np.ndarray,
    positive: np.ndarray,
    groups: Sequence[str] | np.ndarray | None = None,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Area under the ROC curve and its interval.

    DeLong et al. 1988; with groups the variance for clustered data (Obuchowski 1997), which is
    DeLong's where every sample is a group of its own.

    Parameters
    ----------
    score, positive
        (n,), see `placements`.
    groups
        (n,) group of every sample, such as the patient of an eye.
    level
        Of the interval.

    Returns
    -------
    area, low, high : float
        The bounds are cut to 0..1; NaN where only one group has positives, or negatives.
    """
    positive = np.asarray(positive, bool)
    placed = placements(score, positive)
    area = float(placed[positive].mean())
    labels = np.arange(len(placed)) if groups is None else np.asarray(groups)
    _, owner = np.unique(labels, return_inverse=True)
    deviations = placed - area
    count = owner.max() + 1
    above = np.bincount(owner, np.where(positive, deviations, 0.0), minlength=count)
    below = np.bincount(owner, np.where(positive, 0.0, deviations), minlength=count)
    with_positives = len(np.unique(owner[positive]))
    with_negatives = len(np.unique(owner[~positive]))
    if min(with_positives, with_negatives) < 2:
        return area, float("nan"), float("nan")
    m, n = int(positive.sum()), int((~positive).sum())
    variance = (
        with_positives / (with_positives - 1) * (above @ above) / m**2
        + with_negatives / (with_negatives - 1) * (below @ below) / n**2
        + 2 * count / (count - 1) * (above @ below) / (m * n)
    )
    half = NormalDist().inv_cdf((1 + level) / 2) * float(np.sqrt(max(variance, 0.0)))
    return area, max(0.0, area - half), min(1.0, area + half)
