"""Decision curves: what acting on a model is worth to patients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Probabilities of disease from which somebody would act.
THRESHOLDS = np.arange(1, 100) / 100


class DecisionCurve(NamedTuple):
    """Net benefit over threshold probabilities.

    Attributes
    ----------
    threshold
        (t,).
    model, treat_all
        (t,) true positives a patient, less false positives weighed by the odds of the threshold.
        That of treating nobody is 0 everywhere.
    """

    threshold: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray


def net_benefits(
    probability: np.ndarray, positive: np.ndarray, thresholds: np.ndarray = THRESHOLDS
) -> np.ndarray:
    """What each sample adds to the net benefit; their mean is the net benefit.

    Parameters
    ----------
    probability
        (n,) of disease, calibrated: a threshold is a probability, not a score.
    positive
        (n,) bool.
    thresholds
        (t,) within 0 and 1, both excluded.

    Returns
    -------
    ndarray, shape (n, t)
        1 for a positive that is called, minus the odds of the threshold for a negative, else 0.

    Raises
    ------
    ValueError
        If a probability or a threshold is out of range.
    """
    probability, thresholds = np.asarray(probability, float), np.asarray(thresholds, float)
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a decision curve needs probabilities from 0 to 1")
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError("thresholds lie between 0 and 1")
    gain = np.where(np.asarray(positive, bool)[:, None], 1.0, -thresholds / (1 - thresholds))
    return np.where(probability[:, None] >= thresholds, gain, 0.0)


def decision_curve(
    probability: np.ndarray, positive: np.ndarray, thresholds: np.ndarray = THRESHOLDS
) -> DecisionCurve:
    """Net benefit of acting on the model, and of treating everybody (Vickers and Elkin 2006).

    Parameters as of `net_benefits`.
    """
    thresholds = np.asarray(thresholds, float)
    everybody = net_benefits(np.ones(len(positive)), positive, thresholds)
    model = net_benefits(probability, positive, thresholds)
    return DecisionCurve(thresholds, model.mean(axis=0), everybody.mean(axis=0))
