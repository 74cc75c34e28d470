"""What evaluation needs of the gaze task: errors, aggregations, calibration, baselines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.calibration.head import apply_head
from eyecli.calibration.samples import Samples
from eyecli.calibration.select import select
from eyecli.data.prepared import Prepared, groups_and_parts
from eyecli.data.split import Split
from eyecli.evaluation.baselines import REGISTRY, Known
from eyecli.evaluation.bootstrap import STATISTICS
from eyecli.evaluation.findings import Difference, Findings, Metric, paired
from eyecli.evaluation.headline import Headline, Sampling
from eyecli.evaluation.plots import error_curves, screen_map
from eyecli.evaluation.stage import EvaluateSettings
from eyecli.evaluation.units import units_of
from eyecli.metrics.gaze import angle_deg, euclidean, px_to_cm
from eyecli.tasks.gaze.about import ABOUT
from eyecli.tasks.gaze.fields import IMAGES, TARGETS

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

__all__ = ["ABOUT", "PREDICTED", "TRUTH", "baseline_predictions", "findings", "headlines"]

TRUTH: Sequence[str] = TARGETS
PREDICTED: Sequence[str] = ("pred_x", "pred_y")
# From (n, 2) prediction and target to (n,) errors.
ErrorOf = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
    judged = on or prepared
    units = error_units(judged.setup)
    unit, error_of = next(iter(units.items()))
    target = table[list(TRUTH)].to_numpy(float)
    predictors = {"model": table[list(PREDICTED)].to_numpy(float)}
    predictors |= baseline_predictions(table, prepared, split, on=on)
    metrics = [
        metric
        for name, prediction in predictors.items()
        for metric in summarise(name, table, prediction, target, units)
    ]
    errors = {name: error_of(prediction, target) for name, prediction in predictors.items()}
    notes = _notes(table, judged, split)
    plots = {
        "Error of the model and the baselines": error_curves(errors, unit),
        "Predictions on the screen": screen_map(
            predictors["model"], target, judged.setup["unit"], judged.setup["unit"] == "px"
        ),
    }
    comparisons: dict[str, list[Difference]] = {}
    rows, calibrated = calibrate_users(table, embedding, judged, settings.calibration_points)
    if len(rows):
        held = table.iloc[rows].reset_index(drop=True)
        pairs = {
            "before calibration": predictors["model"][rows],
            "after calibration": calibrated,
        }
        for name, prediction in pairs.items():
            metrics += summarise(name, held, prediction, target[rows], units)
        held_errors = {name: error_of(p, target[rows]) for name, p in pairs.items()}
        plots["Before and after calibration, on held-out points"] = error_curves(held_errors, unit)
        comparisons["After calibration, on held-out points"] = paired(
            held_errors, units_of(held).owners, of="after calibration"
        )
        notes.append(
            f"Calibration: up to {settings.calibration_points} points of each test subject and "
            f"fold calibrate, the {len(rows)} frames of the other points are counted."
        )
    left_out = not_calibrated(table, settings.calibration_points)
    if left_out:
        log.warning("%s", left_out)
        notes.append(left_out)
    differences = paired(errors, units_of(table).owners)
    return Findings(metrics, differences, unit, notes, plots, comparisons)


def _notes(table: pd.DataFrame, prepared: Prepared, split: Split) -> list[str]:
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
    if not prepared.setup["screen_cm"] and prepared.setup["unit"] == "px":
        notes.append("The screen's size is unknown (--screen-px, --screen-cm): no cm, no degrees.")
    elif not prepared.setup["distance_cm"]:
        notes.append("The viewing distance is unknown (--distance-cm): no degrees.")
    if split.partitions and len({p.repeat for p in split.partitions}) > 1:
        notes.append("Repeats of one sample stay together in the bootstrap.")
    return notes


def error_units(setup: Mapping[str, Any]) -> dict[str, ErrorOf]:
    """Units in which the error can be given, that of the targets first.

    Pixels need the screen in px and cm to become cm; degrees need the screen in cm and the
    distance too.
    """
    units: dict[str, ErrorOf] = {setup["unit"]: euclidean}
    screen_px, screen_cm = setup["screen_px"], setup["screen_cm"]
    if setup["unit"] != "px" or not (screen_px and screen_cm):
        return units

    def in_cm(position: np.ndarray) -> np.ndarray:
        return px_to_cm(position, screen_px, screen_cm)

    units["cm"] = lambda p, t: euclidean(in_cm(p), in_cm(t))
    distance = setup["distance_cm"]
    if distance:
        units["deg"] = lambda p, t: angle_deg(in_cm(p), in_cm(t), screen_cm, distance)
    return units


def summarise(
    name: str,
    table: pd.DataFrame,
    prediction: np.ndarray,
    target: np.ndarray,
    units: Mapping[str, ErrorOf],
) -> list[Metric]:
    """Mean, median and 95th percentile of the error over frames, dots and subjects."""
    groups = units_of(table).owners
    dots = table.groupby(["partition", "subject", "session", "point"], sort=False).ngroup()
    dot_prediction, dot_target, first = _average(dots.to_numpy(), prediction, target)
    rows = []
    for unit, error_of in units.items():
        frames = error_of(prediction, target)
        levels = {
            "frames": (frames, groups),
            "dots": (error_of(dot_prediction, dot_target), groups[first]),
        }
        if table["subject"].all():
            mean = table.assign(error=frames).groupby("subject", sort=True)["error"].mean()
            levels["subjects"] = (mean.to_numpy(), mean.index.to_numpy())
        for level, (errors, owners) in levels.items():
            for statistic, (value_of, interval_of) in STATISTICS.items():
                low, high = interval_of(errors, owners) or (None, None)
                metric = f"error_{statistic}_{unit}"
                rows.append(Metric(name, metric, level, value_of(errors), low, high, len(errors)))
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
    row_of = {sample: row for row, sample in enumerate(judged.index["sample"])}
    targets = prepared.index[list(TARGETS)].to_numpy(float)
    names = set(prepared.arrays.names) & set(judged.arrays.names)
    images = [name for name in IMAGES if name in names]
    found = {name: np.empty((len(table), 2)) for name in REGISTRY}
    partitions = table["partition"].to_numpy(int)
    for partition in np.unique(partitions):
        rows = np.flatnonzero(partitions == partition)
        groups, parts = groups_and_parts(prepared, split, partition)
        known = Known(
            prepared.arrays, judged.arrays, images, targets, groups.astype(str),
            np.flatnonzero(~np.isin(parts, ("test", part))),
            np.array([row_of[sample] for sample in table["sample"].to_numpy()[rows]]),
        )  # fmt: skip
        for name, baseline in REGISTRY.items():
            found[name][rows] = baseline(known)
    return found


def headlines(
    table: pd.DataFrame, prediction: np.ndarray, prepared: Prepared, sampling: Sampling
) -> list[Headline]:
    """Mean error over frames in every unit, and over subjects in the main one."""
    target = table[list(TRUTH)].to_numpy(float)
    units = error_units(prepared.setup)
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


def calibrate_users(
    table: pd.DataFrame, embedding: np.ndarray, prepared: Prepared, points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Calibrate every test subject on a few points and predict the frames of the others.

    Rows of unknown subjects are left out: nobody knows whose points would calibrate whom.

    Returns
    -------
    rows : ndarray, shape (m,)
        Rows of the table whose point did not calibrate.
    prediction : ndarray, shape (m, 2)
        Calibrated predictions of those rows.
    """
    base = table[list(PREDICTED)].to_numpy(float)
    target = table[list(TRUTH)].to_numpy(float)
    rows: list[np.ndarray] = []
    predictions: list[np.ndarray] = []
    users = table.groupby(["partition", "subject"], sort=True).ngroup().to_numpy(int)
    for number in range(users.max() + 1):
        user = np.flatnonzero(users == number)
        if not table["subject"].iloc[user[0]]:
            continue
        names = (table["session"] + "/" + table["point"]).to_numpy(str)[user]
        chosen = spread_points(names, target[user], points)
        calibrates = np.isin(names, chosen)
        if not calibrates.any() or calibrates.all():
            continue
        fit, held = user[calibrates], user[~calibrates]
        samples = Samples(embedding[fit], base[fit], target[fit], names[calibrates],
                          unit=prepared.setup["unit"])  # fmt: skip
        head = select(samples).head
        rows.append(held)
        predictions.append(apply_head(head, base[held], embedding[held]))
    if not rows:
        return np.empty(0, int), np.empty((0, 2))
    return np.concatenate(rows), np.concatenate(predictions)


