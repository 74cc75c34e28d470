"""Operating points: thresholds for a wanted sensitivity or specificity, and what they give."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

# A wanted share times a count is a whole number in spite of rounding: 0.9 * 10 is 9, not 9.0...1.
ROUNDING = 1e-9


def roc_points(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the ROC curve, from calling nobody positive to calling everybody.

    Parameters
    ----------
    score
        (n,), higher for positives.
    positive
        (n,) bool.

    Returns
    -------
    false_positive, true_positive : ndarray, shape (distinct scores + 1,)
        Rates; equal scores are called together, so that the area below straight lines is that of
        `eyecli.metrics.roc.auc`.

    Raises
    ------
    ValueError
        If there is only one class, or a score is no number.
    """
    score, positive = _checked(score, positive)
    distinct, owner = np.unique(-score, return_inverse=True)
    above = np.bincount(owner, positive, len(distinct)).cumsum()
    below = np.bincount(owner, ~positive, len(distinct)).cumsum()
    return np.append(0.0, below / below[-1]), np.append(0.0, above / above[-1])


def threshold_at(
    score: np.ndarray,
    positive: np.ndarray,
    *,
    sensitivity: float | None = None,
    specificity: float | None = None,
) -> float:
    """Threshold that reaches a wanted sensitivity, or specificity, and gives most of the other.

    To be chosen on validation rows and applied to test rows: chosen on the rows it is judged by,
    it flatters. Samples are called positive at the threshold and above.

    Equal scores fall on one side, so that what is reached is the least share not below the wanted
    one. Every sensitivity can be reached by calling everybody positive, every specificity by
    calling nobody: then the threshold lies just above the largest score, and what is reached of
    the other may be 0 (see `sensitivity_specificity`).

    Parameters
    ----------
    score
        (n,), higher for positives.
    positive
        (n,) bool.
    sensitivity, specificity
        The wanted share, above 0 and at most 1; one of them.

    Returns
    -------
    float
        Always finite.

    Raises
    ------
    ValueError
        If not exactly one share is given, it is out of range, there is only one class, or a score
        is no finite number.
    """
    score, positive = _checked(score, positive)
    if not np.isfinite(score).all():
        raise ValueError("a score is not finite")
    wanted = specificity if sensitivity is None else sensitivity
    if wanted is None or None not in (sensitivity, specificity):
        raise ValueError("give a sensitivity or a specificity")
    if not 0 < wanted <= 1:
        raise ValueError(f"a share is above 0 and at most 1, not {wanted}")
    own = np.sort(score[positive] if specificity is None else score[~positive])
    needed = int(np.ceil(wanted * len(own) - ROUNDING))
    if specificity is None:
        return float(own[len(own) - needed])
    above = score[score > own[needed - 1]]
    return float(above.min() if len(above) else np.nextafter(score.max(), np.inf))


def sensitivity_specificity(
    score: np.ndarray, positive: np.ndarray, threshold: float
) -> tuple[float, float]:
    """Share of positives at the threshold or above, and of negatives below it.

    NaN for a class without samples.
    """
    positive = np.asarray(positive, bool)
    called = np.asarray(score, float) >= threshold
    hits, rejected = called & positive, ~called & ~positive
    with np.errstate(invalid="ignore"):
        return (
            float(np.divide(hits.sum(), positive.sum())),
            float(np.divide(rejected.sum(), (~positive).sum())),
        )


def wilson_interval(successes: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share of independent samples (Wilson 1927, score interval).

    Eyes of one person are not independent: resample patients instead. Without samples nothing is
    known: 0 to 1.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = successes + z**2 / 2
    half = z * np.sqrt(successes * (total - successes) / max(total, 1) + z**2 / 4)
    low, high = (centre - half) / (total + z**2), (centre + half) / (total + z**2)
    return max(0.0, float(low)), min(1.0, float(high))


def recalls(matrix: np.ndarray) -> np.ndarray:
    """Recall of every class of one or many confusion matrices.

    Parameters
    ----------
    matrix
        (..., k, k) counts, true class by row.

    Returns
    -------
    ndarray, shape (..., k)
        NaN for classes without samples.
    """
    counts = np.asarray(matrix, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-1)


def accuracy(matrix: np.ndarray) -> np.ndarray:
    """Share on the diagonal of (..., k, k) confusion matrices; NaN without samples."""
    counts = np.asarray(matrix, float)
    with np.errstate(invalid="ignore"):
        return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


def balanced_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that have samples, of (..., k, k) confusion matrices."""
    return _mean_known(recalls(matrix))


def macro_f1(matrix: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur, in truth or prediction, of (..., k, k) matrices."""
    counts = np.asarray(matrix, float)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _mean_known(2 * np.diagonal(counts, axis1=-2, axis2=-1) / both)


def _mean_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is a number; NaN where nothing is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=-1) / known.sum(axis=-1)


def _checked(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    if positive.all() or not positive.any():
        raise ValueError("an operating point needs positives and negatives")
    if np.isnan(score).any():
        raise ValueError("a score is no number")
    return score, positive
