"""Agreement of grades: confusion matrices and Cohen's quadratic weighted kappa."""

from __future__ import annotations

import numpy as np


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count how often each true class was called each class.

    Parameters
    ----------
    truth, predicted
        (n,) classes, 0 to `classes` - 1.
    classes
        Number of classes.

    Returns
    -------
    ndarray of int, shape (classes, classes)
        True class by row.

    Raises
    ------
    ValueError
        If a class is outside the range, or the lengths differ.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise ValueError(f"{len(truth)} true classes, {len(predicted)} predictions")
    both = np.concatenate([truth, predicted])
    if len(both) and not (both.min() >= 0 and both.max() < classes):
        raise ValueError(f"classes are {both.min()} to {both.max()}, not 0 to {classes - 1}")
    cells = truth.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def quadratic_weighted_kappa(matrix: np.ndarray) -> np.ndarray:
    """Cohen's kappa with quadratic weights (Cohen 1968) of one or many confusion matrices.

    Parameters
    ----------
    matrix
        (..., k, k) counts.

    Returns
    -------
    ndarray, shape (...)
        1 for perfect agreement, 0 for that of chance. Where truth and predictions are all one
        class, chance agrees as well and kappa has no value: NaN.
    """
    counts = np.asarray(matrix, float)
    grades = np.arange(counts.shape[-1])
    weights = (grades[:, None] - grades) ** 2
    total = counts.sum(axis=(-2, -1))
    observed = (counts * weights).sum(axis=(-2, -1))
    rows, columns = counts.sum(axis=-1), counts.sum(axis=-2)
    expected = np.einsum("...i,ij,...j->...", rows, weights.astype(float), columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = 1 - observed * total / expected
    return np.where(expected > 0, kappa, np.nan)
