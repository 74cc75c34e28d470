"""Multinomial logistic regression, its penalty chosen by cross-validation over groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eyecli.evaluation.ridge import group_folds
from eyecli.metrics.calibration import softmax

# Half decades; the curve of the loss is flat at its foot.
ALPHAS = np.logspace(-4, 2, 13)
FOLDS = 5
# Logit of a class that no train row has; the mean of the others is 0, their largest is no less.
NEVER = -30.0
# Largest gradient left, and change of the loss: of a solution, and of those that only choose.
EXACT, ROUGH = (1e-7, 1e-13), (1e-5, 1e-9)
# Directions with less variance than this share of the largest are rounding.
RANK = 1e-10


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression: logits are ``(x - mean) / std @ weight + bias``.

    Attributes
    ----------
    weight
        (p, k), of standardised features.
    bias
        (k,).
    mean, std
        (p,) of the train rows; 1 where a feature does not vary.
    alpha
        The penalty, on standardised features and the mean log loss.
    """

    weight: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    alpha: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return (n, k) logits of (n, p) features."""
        return (np.asarray(features, float) - self.mean) / self.std @ self.weight + self.bias

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return (n, k) probabilities of (n, p) features."""
        return softmax(self.logits(features))


def fit_logistic(
    features: np.ndarray,
    classes: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    k: int,
    seed: int = 0,
    alphas: Sequence[float] | np.ndarray = ALPHAS,
) -> Logistic:
    """Fit logistic regression with an L2 penalty and choose the penalty.

    Minimises ``mean log loss + alpha / 2 |w|^2`` with the features standardised on the rows it is
    fitted on, the bias free. The penalty has the least log loss in a cross-validation that keeps
    groups together. More features than samples cost no more than as many as samples: the
    solution lies in the span of the samples, so that the axes of the singular value decomposition
    will do, exactly (Hastie and Tibshirani 2004).

    Parameters
    ----------
    features
        (n, p); p may be 0: then class frequencies are predicted.
    classes
        (n,) 0 to k - 1. A class without rows is all but never predicted.
    groups
        (n,) group of every sample; with one group only, samples are groups.
    k
        Number of classes.
    seed
        Seed of the draw of the folds.
    alphas
        Penalties to choose from.

    Raises
    ------
    ValueError
        Without rows, if a class is out of range, or if a feature is no finite number.
    """
    x, y = np.asarray(features, np.float64), np.asarray(classes).astype(np.int64)
    if not len(y) or y.min() < 0 or y.max() >= k:
        raise ValueError(f"logistic regression needs rows, and classes from 0 to {k - 1}")
    if not np.isfinite(x).all():
        raise ValueError("a feature is no finite number")
    penalties = np.sort(np.asarray(alphas, float))[::-1]
    best = penalties[0]
    if x.shape[1] and len(penalties) > 1 and len(y) > 1:
        fold = group_folds(groups, seed, FOLDS)
        losses = np.zeros(len(penalties))
        for number in np.unique(fold):
            kept, left = fold != number, fold == number
            # What was never seen has the same loss whatever the penalty.
            left &= np.isin(y, y[kept])
            for i, one in enumerate(_path(x[kept], y[kept], k, penalties, ROUGH)):
                losses[i] += log_loss(one.logits(x[left]), y[left]).sum()
        best = penalties[losses.argmin()]
    return _path(x, y, k, np.array([best]), EXACT)[0]


def log_loss(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Log loss in nats of every sample, from (n, k) logits."""
    largest = logits.max(axis=1)
    total = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return total - logits[np.arange(len(classes)), classes]


def _path(
    x: np.ndarray, y: np.ndarray, k: int, penalties: np.ndarray, tolerance: tuple[float, float]
) -> list[Logistic]:
    """Solutions for falling penalties, each from where the one before ended."""
    mean, std = x.mean(axis=0), x.std(axis=0)
    std = np.where(std > 1e-8 * np.maximum(1, np.abs(mean)), std, 1.0)
    axes, scale = _axes((x - mean) / std)
    reduced = ((x - mean) / std) @ axes
    seen, known = np.unique(y, return_inverse=True)
    start = np.zeros((len(scale) + 1, len(seen)))
    start[-1] = np.log(np.bincount(known) / len(y))
    found = []
    for alpha in penalties:
        start = _solve(reduced, known, scale, float(alpha), start, tolerance)
        weight, bias = np.zeros((x.shape[1], k)), np.full(k, NEVER)
        weight[:, seen] = axes @ start[:-1]
        bias[seen] = start[-1] - start[-1].mean()
        found.append(Logistic(weight, bias, mean, std, float(alpha)))
    return found


def _axes(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal axes (p, r) of the span of the rows, and the variance along each."""
    n, p = z.shape
    if n > p:
        values, axes = np.linalg.eigh(z.T @ z)
        kept = values > RANK * max(values.max(initial=0), 1e-300)
        return axes[:, kept], values[kept] / n
    values, vectors = np.linalg.eigh(z @ z.T)
    kept = values > RANK * max(values.max(initial=0), 1e-300)
    return z.T @ (vectors[:, kept] / np.sqrt(values[kept])), values[kept] / n


def _solve(
    reduced: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray,
    alpha: float,
    start: np.ndarray,
    tolerance: tuple[float, float],
) -> np.ndarray:
    """Weights (r, c) and, in the last row, biases (c,) of the least penalised loss.

    Every weight is measured in units of the curvature along its axis: L-BFGS (Liu and Nocedal
    1989) needs a tenth of the steps then.
    """
    from scipy.optimize import minimize

    n, classes = len(y), start.shape[1]
    unit = np.append(1 / np.sqrt(scale * (1 - 1 / classes) / classes + alpha), 1.0)[:, None]
    truth = y[:, None] == np.arange(classes)
    design = np.column_stack([reduced, np.ones(n)])
    penalty = np.append(np.full(len(scale), alpha), 0.0)[:, None]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(start.shape) * unit
        logits = design @ weights
        shift = logits.max(axis=1, keepdims=True)
        raised = np.exp(logits - shift)
        total = raised.sum(axis=1, keepdims=True)
        loss = (shift + np.log(total)).mean() - logits[truth].mean()
        gradient = design.T @ (raised / total - truth) / n + penalty * weights
        return loss + (penalty * weights**2).sum() / 2, (gradient * unit).ravel()

    options = {"maxiter": 500, "gtol": tolerance[0], "ftol": tolerance[1]}
    first = (start / unit).ravel()
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(start.shape) * unit
