"""Headline metrics as functions of how often each group is drawn: one function gives the figure,
its interval, and paired differences, whether it is a mean of errors or a statistic of a whole set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.data.split import Split
from eyecli.evaluation.study import About

if TYPE_CHECKING:
    import pandas as pd

# From (replicates, groups) counts to (replicates,) values; NaN where there is none.
Replicate = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Sampling:
    """How rows belong to the groups that are resampled: subjects, or samples.

    Attributes
    ----------
    owner
        (n,) number of every row's group.
    weight
        (n,) share of every row: 1 / k where k rows predict the same sample, so that repeats of a
        split count no sample twice.
    groups
        Number of groups.
    """

    owner: np.ndarray
    weight: np.ndarray
    groups: int

    def mean(self, values: np.ndarray) -> Replicate:
        """Weighted mean of (n,) values over the groups drawn."""
        sums = np.bincount(self.owner, self.weight * values, self.groups)
        sizes = np.bincount(self.owner, self.weight, self.groups)
        return lambda counts: (counts @ sums) / (counts @ sizes)


@dataclass(frozen=True)
class Headline:
    """One metric of one predictor.

    Attributes
    ----------
    metric, group
        Name and level as in ``metrics.csv``.
    lower
        Whether less is better.
    n
        Number of units.
    replicate
        Its value for any draw of the groups.
    """

    metric: str
    group: str
    lower: bool
    n: int
    replicate: Replicate


class Comparer(Protocol):
    """What a task's reporting module supplies to `compare`.

    Attributes
    ----------
    ABOUT
        What the task says of itself.
    TRUTH, PREDICTED
        Columns of the predictions that hold the truth and what was predicted.
    """

    ABOUT: About
    TRUTH: Sequence[str]
    PREDICTED: Sequence[str]

    def baseline_predictions(
        self,
        table: pd.DataFrame,
        prepared: Prepared,
        split: Split,
        *,
        part: str = "test",
        on: Prepared | None = None,
    ) -> dict[str, np.ndarray]:
        """Predict the rows of the table with every baseline, each (n, predicted columns).

        Baselines are fitted on what was neither in `part` nor in the test part of each fold; rows
        are of `on` if given, of `prepared` otherwise.
        """

    def headlines(
        self, table: pd.DataFrame, prediction: np.ndarray, prepared: Prepared, sampling: Sampling
    ) -> list[Headline]:
        """Return the metrics to compare by, the main one first."""
