"""Logistic regression for several yes-or-no questions, penalties chosen over groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eyecli.evaluation.ridge import group_folds

# Per sample, on features of unit deviation divided by the root of their number.
PENALTIES = np.logspace(-5, -1, 9)
FOLDS = 5
# Of more samples than this, so many choose the penalties.
MOST = 4000
# Products of up to so many numbers are done before a second thread has begun; where other processes
# keep the cores busy, waiting for it costs a hundred times the work.
SMALL = 2**21
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
        (n,) group of every sample; with one group only, samples are groups.
    seed
        Seed of the draw of the folds.
    """
    # Its own BLAS must be there to be limited.
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    x, yes = np.asarray(x, np.float64), np.asarray(yes, bool)
    fold = group_folds(groups, seed, FOLDS)
    mean, std = x.mean(axis=0), x.std(axis=0)
    std = np.where(std > 1e-8 * (1 + np.abs(mean)), std, np.inf) * np.sqrt(x.shape[1])
    with threadpool_limits(1 if len(x) * min(x.shape) <= SMALL else None, "blas"):
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
    design = np.column_stack([x, np.ones(n)])
    ridge = np.vstack([np.tile(penalty, (r, 1)), np.zeros(t)])
    # In units of the curvature along each axis L-BFGS (Liu and Nocedal 1989) takes a tenth of the
    # steps.
    unit = 1 / np.sqrt((design**2).mean(axis=0)[:, None] * share * (1 - share) + ridge + 1e-12)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight = flat.reshape(unit.shape) * unit
        logits = design @ weight
        value = np.logaddexp(0, np.where(yes, -logits, logits)).sum() / n
        miss = (1 / (1 + np.exp(-logits)) - yes) / n
        slope = design.T @ miss + ridge * weight
        return float(value + (ridge * weight**2).sum() / 2), (slope * unit).ravel()

    start = np.zeros(unit.shape)
    start[-1] = np.log(share / (1 - share)) / unit[-1]
    options = {"maxiter": 500, "gtol": 1e-6, "ftol": 1e-10}
    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    weight = found.x.reshape(unit.shape) * unit
    return weight[:-1], weight[-1]
