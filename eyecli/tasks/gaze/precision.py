"""Precision of predictions: how still they stay while a person looks at one stimulus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from eyecli.evaluation.bootstrap import STATISTICS
from eyecli.evaluation.findings import Metric
from eyecli.evaluation.units import units_of
from eyecli.signals.quality import bcea, rms_s2s, std
from eyecli.tasks.gaze.recordings import sessions_of_rows
from eyecli.tasks.gaze.screens import Screens, gaze_positions

if TYPE_CHECKING:
    import pandas as pd

FIXATION = ["partition", "subject", "session", "stimulus"]
# A fixation of fewer frames has no precision.
LEAST = 3
# Frames farther apart than so many frame intervals are no sample-to-sample step.
LONGEST_STEP = 1.5
NOTE = (
    f"Precision: of fixations, the frames of one stimulus, if they are {LEAST} or more. RMS-S2S is "
    f"the root mean square step between consecutive frames ({LONGEST_STEP} frame intervals at "
    "most), STD the standard deviation about the mean, BCEA the area of the ellipse that holds "
    "68 % (Steinman 1965; Crossland and Rubin 2002; Holmqvist et al. 2012; Niehorster et al. "
    "2020). They hold the person's own unrest too."
)
# Of the positions of one fixation, their times and the longest step.
Measure = Callable[[np.ndarray, np.ndarray, float], float]
MEASURES: dict[str, tuple[Measure, str]] = {
    "rms_s2s": (rms_s2s, ""),
    "std": (lambda gaze, *_: std(gaze), ""),
    "bcea": (lambda gaze, *_: bcea(gaze), "2"),
}


def precision(
    name: str, table: pd.DataFrame, gaze: np.ndarray, screens: Screens, sessions: pd.DataFrame
) -> list[Metric]:
    """Mean and median over fixations of RMS-S2S, STD and BCEA.

    Parameters
    ----------
    name
        The predictor.
    table
        (n) rows with ``stimulus`` and ``time_ms``, in any order; subjects are resampled.
    gaze
        (n, 2) predictions.
    screens
        Of the rows.
    sessions
        Their frame rates.

    Returns
    -------
    list of Metric
        In the unit of the targets, and in degrees where the distance is known; BCEA in that unit
        squared. None where no fixation is long enough.
    """
    fixations = _fixations(table)
    owners = units_of(table).owners
    time = table["time_ms"].to_numpy(float)
    longest = LONGEST_STEP * 1000 / sessions_of_rows(sessions, table)["rate_hz"].to_numpy(float)
    metrics = []
    for unit, positions in gaze_positions(screens, gaze).items():
        for measure, (value_of, power) in MEASURES.items():
            values = np.array(
                [value_of(positions[rows], time[rows], longest[rows[0]]) for rows in fixations]
            )
            known = np.flatnonzero(~np.isnan(values))
            if not len(known):
                continue
            who = np.array([owners[fixations[i][0]] for i in known])
            for statistic in ("mean", "median"):
                figure_of, interval_of = STATISTICS[statistic]
                low, high = interval_of(values[known], who) or (None, None)
                metrics.append(
                    Metric(name, f"{measure}_{statistic}_{unit}{power}", "fixations",
                           figure_of(values[known]), low, high, len(known))
                )  # fmt: skip
    return metrics


def _fixations(table: pd.DataFrame) -> list[np.ndarray]:
    """Rows of every fixation that is long enough, in time order."""
    number = table.groupby(FIXATION, sort=True).ngroup().to_numpy()
    order = np.lexsort([table["time_ms"].to_numpy(float), number])
    starts = np.flatnonzero(np.diff(number[order])) + 1
    return [rows for rows in np.split(order, starts) if len(rows) >= LEAST]
