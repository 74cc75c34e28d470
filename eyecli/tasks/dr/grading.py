"""From a network's logits to probabilities of grades, and to decisions that a fold has settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.metrics.calibration import fit_temperature, softmax
from eyecli.metrics.operating import threshold_at
from eyecli.metrics.ordinal_logistic import fit_levels
from eyecli.metrics.roc import auc
from eyecli.training.ordinal import corn_probabilities, thresholds_from_validation

GRADES = 5
REFERABLE = 2
# What is asked of the operating points for referable retinopathy, on rows with known grades.
WANTED = 0.9
PERCENTILES = np.arange(101)
Target = Literal["grade", "referable", "any-dr"]
Loss = Literal["cumulative", "cross-entropy", "mse", "corn"]
# The grade from which each binary target counts.
FROM = {"referable": REFERABLE, "any-dr": 1}


def boundaries(target: Target) -> list[int]:
    """Return the grades that a model tells from those below them."""
    return list(range(1, GRADES)) if target == "grade" else [FROM[target]]


def at_least(grades: np.ndarray, target: Target) -> np.ndarray:
    """Return (n, b) bool: is the grade at least each of the boundaries?"""
    return np.asarray(grades)[:, None] >= np.array(boundaries(target))


def exceedance(
    logits: np.ndarray,
    temperature: float,
    loss: Loss = "cumulative",
    levels: Sequence[float] | np.ndarray = (0.0,),
) -> np.ndarray:
    """Probability that the grade is at least each boundary.

    Parameters
    ----------
    logits
        (n, b), a logit a boundary (``cumulative``: Frank and Hall 2001; ``corn``: each asked where
        the last one is reached); (n, b + 1), one a class (``cross-entropy``); (n, 1), the score
        (``mse``).
    temperature
        They are divided by it (Guo et al. 2017).
    loss
        What the network was trained by.
    levels
        (b,) scores at which each boundary is as likely reached as not, with ``mse``.

    Returns
    -------
    ndarray, shape (n, b)
        Not increasing: where two boundaries contradict each other, both get their running least.
    """
    scaled = (np.asarray(logits, np.float64) - np.asarray(levels, np.float64)) / temperature
    if loss in ("cross-entropy", "corn"):
        classes = softmax(scaled) if loss == "cross-entropy" else corn_probabilities(scaled)
        return np.minimum(1.0, np.cumsum(classes[:, :0:-1], axis=1)[:, ::-1])
    return np.minimum.accumulate(1 / (1 + np.exp(-scaled)), axis=1)


def probabilities(above: np.ndarray) -> np.ndarray:
    """Return (n, b + 1) probabilities of the classes between (n, b) boundaries."""
    edges = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    return edges[:, :-1] - edges[:, 1:]


def settle(
    logits: np.ndarray, grades: np.ndarray, target: Target, loss: Loss = "cumulative"
) -> dict[str, Any]:
    """Choose temperature, cuts and operating points on samples that were not fitted on.

    Parameters
    ----------
    logits
        As of `exceedance`.
    grades
        (n,).
    target, loss
        What the network was trained to tell, and by what.

    Returns
    -------
    dict
        For the facts of a fold: ``temperature`` and ``levels``, see `exceedance`; ``cuts`` of the
        expected grade; ``sensitive`` and ``specific``, thresholds of the probability of the main
        question at a sensitivity and a specificity of 0.9, None where they cannot be had;
        ``confidence``, the percentiles 0 to 100 of the probability of the likeliest class;
        ``held_out``, metric to its value on these samples, for the model card.
    """
    yes = at_least(grades, target)
    temperature, levels = _calibrate(np.asarray(logits), yes, loss)
    above = exceedance(logits, temperature, loss, levels)
    classes = above.shape[1] + 1
    truth = yes.sum(axis=1)
    asked = main_boundary(target)
    settled = {
        "temperature": temperature,
        "levels": levels,
        "cuts": thresholds_from_validation(above.sum(axis=1), truth, classes).tolist(),
        "sensitive": _threshold(above[:, asked], yes[:, asked], sensitivity=WANTED),
        "specific": _threshold(above[:, asked], yes[:, asked], specificity=WANTED),
        "confidence": np.percentile(probabilities(above).max(axis=1), PERCENTILES).tolist(),
    }
    called = np.searchsorted(np.array(settled["cuts"]), above.sum(axis=1))
    kappa = float(quadratic_weighted_kappa(confusion(truth, called, classes)))
    held_out = {"kappa_quadratic": kappa}
    if settled["sensitive"] is not None:
        held_out[f"auc_ge{boundaries(target)[asked]}"] = auc(above[:, asked], yes[:, asked])
    known = {name: value for name, value in held_out.items() if np.isfinite(value)}
    return {**settled, "held_out": known}


def _calibrate(logits: np.ndarray, yes: np.ndarray, loss: Loss) -> tuple[float, list[float]]:
    """Fit temperature and levels by the log loss of what the outputs are."""
    if loss == "mse":
        temperature, levels = fit_levels(logits[:, 0], yes)
        return temperature, levels.tolist()
    if loss == "cross-entropy":
        return fit_temperature(logits, yes.sum(axis=1)), [0.0]
    # CORN asks a question where the last one is reached: the log loss of the class in steps.
    if loss == "corn":
        asked = yes.sum(axis=1, keepdims=True) >= np.arange(yes.shape[1])
        logits, yes = logits[asked], yes[asked]
    return fit_temperature(np.ravel(logits), np.ravel(yes)), [0.0]


def agreed(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the facts of several folds as one: the means of what each has settled.

    Parameters
    ----------
    folds
        Facts, see `settle`; of one target.

    Returns
    -------
    dict
        What `decide` reads, and ``confidence``. An operating point is the mean of the folds that
        have it; ``confidence`` is None where a fold has none, of earlier versions.
    """
    found: dict[str, Any] = {"target": folds[0]["target"]}
    found["cuts"] = np.mean([facts["cuts"] for facts in folds], axis=0).tolist()
    for name in ("sensitive", "specific"):
        known = [facts[name] for facts in folds if facts[name] is not None]
        found[name] = float(np.mean(known)) if known else None
    spread = [facts["confidence"] for facts in folds if "confidence" in facts]
    found["confidence"] = np.mean(spread, axis=0) if len(spread) == len(folds) else None
    return found


def main_boundary(target: Target) -> int:
    """Return the position of the boundary that operating points are chosen at."""
    return boundaries(target).index(FROM.get(target, REFERABLE))


def _threshold(score: np.ndarray, positive: np.ndarray, **wanted: float) -> float | None:
    if positive.all() or not positive.any():
        return None
    return float(threshold_at(score, positive, **wanted))


def above_of(logits: np.ndarray, facts: Mapping[str, Any]) -> np.ndarray:
    """Return `exceedance` as a fold has settled it."""
    loss: Loss = facts.get("loss", "cumulative")
    return exceedance(logits, facts["temperature"], loss, facts.get("levels", (0.0,)))


def columns(logits: np.ndarray, facts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the columns of predictions.

    Parameters
    ----------
    logits
        As of `exceedance`.
    facts
        Of the fold, see `settle`; of one that knows no loss it is ``cumulative``.

    Returns
    -------
    dict
        ``p_ge1`` and so on, the calibrated probability that the grade is at least so much;
        ``grade_predicted``, by the cuts; ``sensitive`` and ``specific``, 0 or 1, whether the
        probability reaches the operating points.
    """
    return decide(above_of(logits, facts), facts)


def decide(above: np.ndarray, facts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what `columns` does, from (n, b) calibrated probabilities of the boundaries."""
    target: Target = facts["target"]
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
