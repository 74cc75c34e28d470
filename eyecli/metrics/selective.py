"""Selective referral: what a model is worth on the samples it is surest of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.metrics.roc import auc

# Shares of the samples that are kept: 10 % and more, since fewer say little.
SHARES = np.arange(10, 101, 5) / 100


class ReferralCurve(NamedTuple):
    """A metric over the share of samples that the model keeps; it refers the others.

    Attributes
    ----------
    share
        (s,) the shares asked for, rising to 1.
    kept
        (s,) the shares kept: as small as possible, but no less, with ties together.
    value
        (s,) the metric of what is kept; NaN where it has none, as an area of one class.
    """

    share: np.ndarray
    kept: np.ndarray
    value: np.ndarray

    @property
    def area(self) -> float:
        """Mean height of the curve over the shares asked for where it has a value.

        That of the whole set where the uncertainty tells nothing apart; more where it is right.
        """
        known = ~np.isnan(self.value)
        share, value = self.share[known], self.value[known]
        if len(share) < 2:
            return float(value.mean()) if len(share) else float("nan")
        heights = (value[1:] + value[:-1]) / 2
        return float(heights @ np.diff(share) / (share[-1] - share[0]))


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Predictive entropy in nats of (..., k) probabilities: 0 for a sure answer, log k for none."""
    p = np.asarray(probabilities, float)
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1) + 0.0


def referral_curve(
    uncertainty: np.ndarray,
    metric: Callable[[np.ndarray], float],
    shares: np.ndarray = SHARES,
) -> ReferralCurve:
    """Refer the most uncertain samples, and measure the others (Band et al. 2021, RETINA).

    Equally uncertain samples stay or go together: a predictor that knows no uncertainty has a
    flat curve, in whatever order its samples come.

    Parameters
    ----------
    uncertainty
        (n,), such as the predictive entropy; no NaN.
    metric
        Value of the samples of the given row numbers.
    shares
        (s,) rising shares to keep, above 0 and at most 1.

    Raises
    ------
    ValueError
        Without samples, or if an uncertainty is no number.
    """
    uncertainty, shares = np.asarray(uncertainty, float), np.asarray(shares, float)
    if not len(uncertainty) or np.isnan(uncertainty).any():
        raise ValueError("a referral curve needs samples, and numbers for their uncertainty")
    order = np.argsort(uncertainty, kind="stable")
    ordered = uncertainty[order]
    wanted = np.ceil(shares * len(order) - 1e-9).astype(np.int64)
    sizes = np.searchsorted(ordered, ordered[wanted - 1], side="right")
    value = {size: metric(order[:size]) for size in np.unique(sizes)}
    return ReferralCurve(shares, sizes / len(order), np.array([value[size] for size in sizes]))


def accuracy_curve(
    truth: np.ndarray, predicted: np.ndarray, uncertainty: np.ndarray, shares: np.ndarray = SHARES
) -> ReferralCurve:
    """Accuracy over the share kept. Parameters as of `referral_curve`, and (n,) classes."""
    right = np.asarray(truth) == np.asarray(predicted)
    return referral_curve(uncertainty, lambda rows: float(right[rows].mean()), shares)


def kappa_curve(
    truth: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    uncertainty: np.ndarray,
    shares: np.ndarray = SHARES,
) -> ReferralCurve:
    """Quadratic weighted kappa over the share kept. Parameters as of `referral_curve`."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)

    def kappa(rows: np.ndarray) -> float:
        return float(quadratic_weighted_kappa(confusion(truth[rows], predicted[rows], classes)))

    return referral_curve(uncertainty, kappa, shares)


def auc_curve(
    score: np.ndarray, positive: np.ndarray, uncertainty: np.ndarray, shares: np.ndarray = SHARES
) -> ReferralCurve:
    """Area under the ROC curve over the share kept; NaN where one class is left."""
    score, positive = np.asarray(score, float), np.asarray(positive, bool)

    def area(rows: np.ndarray) -> float:
        both = 0 < positive[rows].sum() < len(rows)
        return auc(score[rows], positive[rows]) if both else float("nan")

    return referral_curve(uncertainty, area, shares)
