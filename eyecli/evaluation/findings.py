"""What an evaluation finds: metrics, paired differences, and the sentence they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eyecli.evaluation.bootstrap import Interval, mean_interval


@dataclass(frozen=True)
class Metric:
    """A row of ``metrics.csv``.

    Attributes
    ----------
    predictor
        ``model``, or a baseline's name.
    metric
        Name with unit, such as ``error_mean_px``.
    group
        Over what: ``frames``, ``dots``, ``subjects``.
    value, lo, hi
        The figure and its 95 % interval, None where there is none.
    n
        Number of units.
    """

    predictor: str
    metric: str
    group: str
    value: float
    lo: float | None
    hi: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """Mean error of the model minus that of another predictor, on the same samples.

    In a comparison of two other predictors, `model` is the first of them.
    """

    against: str
    model: float
    other: float
    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Findings:
    """All that a task finds.

    Attributes
    ----------
    metrics
        The table.
    differences
        The model against each baseline.
    unit
        Unit of the differences.
    notes
        Sentences for the report: what was held out, what could not be computed.
    plots
        Title to SVG.
    comparisons
        Title to further paired differences, such as after against before calibration.
    """

    metrics: list[Metric]
    differences: list[Difference]
    unit: str
    notes: list[str]
    plots: Mapping[str, str]
    comparisons: Mapping[str, list[Difference]] = field(default_factory=dict)


def paired(
    errors: Mapping[str, np.ndarray], groups: Sequence[str] | np.ndarray, of: str = "model"
) -> list[Difference]:
    """Compare one predictor with every other, sample by sample.

    Parameters
    ----------
    errors
        Predictor to (n,) errors of the same samples.
    groups
        (n,) groups; the interval is that of the mean difference over resampled groups.
    of
        The predictor to compare.
    """
    mine = errors[of]
    return [
        Difference(
            name,
            float(mine.mean()),
            float(other.mean()),
            float((mine - other).mean()),
            mean_interval(mine - other, groups),
        )
        for name, other in errors.items()
        if name != of
    ]


def verdict(
    findings: Findings, flags: Mapping[str, Any], reason: str | None, external: str | None = None
) -> str:
    """Return the report's first line.

    It says whether the data are external, whether people were kept apart, then whether the model
    beats every baseline: the upper end of every paired interval must lie below zero.
    """
    parts = [f"EXTERNAL VALIDATION on {external}."] if external else []
    if flags.get("subject_independent") is False:
        parts.append(f"NOT SUBJECT-INDEPENDENT ({reason or 'accepted by the user'}).")
    if flags.get("synthetic"):
        parts.append("SYNTHETIC DATA.")
    unit = findings.unit
    unknown = [d for d in findings.differences if d.interval is None]
    # Not `>= 0`: an error that is no number beats nothing.
    lost = [d for d in findings.differences if d.interval is not None and not d.interval[1] < 0]
    nearest = min(findings.differences, key=lambda d: d.other)
    if unknown:
        parts.append(
            f"No evidence: one test group only, so no interval; the model's mean error is "
            f"{nearest.model:.4g} {unit}, that of {nearest.against} {nearest.other:.4g} {unit}."
        )
    elif lost:
        worst = max(lost, key=lambda d: d.value)
        claim = "is NOT shown to beat" if worst.value < 0 else "does NOT beat"
        parts.append(f"The model {claim} {worst.against}: {_figures(worst, unit)}.")
    else:
        parts.append(
            f"The model beats every baseline; nearest is {nearest.against}: "
            f"{_figures(nearest, unit)}."
        )
    return " ".join(parts)


def _figures(difference: Difference, unit: str) -> str:
    assert difference.interval is not None
    low, high = difference.interval
    return (
        f"mean error {difference.model:.4g} against {difference.other:.4g} {unit}, difference "
        f"{difference.value:+.3g} {unit} (95 % interval {low:+.3g} to {high:+.3g})"
    )
