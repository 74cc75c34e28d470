"""Errors apart: per device, per orientation of the screen, per subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from eyecli.evaluation.bootstrap import mean_interval
from eyecli.evaluation.findings import Metric
from eyecli.evaluation.units import units_of

if TYPE_CHECKING:
    import pandas as pd

CONDITIONS = ("device", "orientation")


def named(table: pd.DataFrame, column: str) -> dict[str, np.ndarray]:
    """Rows of every value of a column, by ``column=value``; rows without a value are in none."""
    if column not in table:
        return {}
    values = table[column].to_numpy(str)
    return {f"{column}={v}": np.flatnonzero(values == v) for v in np.unique(values) if v}


def error_by(
    column: str, name: str, table: pd.DataFrame, errors: Mapping[str, np.ndarray]
) -> list[Metric]:
    """Mean error over the frames of every value of a column.

    Parameters
    ----------
    column
        Of the table, such as ``device``; without it, or its values, there are no metrics.
    name
        The predictor.
    table
        (n) rows; intervals resample subjects, so one subject has none.
    errors
        Unit to (n,) errors.
    """
    owners = units_of(table).owners
    metrics = []
    for group, rows in named(table, column).items():
        for unit, values in errors.items():
            low, high = mean_interval(values[rows], owners[rows]) or (None, None)
            mean = float(values[rows].mean())
            metrics.append(Metric(name, f"error_mean_{unit}", group, mean, low, high, len(rows)))
    return metrics


def subject_means(table: pd.DataFrame, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subjects in alphabetical order, and the mean of each one's errors; unknown ones left out."""
    known = (table["subject"] != "").to_numpy()
    mean = table.assign(error=errors)[known].groupby("subject", sort=True)["error"].mean()
    return mean.index.to_numpy(str), mean.to_numpy(float)
