"""What evaluation needs of the gaze task: errors, aggregations, calibration, baselines."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.data.split import Split
from eyecli.evaluation.baselines import REGISTRY, Known, each_fold
from eyecli.evaluation.bootstrap import STATISTICS
from eyecli.evaluation.findings import Difference, Findings, Metric, paired
from eyecli.evaluation.headline import Headline, Sampling
from eyecli.evaluation.plots import error_curves, screen_map, subject_errors
from eyecli.evaluation.stage import EvaluateSettings
from eyecli.evaluation.units import units_of
from eyecli.tasks.gaze.about import ABOUT
from eyecli.tasks.gaze.breakdown import CONDITIONS, error_by, subject_means
from eyecli.tasks.gaze.fields import GAZE, IMAGES, TARGETS
from eyecli.tasks.gaze.precision import NOTE, precision
from eyecli.tasks.gaze.recordings import (
    KEY,
    recording_metrics,
    recording_notes,
    sessions_of_rows,
)
from eyecli.tasks.gaze.screens import Screens, error_units, screens_of
from eyecli.tasks.gaze.user_calibration import (
    AFTER,
    BEFORE,
    calibrate_users,
    not_calibrated,
    users_made_worse,
)

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

__all__ = ["ABOUT", "PREDICTED", "TRUTH", "baseline_predictions", "findings", "headlines"]

TRUTH: Sequence[str] = TARGETS
PREDICTED: Sequence[str] = GAZE


@dataclass(frozen=True)
class Judged:
    """Predictions of one predictor for the rows of a table.

    Attributes
    ----------
    name
        The predictor.
    table
        (n) rows.
    prediction, target
        (n, 2) positions.
    screens
        Of the rows.
    """

    name: str
    table: pd.DataFrame
    prediction: np.ndarray
    target: np.ndarray
    screens: Screens

    @cached_property
    def errors(self) -> dict[str, np.ndarray]:
        """Unit to (n,) errors, the unit of the targets first."""
        return {
            unit: error_of(self.prediction, self.target)
            for unit, error_of in error_units(self.screens).items()
        }


def findings(
    table: pd.DataFrame,
    embedding: np.ndarray,
    prepared: Prepared,
    split: Split,
    settings: EvaluateSettings,
    on: Prepared | None = None,
) -> Findings:
    """Compute the gaze metrics of test rows, those of the baselines, and the plots.

    Parameters
    ----------
    table
        Test rows of the predictions, one a sample and fold.
    embedding
        (n, D) embedding of each.
    prepared, split
        For the baselines, which are fitted anew on the rows outside each test part.
    settings
        How many points calibrate.
    on
        The external data that the rows are of, if they are not of `prepared`.
    """
    data = on or prepared
    sessions, screens = data.sessions, screens_of(data, table)
    target = table[list(TRUTH)].to_numpy(float)
    predictions = {"model": table[list(PREDICTED)].to_numpy(float)}
    predictions |= baseline_predictions(table, prepared, split, on=on)
    judged = [Judged(name, table, p, target, screens) for name, p in predictions.items()]
    unit, shown = screens.unit, judged[:1]
    errors = {one.name: one.errors[unit] for one in judged}
    notes = _notes(table, data, split, sessions)
    plots = {
        "Error of the model and the baselines": error_curves(errors, unit),
        "Predictions on the screen": screen_map(predictions["model"], target, unit, unit == "px"),
        "Mean error of each subject": _subjects_plot(shown, unit),
    }
    comparisons: dict[str, list[Difference]] = {}
    tables: dict[str, list[Metric]] = {}
    rows, calibrated = calibrate_users(table, embedding, data, settings.calibration_points)
    if len(rows):
        held, near = table.iloc[rows].reset_index(drop=True), screens.take(rows)
        pair = [
            Judged(name, held, prediction, target[rows], near)
            for name, prediction in ((BEFORE, predictions["model"][rows]), (AFTER, calibrated))
        ]
        judged, shown = judged + pair, shown + pair
        held_errors = {one.name: one.errors[unit] for one in pair}
        plots["Before and after calibration, on held-out points"] = error_curves(held_errors, unit)
        plots["Mean error of each subject on held-out points"] = _subjects_plot(pair, unit)
        comparisons["After calibration, on held-out points"] = paired(
            held_errors, units_of(held).owners, of=AFTER
        )
        tables["Users made worse by calibration, and their gain"], harm = users_made_worse(
            held, pair[0].errors, pair[1].errors, near
        )
        notes += [
            f"Calibration: up to {settings.calibration_points} points of each test subject and "
            f"fold calibrate, the {len(rows)} frames of the other points are counted.",
            harm,
        ]
    left_out = not_calibrated(table, settings.calibration_points)
    if left_out:
        log.warning("%s", left_out)
        notes.append(left_out)
    tables["By device and orientation"] = _errors_by(CONDITIONS, shown)
    if sessions is not None:
        tables["Precision"] = [
            metric
            for one in shown
            for metric in precision(one.name, one.table, one.prediction, one.screens, sessions)
        ]
        tables["Data loss and effective rate"] = recording_metrics(sessions, table)
        notes += [NOTE, *recording_notes(sessions, data)]
    metrics = [metric for one in judged for metric in summarise(one)]
    return Findings(
        metrics + [metric for rows_of in tables.values() for metric in rows_of],
        paired(errors, units_of(table).owners),
        unit,
        notes,
        {title: svg for title, svg in plots.items() if svg},
        comparisons,
        {title: found for title, all_of in tables.items() if (found := _in(unit, all_of))},
        _errors_by(["subject"], shown),
    )


def _in(unit: str, metrics: Sequence[Metric]) -> list[Metric]:
    """Leave out what is in another unit of the error, so that a table can be read."""
    others = {"px", "cm", "deg"} - {unit}
    return [m for m in metrics if m.metric.rsplit("_", 1)[-1].removesuffix("2") not in others]


def _errors_by(columns: Sequence[str], shown: Sequence[Judged]) -> list[Metric]:
    return [
        metric
        for one in shown
        for column in columns
        for metric in error_by(column, one.name, one.table, one.errors)
    ]


def _subjects_plot(shown: Sequence[Judged], unit: str) -> str:
    """A point a subject and predictor; '' if none is known. It names nobody: reports travel."""
    means = {one.name: subject_means(one.table, one.errors[unit])[1] for one in shown}
    return subject_errors(means, unit) if len(means[shown[0].name]) else ""


def _notes(
    table: pd.DataFrame, prepared: Prepared, split: Split, sessions: pd.DataFrame | None
) -> list[str]:
    units = units_of(table)
    people = f", {units.number} subjects" if units.kind == "subjects" else ""
    notes = [
        f"{len(table)} test rows of {table['sample'].nunique()} samples in "
        f"{table['partition'].nunique()} folds{people}.",
        "Baselines are fitted on the train and validation rows of the same folds.",
        "Over frames: mean of frame errors. Over dots: predictions of one dot are averaged first. "
        "Over subjects: mean of the subjects' mean errors. Papers mix the three.",
    ]
    if not table["subject"].all():
        notes.append("Subjects are unknown: no figures over subjects.")
    if (table["subject"] != "").any():
        notes.append(
            "Figures of single subjects, by their ids, are in metrics.csv only: keep it when the "
            "report is passed on."
        )
    if sessions is not None:
        used = sessions_of_rows(sessions, table.drop_duplicates(KEY))
        unknown = int(used["distance_cm"].isna().sum())
        if unknown:
            notes.append(
                f"The viewing distance of {unknown} of {len(used)} sessions is unknown "
                "(distance_cm): no degrees."
            )
    elif not prepared.setup["screen_cm"] and prepared.setup["unit"] == "px":
        notes.append("The screen's size is unknown (--screen-px, --screen-cm): no cm, no degrees.")
    elif not prepared.setup["distance_cm"]:
        notes.append("The viewing distance is unknown (--distance-cm): no degrees.")
    if split.partitions and len({p.repeat for p in split.partitions}) > 1:
        notes.append("Repeats of one sample stay together in the bootstrap.")
    return notes


def summarise(one: Judged) -> list[Metric]:
    """Mean, median and 95th percentile of the error over frames, dots and subjects."""
    table, groups = one.table, units_of(one.table).owners
    dots = table.groupby(["partition", "subject", "session", "point"], sort=False).ngroup()
    prediction, target, first = _average(dots.to_numpy(), one.prediction, one.target)
    of_dots = error_units(one.screens.take(first))
    rows = []
    for unit, frames in one.errors.items():
        levels = {
            "frames": (frames, groups),
            "dots": (of_dots[unit](prediction, target), groups[first]),
        }
        if table["subject"].all():
            names, means = subject_means(table, frames)
            levels["subjects"] = (means, names)
        for level, (errors, owners) in levels.items():
            for statistic, (value_of, interval_of) in STATISTICS.items():
                low, high = interval_of(errors, owners) or (None, None)
                metric = f"error_{statistic}_{unit}"
                value = value_of(errors)
                rows.append(Metric(one.name, metric, level, value, low, high, len(errors)))
    return rows


def _average(
    dots: np.ndarray, prediction: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean prediction and target of each dot, and the row where it first occurs."""
    _, first, inverse, counts = np.unique(
        dots, return_index=True, return_inverse=True, return_counts=True
    )

    def mean(values: np.ndarray) -> np.ndarray:
        columns = [np.bincount(inverse, weights=column) for column in values.T]
        return np.stack(columns, axis=1) / counts[:, None]

    return mean(prediction), mean(target), first


