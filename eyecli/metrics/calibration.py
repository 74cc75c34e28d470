"""Calibration of probabilities: temperature, reliability, expected calibration error, Brier."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

BINS = 15
# Temperatures are searched within these; beyond, all probabilities are 0 or 1, or all are alike.
COLDEST, HOTTEST = 0.01, 100.0


class Reliability(NamedTuple):
    """What a reliability diagram draws, one value a bin.

    Attributes
    ----------
    confidence, frequency
        Mean probability that was claimed, and how often it came true.
    samples
        How many the bin has.
    """

    confidence: np.ndarray
    frequency: np.ndarray
    samples: np.ndarray


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of (..., k) logits."""
    logits = np.asarray(logits, float)
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def fit_temperature(logits: np.ndarray, classes: np.ndarray) -> float:
    """Temperature T so that ``softmax(logits / T)`` has the least log loss (Guo et al. 2017).

    To be fitted on validation rows. The loss is convex in 1 / T; its derivative, the mean
    difference between the expected and the true class's logit, is brought to zero by halving.
    Logarithms of probabilities are logits too, for networks that have no softmax.

    Parameters
    ----------
    logits
        (n, k); or (n,) of the second of two classes.
    classes
        (n,) true classes, 0 to k - 1; True or 1 for the second of two.

    Returns
    -------
    float
        Above 1 where the network claims too much. `COLDEST` where every class is told without
        error, `HOTTEST` where the logits are no better than chance.

    Raises
    ------
    ValueError
        Without samples, or if a logit is no finite number.
    """
    logits, classes = np.asarray(logits, float), np.asarray(classes).astype(np.int64)
    if logits.ndim == 1:
        logits = np.stack([np.zeros_like(logits), logits], axis=1)
    if not len(logits) or not np.isfinite(logits).all():
        raise ValueError("a temperature needs samples whose logits are finite")
    own = logits[np.arange(len(logits)), classes].mean()

    def slope(inverse: float) -> float:
        return float((softmax(logits * inverse) * logits).sum(axis=1).mean() - own)

    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(low) >= 0:
        return HOTTEST
    if slope(high) <= 0:
        return COLDEST
    while high / low > 1 + 1e-9:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 1 / math.sqrt(low * high)


def top_label(probabilities: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the likeliest class, and whether it is the true one.

    Parameters
    ----------
    probabilities
        (n, k).
    classes
        (n,) true classes.
    """
    said = np.asarray(probabilities).argmax(axis=1)
    return np.asarray(probabilities, float)[np.arange(len(said)), said], said == classes


def bins_of(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Number of the bin of every sample, bins holding as equal shares of them as ties allow.

    Equal values share a bin, so that the order of the samples plays no part; there are fewer bins
    where ties are many.
    """
    ordered = np.sort(np.asarray(confidence, float))
    edges = ordered[(np.arange(1, bins) * len(ordered)) // bins]
    placed = np.searchsorted(edges, confidence, side="right")
    return np.unique(placed, return_inverse=True)[1]


def reliability(confidence: np.ndarray, outcome: np.ndarray, bins: int = BINS) -> Reliability:
    """Compare what was claimed with what came true, in bins of equal mass.

    Parameters
    ----------
    confidence
        (n,) probability of a positive; or of the likeliest class (see `top_label`).
    outcome
        (n,) bool: whether it came true.
    bins
        How many at most (see `bins_of`).

    Raises
    ------
    ValueError
        Without samples, or if a probability is not within 0 and 1.
    """
    confidence, outcome = np.asarray(confidence, float), np.asarray(outcome, bool)
    if not len(confidence) or not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("calibration needs samples, and probabilities from 0 to 1")
    owner = bins_of(confidence, bins)
    count = np.bincount(owner)
    claimed, came = np.bincount(owner, confidence), np.bincount(owner, outcome)
    return Reliability(claimed / count, came / count, count)


def expected_calibration_error(
    confidence: np.ndarray, outcome: np.ndarray, bins: int = BINS
) -> float:
    """Mean distance of claim and truth over bins of equal mass (Naeini et al. 2015).

    Biased upwards: a perfect model has an error above zero, the more the fewer samples a bin has
    (see `debiased_calibration_error`). Parameters as of `reliability`.
    """
    return _error(reliability(confidence, outcome, bins))


def debiased_calibration_error(
    confidence: np.ndarray, outcome: np.ndarray, bins: int = BINS
) -> float:
    """Expected calibration error less its bias (Kumar, Liang and Ma 2019, for the L1 error).

    The bias is what the error would gain if the frequencies were drawn anew, each normal with the
    variance of a share; they resample, here the mean is that of the folded normal distribution.
    Samples count as independent. Not below 0. Parameters as of `reliability`.
    """
    table = reliability(confidence, outcome, bins)
    gap = np.abs(table.confidence - table.frequency)
    deviation = np.sqrt(table.frequency * (1 - table.frequency) / table.samples)
    again = np.array([_folded_normal_mean(*pair) for pair in zip(gap, deviation, strict=True)])
    return max(0.0, float(table.samples @ (2 * gap - again) / table.samples.sum()))


def _error(table: Reliability) -> float:
    gap = np.abs(table.confidence - table.frequency)
    return float(table.samples @ gap / table.samples.sum())


def _folded_normal_mean(mean: float, deviation: float) -> float:
    """Mean of the absolute value of a normal variable (Leone, Nelson and Nottingham 1961)."""
    if deviation == 0:
        return abs(mean)
    ratio = mean / deviation
    spread = deviation * math.sqrt(2 / math.pi) * math.exp(-(ratio**2) / 2)
    return spread + mean * math.erf(ratio / math.sqrt(2))


def brier(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Squared error of the probabilities of every sample; their mean is Brier's score (1950).

    Parameters
    ----------
    probabilities
        (n,) of a positive; or (n, k).
    classes
        (n,) bool; or true classes.

    Returns
    -------
    ndarray, shape (n,)
        0 to 1 of one probability; 0 to 2 of k, summed over the classes as Brier did.
    """
    probabilities = np.asarray(probabilities, float)
    if probabilities.ndim == 1:
        return (probabilities - np.asarray(classes, float)) ** 2
    truth = np.asarray(classes)[:, None] == np.arange(probabilities.shape[1])
    return ((probabilities - truth) ** 2).sum(axis=1)
