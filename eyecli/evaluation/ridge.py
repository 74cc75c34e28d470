"""Ridge regression in closed form, its penalty chosen by cross-validation over groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALPHAS = np.logspace(-4, 4, 33)
FOLDS = 10


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge regression: ``y = x @ weight + bias``.

    Attributes
    ----------
    weight
        (p, t).
    bias
        (t,).
    alpha
        The penalty, on standardised features and the mean squared error.
    """

    weight: np.ndarray
    bias: np.ndarray
    alpha: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return (n, t) predictions for (n, p) features."""
        return x @ self.weight + self.bias


def fit_ridge(
    x: np.ndarray,
    y: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    seed: int = 0,
    *,
    standardise: bool = True,
) -> Ridge:
    """Fit ridge regression (Hoerl and Kennard 1970) and choose its penalty.

    Minimises ``mean |y - z w|^2 + alpha |w|^2`` with z the features standardised on `x`. The
    penalty has the least error in a cross-validation that keeps groups together, so that it is
    chosen for new people, not for new frames of the same people.

    Parameters
    ----------
    x
        (n, p) features.
    y
        (n, t) targets.
    groups
        (n,) group of every sample; with one group only, samples are groups.
    seed
        Seed of the draw of the folds.
    standardise
        Whether features are scaled to unit deviation, or only centred: pixels have one unit
        already, and scaling would raise those that hardly vary.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    fold = group_folds(groups, seed, FOLDS)
    errors = np.zeros(len(ALPHAS))
    for k in np.unique(fold):
        kept, left = fold != k, fold == k
        for i, (weight, bias) in enumerate(_solve(x[kept], y[kept], ALPHAS, standardise)):
            errors[i] += ((x[left] @ weight + bias - y[left]) ** 2).sum()
    alpha = float(ALPHAS[errors.argmin()])
    ((weight, bias),) = _solve(x, y, np.array([alpha]), standardise)
    return Ridge(weight, bias, alpha)


def group_folds(groups: Sequence[str] | np.ndarray, seed: int, folds: int) -> np.ndarray:
    """Fold number of every sample; groups are not divided, unless there is only one."""
    names, inverse = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) == 1:
        names = inverse = np.arange(len(inverse))
    order = np.random.default_rng(seed).permutation(len(names))
    return (order % min(folds, len(names)))[inverse]


def _solve(
    x: np.ndarray, y: np.ndarray, alphas: np.ndarray, standardise: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases for every penalty from one eigendecomposition of the smaller side."""
    mean, std, centre = x.mean(axis=0), x.std(axis=0), y.mean(axis=0)
    std = np.where(standardise & (std > 1e-8), std, 1.0)
    z, residual = (x - mean) / std, y - centre
    n, p = z.shape
    if n > p:
        values, vectors = np.linalg.eigh(z.T @ z)
        basis, projected = vectors, vectors.T @ (z.T @ residual)
    else:
        values, vectors = np.linalg.eigh(z @ z.T)
        basis, projected = z.T @ vectors, vectors.T @ residual
    values = np.maximum(values, 0)[:, None]
    solutions = []
    for alpha in alphas:
        weight = basis @ (projected / (values + n * alpha)) / std[:, None]
        solutions.append((weight, centre - mean @ weight))
    return solutions
