"""Logistic regression for several yes-or-no questions, penalties chosen over groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Per sample, on features of unit deviation divided by the root of their number.
PENALTIES = np.logspace(-5, -1, 9)
FOLDS = 5
# Of more samples than this, so many choose the penalties.
MOST = 4000
# No question has an answer that is surer than this before anything is seen.
CERTAIN = 1e-3


@dataclass(frozen=True)
class Logistic:
    """Fitted logistic regressions: ``logits = x @ weight + bias``.

    Attributes
    ----------
    weight
        (p, t).
    bias
        (t,).
    penalties
        (t,) the L2 penalty of each, per sample.
    held_out
        (n, t) logits of the samples that they were fitted on, each predicted by a fit without its
        group; NaN for samples that had no part in choosing penalties.
    """

    weight: np.ndarray
    bias: np.ndarray
    penalties: np.ndarray
    held_out: np.ndarray


def fit_logistic(
    x: np.ndarray,
    yes: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    seed: int = 0,
    *,
    blocks: Sequence[int] = (),
) -> Logistic:
    """Fit L2-penalised logistic regressions and choose their penalties.

    Features are standardised, then turned to their principal axes: the fit is the same, and costs
    no more than there are samples. Each penalty has the least log loss in a cross-validation that
    keeps groups together.

    Parameters
    ----------
    x
        (n, p) features.
    yes
        (n, t) bool, a column a question.
    groups
        (n,) group of every sample.
    seed
        Seed of the draw of the folds.
    blocks
        How many features in turn belong together: each block weighs the same, however many they
        are; all are one block by default.

    Raises
    ------
    ValueError
        If there are fewer than two groups.
    """
    x, yes = np.asarray(x, np.float64), np.asarray(yes, bool)
    fold = _folds(groups, seed)
    mean, std = x.mean(axis=0), x.std(axis=0)
    sizes = np.array(blocks or [x.shape[1]])
    weight_of = np.repeat(np.sqrt(sizes * len(sizes)), sizes)
    std = np.where(std > 1e-8 * (1 + np.abs(mean)), std, np.inf) * weight_of
    scores, axes = _principal((x - mean) / std)
    chosen = _evenly(len(x), MOST)
    tried = np.stack([
        _held_out(scores[chosen], yes[chosen], fold[chosen], penalty) for penalty in PENALTIES
    ])  # fmt: skip
    losses = np.logaddexp(0, np.where(yes[chosen], -tried, tried)).mean(axis=1)
    best = losses.argmin(axis=0)
    held_out = np.full(yes.shape, np.nan)
    held_out[chosen] = np.take_along_axis(tried, best[None, None], axis=0)[0]
    directions, intercepts = _fit(scores, yes, PENALTIES[best])
    weight = axes.T @ directions / std[:, None]
    return Logistic(weight, intercepts - mean @ weight, PENALTIES[best], held_out)


def _evenly(number: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int))


def _folds(groups: Sequence[str] | np.ndarray, seed: int) -> np.ndarray:
    names, inverse = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise ValueError("penalties are chosen over groups, and there is one only")
    order = np.random.default_rng(seed).permutation(len(names))
    return (order % min(FOLDS, len(names)))[inverse]


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (n, r) and axes (r, p) whose product is `x`, r the smaller side at most."""
    if len(x) <= x.shape[1]:
        values, vectors = np.linalg.eigh(x @ x.T)
        kept = values > 1e-10 * max(values[-1], 1e-300)
        scores = vectors[:, kept] * np.sqrt(values[kept])
        return scores, (vectors[:, kept] / np.sqrt(values[kept])).T @ x
    return x, np.eye(x.shape[1])


def _held_out(x: np.ndarray, yes: np.ndarray, fold: np.ndarray, penalty: float) -> np.ndarray:
    logits = np.empty(yes.shape)
    for number in np.unique(fold):
        left = fold == number
        weight, bias = _fit(x[~left], yes[~left], np.full(yes.shape[1], penalty))
        logits[left] = x[left] @ weight + bias
    return logits


def _fit(x: np.ndarray, yes: np.ndarray, penalty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (r, t) weights and (t,) biases of the least mean log loss with its penalty."""
    from scipy.optimize import minimize

    (n, r), t = x.shape, yes.shape[1]
    share = np.clip(yes.mean(axis=0), CERTAIN, 1 - CERTAIN)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = flat[:-t].reshape(r, t), flat[-t:]
        logits = x @ weight + bias
        value = np.logaddexp(0, np.where(yes, -logits, logits)).sum() / n
        miss = (1 / (1 + np.exp(-logits)) - yes) / n
        slope = np.concatenate([(x.T @ miss + penalty * weight).ravel(), miss.sum(axis=0)])
        return float(value + (penalty * weight**2).sum() / 2), slope

    start = np.concatenate([np.zeros(r * t), np.log(share / (1 - share))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B",
                     options={"maxiter": 1000, "maxcor": 20, "gtol": 1e-6, "ftol": 1e-10})  # fmt: skip
    return found.x[:-t].reshape(r, t), found.x[-t:]
