"""Compare predictors on the same rows: intervals, paired differences, corrected p-values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eyecli.evaluation.bootstrap import LEVEL, Interval, draw_groups
from eyecli.evaluation.findings import Difference
from eyecli.evaluation.headline import Headline


@dataclass(frozen=True)
class Figure:
    """One metric of one row of the comparison.

    Attributes
    ----------
    metric, group, lower, n
        As in `Headline`.
    value, interval
        Mean over the seeds, and its 95 % interval over people.
    spread
        Standard deviation over the seeds; None with one.
    difference, difference_interval
        To the first row, and its interval; None in the first row.
    p, p_holm
        Two-sided, of the paired bootstrap; corrected over all comparisons of the metric.
    """

    metric: str
    group: str
    lower: bool
    n: int
    value: float
    interval: Interval | None
    spread: float | None
    difference: float | None = None
    difference_interval: Interval | None = None
    p: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class Compared:
    """Figures of every row, by its name, and each model against every baseline."""

    figures: Mapping[str, list[Figure]]
    against: Mapping[str, list[Difference]]

    @property
    def unbeaten(self) -> dict[str, list[str]]:
        """Model to the baselines that it is not shown to beat."""
        return {
            name: [d.against for d in differences if not d.won]
            for name, differences in self.against.items()
        }


def compare_rows(
    rows: Mapping[str, Sequence[Sequence[Headline]]],
    baselines: Sequence[str],
    groups: int,
    seed: int = 0,
) -> Compared:
    """Compare every row with the first.

    Parameters
    ----------
    rows
        Name to the headline metrics of each of its seeds; all the same metrics, in one order, on
        the same draw of the same groups.
    baselines
        Which rows are baselines.
    groups
        Number of groups.
    seed
        Seed of the bootstrap; all rows are resampled together, so that differences are paired.
    """
    names = list(rows)
    metrics = range(len(rows[names[0]][0]))
    whole = np.ones((1, groups))
    blocks: dict[str, list[list[np.ndarray]]] = {name: [[] for _ in metrics] for name in names}
    for counts in draw_groups(groups, seed):
        for name in names:
            for number in metrics:
                seeds = [each[number].replicate(counts) for each in rows[name]]
                blocks[name][number].append(np.mean(seeds, axis=0))
    figures: dict[str, list[Figure]] = {name: [] for name in names}
    against: dict[str, list[Difference]] = {}
    for number in metrics:
        headline = rows[names[0]][0][number]
        drawn = {name: np.concatenate(blocks[name][number]) for name in names}
        points = {
            name: [float(each[number].replicate(whole)[0]) for each in rows[name]] for name in names
        }
        values = {name: float(np.mean(points[name])) for name in names}
        first = names[0]
        p = {name: paired_p(drawn[name] - drawn[first], groups) for name in names[1:]}
        corrected = holm(p)
        for name in names:
            other = name != first
            figures[name].append(
                Figure(
                    headline.metric, headline.group, headline.lower, headline.n, values[name],
                    interval_of(drawn[name], groups),
                    float(np.std(points[name], ddof=1)) if len(points[name]) > 1 else None,
                    values[name] - values[first] if other else None,
                    interval_of(drawn[name] - drawn[first], groups) if other else None,
                    p.get(name), corrected.get(name),
                )
            )  # fmt: skip
        if number == 0:
            against = {
                name: [
                    Difference(b, values[name], values[b], values[name] - values[b],
                               interval_of(drawn[name] - drawn[b], groups), headline.lower)
                    for b in baselines
                ]
                for name in names if name not in baselines
            }  # fmt: skip
    return Compared(figures, against)


def interval_of(replicates: np.ndarray, groups: int) -> Interval | None:
    """Percentile interval; None with fewer than two groups or without any value."""
    known = replicates[~np.isnan(replicates)]
    if groups < 2 or not len(known):
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def paired_p(differences: np.ndarray, groups: int) -> float | None:
    """Two-sided p-value of a paired bootstrap: twice the smaller share of replicates beyond zero.

    The inverse of the percentile interval (Efron and Tibshirani 1993, chapter 15), counting the
    sample itself. With few groups the bootstrap claims too much; p is never less than ``2 ** (1 -
    groups)``, the least that flipping the signs of the groups' differences could give.

    Parameters
    ----------
    differences
        (replicates,) differences; replicates without a value are left out.
    groups
        Number of groups.

    Returns
    -------
    float or None
        None with fewer than two groups.
    """
    known = differences[~np.isnan(differences)]
    if groups < 2 or not len(known):
        return None
    tail = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, max(2 * (tail + 1) / (len(known) + 1), 2.0 ** (1 - groups))))


def holm(p: Mapping[str, float | None]) -> dict[str, float | None]:
    """Correct p-values for several comparisons (Holm 1979); those unknown stay so."""
    known = sorted((value, name) for name, value in p.items() if value is not None)
    corrected: dict[str, float | None] = dict.fromkeys(p)
    reached = 0.0
    for rank, (value, name) in enumerate(known):
        reached = max(reached, min(1.0, (len(known) - rank) * value))
        corrected[name] = reached
    return corrected
