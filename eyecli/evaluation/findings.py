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
        ``model``, or a baseline's name; ``recordings`` for what no predictor changes.
    metric
        Name with unit, such as ``error_mean_px``.
    group
        Over what: ``frames``, ``dots``, ``subjects``, or which rows: ``device=tablet-11``.
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

    In a comparison of two other predictors, `model` is the first of them. Of another metric than
    an error more may be better: then `lower` is False.
    """

    against: str
    model: float
    other: float
    value: float
    interval: Interval | None
    lower: bool = True

    @property
    def won(self) -> bool:
        """Whether the whole interval says that the model is better; no number says nothing."""
        if self.interval is None:
            return False
        return self.interval[1] < 0 if self.lower else self.interval[0] > 0

    @property
    def loss(self) -> float:
        """By how much the model is worse."""
        return self.value if self.lower else -self.value


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
    tables
        Title to those of the metrics that the report shows in a table of their own.
    people
        Figures of single people, whom their groups name: they go to ``metrics.csv`` only, since
        reports are passed on.
    measure
        What the differences are of, in words.
    """

    metrics: list[Metric]
    differences: list[Difference]
    unit: str
    notes: list[str]
    plots: Mapping[str, str]
    comparisons: Mapping[str, list[Difference]] = field(default_factory=dict)
    tables: Mapping[str, list[Metric]] = field(default_factory=dict)
    people: Sequence[Metric] = ()
    measure: str = "mean error"


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
    words, decisive = claim("The model", findings.differences)
    several = sum(not d.won for d in findings.differences) > 1
    whose = f"against {decisive.against}, " if several else ""
    parts.append(f"{words}: {whose}{_figures(decisive, findings.measure, findings.unit)}.")
    return " ".join(parts)


def claim(who: str, differences: Sequence[Difference]) -> tuple[str, Difference]:
    """Say whether a model beats every baseline; the same words in a report and in a comparison.

    Parameters
    ----------
    who
        The model, as the subject of the sentence.
    differences
        The model against each baseline.

    Returns
    -------
    words : str
        A sentence without its full stop.
    decisive : Difference
        To the worst of the baselines that are not beaten, or the nearest of those that are.
    """
    nearest = max(differences, key=lambda d: d.loss)
    if any(d.interval is None for d in differences):
        found = f"No evidence: one test group only, so no interval; nearest is {nearest.against}"
        return found, nearest
    lost = sorted((d for d in differences if not d.won), key=lambda d: -d.loss)
    if not lost:
        return f"{who} beats every baseline; nearest is {nearest.against}", nearest
    # Not `>= 0`: an error that is no number beats nothing.
    worse = [d.against for d in lost if not d.loss < 0]
    unsure = [d.against for d in lost if d.loss < 0]
    said = [f"does NOT beat {' and '.join(worse)}"] if worse else []
    said += [f"is NOT shown to beat {' and '.join(unsure)}"] if unsure else []
    return f"{who} {' and '.join(said)}", lost[0]


def _figures(difference: Difference, measure: str, unit: str) -> str:
    bounds, unit = "no interval", f" {unit}" if unit else ""
    if difference.interval is not None:
        low, high = difference.interval
        bounds = f"95 % interval {low:+.3g} to {high:+.3g}"
    return (
        f"{measure} {difference.model:.4g} against {difference.other:.4g}{unit}, difference "
        f"{difference.value:+.3g}{unit} ({bounds})"
    )