def not_calibrated(table: pd.DataFrame, points: int) -> str:
    """Say how many people `calibrate_users` leaves out, and why; '' if nobody is, or all should be.

    No subject is named: the sentence goes to logs.
    """
    if points < 1:
        return ""
    known = table[table["subject"] != ""]
    said = []
    if len(known) < len(table):
        said.append(f"{len(table) - len(known)} of {len(table)} rows are of unknown subjects")
    names = known["session"] + "/" + known["point"]
    counts = names.groupby([known["partition"], known["subject"]]).nunique()
    few = counts[counts <= points]
    if len(few):
        people = few.index.get_level_values("subject").nunique()
        least, most = few.min(), few.max()
        have = f"{most}" if least == most else f"{least} to {most}"
        have += " point" if most == 1 else " points"
        said.append(
            f"{people} of {known['subject'].nunique()} subjects have {have} only, and "
            f"--calibration-points {points} leaves none to test them by (use fewer)"
        )
    return f"Not calibrated: {'; '.join(said)}." if said else ""


def spread_points(names: np.ndarray, target: np.ndarray, count: int) -> np.ndarray:
    """Choose points as a calibration pattern would: the most central, then ever the farthest.

    Farthest-point sampling (Gonzalez 1985); the errors of the predictions play no part.

    Parameters
    ----------
    names
        (n,) point of every frame.
    target
        (n, 2) its position.
    count
        How many points.

    Returns
    -------
    ndarray of str
        At most `count` names.
    """
    points, first = np.unique(names, return_index=True)
    if count < 1:
        return points[:0]
    xy = target[first]
    centre = (xy.min(axis=0) + xy.max(axis=0)) / 2
    chosen = [int(np.linalg.norm(xy - centre, axis=1).argmin())]
    distance = np.linalg.norm(xy - xy[chosen[0]], axis=1)
    while len(chosen) < min(count, len(points)):
        distance[chosen] = -1  # two points may be at the same place
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(xy - xy[chosen[-1]], axis=1))
    return points[chosen]
