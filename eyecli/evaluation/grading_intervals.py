"""Metrics of grading as functions of how often each patient is drawn, and their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from eyecli.evaluation.bootstrap import REPLICATES, Interval, additive_interval, draw_groups
from eyecli.evaluation.compare import interval_of
from eyecli.evaluation.headline import Replicate, Sampling
from eyecli.metrics.calibration import BINS, bins_of
from eyecli.metrics.decision import THRESHOLDS, net_benefits


def auc_replicate(score: np.ndarray, positive: np.ndarray, sampling: Sampling) -> Replicate:
    """Area under the ROC curve of any draw of the groups, exactly, ties counting half.

    The positives' weights times the weights of the negatives below them, by cumulated sums over
    the negatives sorted once. Groups are drawn with all their samples.

    Parameters
    ----------
    score
        (n,), higher for positives.
    positive
        (n,) bool.
    sampling
        The groups of the samples.

    Returns
    -------
    Replicate
        NaN where a draw has one class only.
    """
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    if np.isnan(score).any():
        raise ValueError("a score is no number")
    order = np.argsort(score[~positive], kind="stable")
    negatives = score[~positive][order]
    own, other = sampling.owner[positive], sampling.owner[~positive][order]
    weight, against = sampling.weight[positive], sampling.weight[~positive][order]
    below = np.searchsorted(negatives, score[positive], side="left")
    reached = np.searchsorted(negatives, score[positive], side="right")

    def replicate(counts: np.ndarray) -> np.ndarray:
        drawn = counts[:, own] * weight
        passed = np.zeros((len(counts), len(other) + 1))
        np.cumsum(counts[:, other] * against, axis=1, out=passed[:, 1:])
        beaten = passed[:, below]
        beaten += passed[:, reached]
        pairs = drawn.sum(axis=1) * passed[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.einsum("ij,ij->i", drawn, beaten) / (2 * pairs)

    return replicate


def confusion_replicate(
    truth: np.ndarray,
    predicted: np.ndarray,
    k: int,
    sampling: Sampling,
    statistic: Callable[[np.ndarray], np.ndarray],
) -> Replicate:
    """A statistic of the confusion matrix, such as kappa, of any draw of the groups.

    Parameters
    ----------
    truth, predicted
        (n,) classes, 0 to k - 1.
    k
        Number of classes.
    sampling
        The groups of the samples.
    statistic
        From (..., k, k) matrices to (...) values.
    """
    cells = np.asarray(truth, np.int64) * k + np.asarray(predicted, np.int64)
    sums = _sums(cells, k * k, sampling.weight, sampling)
    return lambda counts: statistic((counts @ sums).reshape(-1, k, k))


def calibration_replicate(
    confidence: np.ndarray, outcome: np.ndarray, sampling: Sampling, bins: int = BINS
) -> Replicate:
    """Expected calibration error of any draw of the groups, the bins those of all samples.

    Parameters as of `eyecli.metrics.calibration.reliability`.
    """
    confidence, outcome = np.asarray(confidence, float), np.asarray(outcome, bool)
    owner = bins_of(confidence, bins)
    gaps = _sums(owner, bins, sampling.weight * (confidence - outcome), sampling)
    sizes = np.bincount(sampling.owner, sampling.weight, sampling.groups)
    return lambda counts: np.abs(counts @ gaps).sum(axis=1) / (counts @ sizes)


def _sums(cell: np.ndarray, cells: int, values: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Sum of the values in every cell of every group: (groups, cells)."""
    flat = np.bincount(sampling.owner * cells + cell, values, sampling.groups * cells)
    return flat.reshape(sampling.groups, cells)


def group_intervals(
    replicates: Mapping[str, Replicate], groups: int, seed: int = 0
) -> dict[str, Interval | None]:
    """95 % intervals of many metrics from one pass over the draws.

    Parameters
    ----------
    replicates
        Name to metric.
    groups
        Number of groups.
    seed
        Seed of the draws.

    Returns
    -------
    dict
        None with fewer than two groups, or where no draw has a value.
    """
    if groups < 2:
        return dict.fromkeys(replicates)
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in replicates}
    for counts in draw_groups(groups, seed):
        for name, replicate in replicates.items():
            blocks[name].append(replicate(counts))
    return {name: interval_of(np.concatenate(found), groups) for name, found in blocks.items()}


def operating_intervals(
    score: np.ndarray,
    positive: np.ndarray,
    threshold: float,
    groups: np.ndarray,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> tuple[Interval | None, Interval | None]:
    """Intervals of sensitivity and specificity at a threshold, groups (patients) resampled.

    Parameters
    ----------
    score, positive
        (n,), see `eyecli.metrics.operating.sensitivity_specificity`.
    threshold
        Chosen on other rows.
    groups
        (n,) group of every sample.

    Returns
    -------
    sensitivity, specificity : tuple of float, or None
        None with fewer than two groups, or for a class without samples.
    """
    positive = np.asarray(positive, bool)
    called = np.asarray(score, float) >= threshold
    _, owner = np.unique(np.asarray(groups), return_inverse=True)
    found = []
    for members, right in ((positive, called), (~positive, ~called)):
        sums = np.stack([np.bincount(owner, members & right), np.bincount(owner, members)], axis=1)
        found.append(additive_interval(sums, _share, seed, replicates))
    return found[0], found[1]


def _share(totals: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return totals[:, 0] / totals[:, 1]


def benefit_band(
    probability: np.ndarray,
    positive: np.ndarray,
    sampling: Sampling,
    thresholds: np.ndarray = THRESHOLDS,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray] | None:
    """95 % interval of the net benefit at each threshold: (t,) low and high.

    Parameters as of `eyecli.metrics.decision.net_benefits`; None with fewer than two groups.
    """
    if sampling.groups < 2:
        return None
    values = net_benefits(probability, positive, thresholds) * sampling.weight[:, None]
    sums = np.zeros((sampling.groups, values.shape[1]))
    np.add.at(sums, sampling.owner, values)
    sizes = np.bincount(sampling.owner, sampling.weight, sampling.groups)
    drawn = np.concatenate(
        [counts @ sums / (counts @ sizes)[:, None] for counts in draw_groups(sampling.groups, seed)]
    )
    pairs = [interval_of(column, sampling.groups) for column in drawn.T]
    low, high = np.array(pairs, float).T
    return low, high