def baseline_predictions(
    table: pd.DataFrame,
    prepared: Prepared,
    split: Split,
    *,
    part: str = "test",
    on: Prepared | None = None,
) -> dict[str, np.ndarray]:
    """Predictions of every baseline for the rows of the table, fold by fold.

    Parameters
    ----------
    table
        Rows of predictions.
    prepared, split
        What baselines are fitted on: all rows of a fold that are neither in its test part nor in
        `part`.
    part
        The part that the rows are of.
    on
        The external data that the rows are of, if they are not of `prepared`.
    """
    judged = on or prepared
    targets = prepared.index[list(TARGETS)].to_numpy(float)
    names = set(prepared.arrays.names) & set(judged.arrays.names)
    images = [name for name in IMAGES if name in names]
    found = {name: np.empty((len(table), 2)) for name in REGISTRY}
    for fold in each_fold(table, prepared, split, part, judged):
        known = Known(
            prepared.arrays, judged.arrays, images, targets, fold.groups.astype(str), fold.train,
            fold.test,
        )  # fmt: skip
        for name, baseline in REGISTRY.items():
            found[name][fold.rows] = baseline(known)
    return found


def headlines(
    table: pd.DataFrame, prediction: np.ndarray, prepared: Prepared, sampling: Sampling
) -> list[Headline]:
    """Mean error over frames in every unit, and over subjects in the main one."""
    target = table[list(TRUTH)].to_numpy(float)
    units = error_units(screens_of(prepared, table))
    samples = table["sample"].nunique()
    found = [
        Headline(f"error_mean_{unit}", "frames", True, samples,
                 sampling.mean(error_of(prediction, target)))
        for unit, error_of in units.items()
    ]  # fmt: skip
    if table["subject"].all():
        unit, error_of = next(iter(units.items()))
        subjects, inverse = np.unique(table["subject"].to_numpy(str), return_inverse=True)
        # Every subject counts the same, however many frames it has.
        share = sampling.weight / np.bincount(inverse, sampling.weight)[inverse]
        evenly = replace(sampling, weight=share)
        found.append(
            Headline(f"error_mean_{unit}", "subjects", True, len(subjects),
                     evenly.mean(error_of(prediction, target)))
        )  # fmt: skip
    return found
