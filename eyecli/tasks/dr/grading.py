"""From a network's logits to probabilities of grades, and to decisions that a fold has settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.metrics.calibration import fit_temperature
from eyecli.metrics.operating import threshold_at
from eyecli.metrics.roc import auc
from eyecli.training.ordinal import thresholds_from_validation

GRADES = 5
REFERABLE = 2
# What is asked of the operating points for referable retinopathy, on rows with known grades.
WANTED = 0.9
Target = Literal["grade", "referable", "any-dr"]
# The grade from which each binary target counts.
FROM = {"referable": REFERABLE, "any-dr": 1}


def boundaries(target: Target) -> list[int]:
    """Return the grades that a model tells from those below them."""
    return list(range(1, GRADES)) if target == "grade" else [FROM[target]]


def at_least(grades: np.ndarray, target: Target) -> np.ndarray:
    """Return (n, b) bool: is the grade at least each of the boundaries?"""
    return np.asarray(grades)[:, None] >= np.array(boundaries(target))


def exceedance(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probability that the grade is at least each boundary (Frank and Hall 2001).

    Parameters
    ----------
    logits
        (n, b), a logit a boundary.
    temperature
        They are divided by it (Guo et al. 2017).

    Returns
    -------
    ndarray, shape (n, b)
        Not increasing: where two boundaries contradict each other, both get their running least.
    """
    found = 1 / (1 + np.exp(-np.asarray(logits, np.float64) / temperature))
    return np.minimum.accumulate(found, axis=1)


def probabilities(above: np.ndarray) -> np.ndarray:
    """Return (n, b + 1) probabilities of the classes between (n, b) boundaries."""
    edges = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    return edges[:, :-1] - edges[:, 1:]


def settle(logits: np.ndarray, grades: np.ndarray, target: Target) -> dict[str, Any]:
    """Choose temperature, cuts and operating points on samples that were not fitted on.

    Parameters
    ----------
    logits
        (n, b).
    grades
        (n,).

    Returns
    -------
    dict
        For the facts of a fold: ``temperature``; ``cuts`` of the expected grade; ``sensitive`` and
        ``specific``, thresholds of the probability of the main question at a sensitivity and a
        specificity of 0.9, None where they cannot be had; ``held_out``, metric to its value on
        these samples, for the model card.
    """
    yes = at_least(grades, target)
    temperature = fit_temperature(np.ravel(logits), yes.ravel())
    above = exceedance(logits, temperature)
    classes = above.shape[1] + 1
    truth = yes.sum(axis=1)
    asked = main_boundary(target)
    settled = {
        "temperature": temperature,
        "cuts": thresholds_from_validation(above.sum(axis=1), truth, classes).tolist(),
        "sensitive": _threshold(above[:, asked], yes[:, asked], sensitivity=WANTED),
        "specific": _threshold(above[:, asked], yes[:, asked], specificity=WANTED),
    }
    called = np.searchsorted(np.array(settled["cuts"]), above.sum(axis=1))
    kappa = float(quadratic_weighted_kappa(confusion(truth, called, classes)))
    held_out = {"kappa_quadratic": kappa}
    if settled["sensitive"] is not None:
        held_out[f"auc_ge{boundaries(target)[asked]}"] = auc(above[:, asked], yes[:, asked])
    known = {name: value for name, value in held_out.items() if np.isfinite(value)}
    return {**settled, "held_out": known}


def main_boundary(target: Target) -> int:
    """Return the position of the boundary that operating points are chosen at."""
    return boundaries(target).index(FROM.get(target, REFERABLE))


def _threshold(score: np.ndarray, positive: np.ndarray, **wanted: float) -> float | None:
    if positive.all() or not positive.any():
        return None
    return float(threshold_at(score, positive, **wanted))


def columns(logits: np.ndarray, facts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the columns of predictions.

    Parameters
    ----------
    logits
        (n, b).
    facts
        Of the fold, see `settle`.

    Returns
    -------
    dict
        ``p_ge1`` and so on, the calibrated probability that the grade is at least so much;
        ``grade_predicted``, by the cuts; ``sensitive`` and ``specific``, 0 or 1, whether the
        probability reaches the operating points.
    """
    target: Target = facts["target"]
    above = exceedance(logits, facts["temperature"])
    bounds = boundaries(target)
    predicted = np.searchsorted(np.array(facts["cuts"]), above.sum(axis=1))
    found = {f"p_ge{grade}": above[:, i] for i, grade in enumerate(bounds)}
    found["grade_predicted"] = predicted if target == "grade" else predicted * bounds[0]
    asked = above[:, main_boundary(target)]
    for name in ("sensitive", "specific"):
        cut = facts[name]
        found[name] = np.zeros(len(asked), int) if cut is None else (asked >= cut).astype(int)
    return found


def named(target: Target) -> Sequence[str]:
    """Return the columns of `columns` that hold probabilities."""
    return [f"p_ge{grade}" for grade in boundaries(target)]
