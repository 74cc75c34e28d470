"""The last layer of a frozen network in closed form: yes-or-no questions by ridge regression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# Per row, on features of unit deviation divided by the root of their number.
PENALTIES = np.logspace(-5, -1, 17)
# A feature's deviation counts as these shares of its size, and of the deviations of its block, at
# least: below, rounding is all it has.
OF_SIZE, OF_BLOCK = 0.1, 0.01


@dataclass(frozen=True)
class ClosedHead:
    """A fitted last layer: ``logits = x @ weight + bias``.

    Attributes
    ----------
    weight
        (p, t).
    bias
        (t,).
    penalty
        The L2 penalty, per row.
    held_out
        (n, t) logits of the samples, each by a fit without its group.
    """

    weight: np.ndarray
    bias: np.ndarray
    penalty: float
    held_out: np.ndarray


def fit_closed(
    views: Sequence[np.ndarray],
    yes: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    blocks: Sequence[int] = (),
) -> ClosedHead:
    """Fit ridge regressions of 0 and 1, and bring their scores to logits.

    The penalty has the least squared error on samples whose group is left out; what a fit without
    a group would say of it follows from the one fit to all (Allen 1974; for groups the residuals
    are multiplied by the inverse of their block of one less the hat matrix). Logits are those of
    Platt (1999), from the scores without the own group.

    Parameters
    ----------
    views
        (n, p) features each: of the samples as they are, then of changed copies, in the same
        order, which are fitted on as well.
    yes
        (n, t) bool, a column a question.
    groups
        (n,) group of every sample; with one group only, samples are groups.
    blocks
        How many features in turn belong together: each block weighs the same, however many they
        are; all are one block by default.
    """
    n, yes = len(yes), np.asarray(yes, bool)
    x = np.concatenate(views).astype(np.float32)
    target = np.tile(yes, (len(views), 1)).astype(np.float64)
    mean, centre = x.mean(axis=0, dtype=np.float64), target.mean(axis=0)
    unit = 1 / _units(x, mean, blocks)
    x -= mean.astype(np.float32)
    x *= unit.astype(np.float32)
    values, scores, axes = _principal(x)
    projected = scores.T @ (target - centre)
    members = list(_members(groups, len(views)))
    best, penalty, held_out = np.inf, PENALTIES[0], np.zeros(yes.shape)
    for tried in PENALTIES:
        shrunk = 1 / (values + tried * len(x))
        misses = _left_out(scores, shrunk, target - centre, projected, members)[:n]
        error = float((misses**2).mean())
        if error < best:
            best, penalty, held_out = error, tried, target[:n] - misses
    weight = axes @ (projected / (values + penalty * len(x))[:, None]) * unit[:, None]
    bias = centre - mean @ weight
    slope, shift = np.array([_platt(*pair) for pair in zip(held_out.T, yes.T, strict=True)]).T
    return ClosedHead(
        weight * slope, bias * slope + shift, float(penalty), held_out * slope + shift
    )


def _units(x: np.ndarray, mean: np.ndarray, blocks: Sequence[int]) -> np.ndarray:
    """Return what each feature is divided by."""
    sizes = np.array(blocks or [x.shape[1]])
    std = x.std(axis=0, dtype=np.float64)
    block = np.repeat(np.arange(len(sizes)), sizes)
    usual = np.sqrt(np.bincount(block, std**2) / sizes)[block]
    least = np.hypot(OF_SIZE * mean, OF_BLOCK * usual)
    unit = np.where(usual > 0, np.hypot(std, least), np.inf)
    return unit * np.sqrt(sizes * len(sizes))[block]


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the squared lengths (r,), scores (n, r) and axes (p, r) of the principal axes.

    ``scores = x @ axes``, r the smaller side of x at most.
    """
    if len(x) > x.shape[1]:
        values, axes = np.linalg.eigh((x.T @ x).astype(np.float64))
        kept = values > 1e-7 * max(values[-1], 1e-300)
        return values[kept], x @ axes[:, kept].astype(np.float32), axes[:, kept]
    values, vectors = np.linalg.eigh((x @ x.T).astype(np.float64))
    kept = values > 1e-7 * max(values[-1], 1e-300)
    root = np.sqrt(values[kept])
    return values[kept], vectors[:, kept] * root, x.T @ (vectors[:, kept] / root)


def _members(groups: Sequence[str] | np.ndarray, views: int) -> Iterator[np.ndarray]:
    """Rows (g, k) of the groups of each size, all views of their samples included."""
    names, owner = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) == 1:
        owner = np.arange(len(owner))
    owner = np.tile(owner, views)
    order, sizes = np.argsort(owner, kind="stable"), np.bincount(owner)
    ends = np.cumsum(sizes)
    for size in np.unique(sizes):
        starts = (ends - sizes)[sizes == size]
        yield order[starts[:, None] + np.arange(size)]


def _left_out(
    scores: np.ndarray,
    shrunk: np.ndarray,
    target: np.ndarray,
    projected: np.ndarray,
    members: Sequence[np.ndarray],
) -> np.ndarray:
    """Return how much is missing to `target` in predictions without the own group."""
    residual = target - scores @ (shrunk[:, None] * projected)
    missing = np.empty_like(residual)
    for rows in members:
        own = scores[rows]
        # The mean of the targets, which is fitted too, adds the same to the whole hat matrix.
        hat = (own * shrunk) @ own.swapaxes(1, 2) + 1 / len(scores)
        missing[rows] = np.linalg.solve(np.eye(rows.shape[1]) - hat, residual[rows])
    return missing


def _platt(score: np.ndarray, yes: np.ndarray) -> tuple[float, float]:
    """Slope and shift from scores to logits (Platt 1999); never a falling one."""
    from scipy.optimize import minimize

    positive = int(yes.sum())
    # A finite answer where scores tell all apart.
    wanted = np.where(yes, (positive + 1) / (positive + 2), 1 / (len(yes) - positive + 2))
    middle, unit = score.mean(), max(score.std(), 1e-12)
    z = (score - middle) / unit

    def objective(found: np.ndarray) -> tuple[float, np.ndarray]:
        logits = found[0] * z + found[1]
        miss = 1 / (1 + np.exp(-logits)) - wanted
        value = (np.logaddexp(0, logits) - wanted * logits).mean()
        return float(value), np.array([(miss * z).mean(), miss.mean()])

    found = minimize(objective, [1.0, 0.0], jac=True, method="L-BFGS-B",
                     bounds=[(0, None), (None, None)]).x  # fmt: skip
    return float(found[0] / unit), float(found[1] - found[0] * middle / unit)
