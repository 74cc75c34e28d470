"""What evaluation needs of the dr task: agreement, discrimination, calibration, baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.data.split import Split
from eyecli.evaluation.alignment import sampling_of
from eyecli.evaluation.baselines import each_fold
from eyecli.evaluation.bootstrap import Interval, additive_interval
from eyecli.evaluation.compare import compare_rows
from eyecli.evaluation.findings import Findings, Metric
from eyecli.evaluation.grading_intervals import auc_replicate, confusion_replicate, group_intervals
from eyecli.evaluation.headline import Headline, Sampling
from eyecli.evaluation.stage import EvaluateSettings
from eyecli.evaluation.units import units_of
from eyecli.metrics.agreement import quadratic_weighted_kappa
from eyecli.metrics.calibration import expected_calibration_error, top_label
from eyecli.metrics.operating import accuracy, balanced_accuracy, macro_f1, recalls
from eyecli.tasks.dr.about import ABOUT
from eyecli.tasks.dr.baselines import BASELINES, Known, predict
from eyecli.tasks.dr.fusion import ALONE
from eyecli.tasks.dr.grading import GRADES, Target, named, probabilities
from eyecli.tasks.dr.plots import plots

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ABOUT", "PREDICTED", "TRUTH", "baseline_predictions", "findings", "headlines"]

TRUTH: Sequence[str] = ("grade",)
DECIDED = ("grade_predicted", "sensitive", "specific")
PREDICTED: Sequence[str] = (*named("grade"), *DECIDED)
WHICH_TARGET: dict[int, Target] = {1: "any-dr", 2: "referable"}
WHICH = {1: "any", 2: "referable", 3: "severe", 4: "proliferative"}

# A model with fusion, without it.
ONE_EYE = "one eye"
THE_SAME = (
    "The predictor 'one eye' is the same model without the patient's other eye, with cuts and "
    "operating points of its own."
)
UNFUSED = (
    "In {number} of {folds} folds no prediction knows of the other eye: too few patients outside "
    "the fitted rows had both to learn it from, or no test photograph has its other eye."
)
# Fewer rows than this say nothing of a group.
LEAST_ROWS = 20
# Photographs of a lower quality are a group of their own.
MEDIOCRE = 0.8


def findings(
    table: pd.DataFrame,
    embedding: np.ndarray,
    prepared: Prepared,
    split: Split,
    settings: EvaluateSettings,
    on: Prepared | None = None,
) -> Findings:
    """Compute the metrics of test rows, and those of the baselines.

    Parameters
    ----------
    table
        Test rows of the predictions, one a sample and fold.
    embedding
        (n, D) embedding of each; not used.
    prepared, split
        For the baselines, which are fitted anew on the rows outside each test part.
    settings
        Not used.
    on
        The external data that the rows are of, if they are not of `prepared`.
    """
    data = on or prepared
    columns = predicted_columns(table)
    predictions = {"model": table[columns].to_numpy(float)}
    fused = fused_folds(table, columns)
    if any(fused):
        predictions[ONE_EYE] = table[[f"{name}{ALONE}" for name in columns]].to_numpy(float)
    predictions |= baseline_predictions(table, prepared, split, on=on)
    sampling = sampling_of(table)
    rows = {
        name: [headlines(table, values, data, sampling)] for name, values in predictions.items()
    }
    compared = compare_rows(rows, list(predictions)[1:], sampling.groups)
    metrics = [
        _metric(name, f.metric, f.group, f.value, f.interval, f.n)
        for name, figures in compared.figures.items()
        for f in figures
    ]
    truth = _classes(table, columns)
    for name, values in predictions.items():
        metrics += _further(name, truth, values, columns, sampling)
    bounds = _bounds(columns)
    asked = bounds.index(2) if 2 in bounds else 0
    area = f"auc_{WHICH[bounds[asked]]}"
    drawn = plots(
        truth,
        {name: values[:, : len(bounds)] for name, values in predictions.items()},
        {name: _called(values, columns) for name, values in predictions.items()},
        asked,
        [f"grade {grade}" for grade in (0, *bounds)],
        {name: next((f.interval for f in figures if f.metric == area), None)
         for name, figures in compared.figures.items()},
    )  # fmt: skip
    parts = {
        f"By {column}": _by(column, groups, table, predictions["model"], data)
        for column, groups in _subgroups(table, data.setup["size"]).items()
    }
    against = compared.against["model"]
    alone = [other for other in against if other.against == ONE_EYE]
    return Findings(
        metrics + [metric for of in parts.values() for metric in of],
        [other for other in against if other.against != ONE_EYE], "",
        _notes(table, split) + ([THE_SAME] if alone else []) + _unfused(fused), drawn,
        comparisons={"Both eyes against one": alone} if alone else {},
        tables={title: of for title, of in parts.items() if of},
        measure="quadratic weighted kappa" if len(columns) > len(DECIDED) + 1 else "kappa",
    )  # fmt: skip


def fused_folds(table: pd.DataFrame, columns: Sequence[str]) -> list[bool]:
    """Say of each fold with the columns of fusion whether the other eye has a say in it."""
    if f"grade_predicted{ALONE}" not in table:
        return []
    both, one = (table[[f"{name}{end}" for name in columns]].to_numpy() for end in ("", ALONE))
    differ = (both != one).any(axis=1)
    return [bool(differ[rows].any()) for rows in table.groupby("partition").indices.values()]


def _unfused(fused: list[bool]) -> list[str]:
    number = fused.count(False)
    return [UNFUSED.format(number=number, folds=len(fused))] if number else []


def _subgroups(table: pd.DataFrame, side: int) -> dict[str, np.ndarray]:
    """Name to the group of every row, for what tells of camera, eye, quality and resolution."""
    quality = np.where(table["quality"].to_numpy(float) < MEDIOCRE, "below", "from")
    sizes = [f"{w}x{h}" for w, h in zip(table["width"], table["height"], strict=True)]
    found = {
        "camera": np.array(sizes),
        "quality": np.char.add(quality.astype(str), f" {MEDIOCRE:g}"),
        "resolution": resolution(2 * table["fundus_radius"].to_numpy(float), side),
    }
    if table["laterality"].astype(bool).any():
        found["laterality"] = table["laterality"].to_numpy(str)
    return found


def resolution(diameter: np.ndarray, side: int) -> np.ndarray:
    """Group photographs by the diameter of the fundus in pixels of the original.

    Parameters
    ----------
    diameter
        (n,).
    side
        Of the stored square, in pixels: fewer were scaled up. Limits are it, its double and so on.

    Returns
    -------
    ndarray, shape (n,)
        ``below 512 px``, ``from 512 px``, ``from 1024 px``...
    """
    doubled = np.floor(np.log2(diameter / side)).astype(int)
    return np.array([f"from {side * 2**k} px" if k >= 0 else f"below {side} px" for k in doubled])


def _by(
    column: str, groups: np.ndarray, table: pd.DataFrame, prediction: np.ndarray, data: Prepared
) -> list[Metric]:
    """Headlines of the model in each group of rows that is large enough; none if it is alone."""
    names, counts = np.unique(groups, return_counts=True)
    found = []
    for name in names[counts >= LEAST_ROWS] if len(names) > 1 else ():
        rows = np.flatnonzero(groups == name)
        part = table.iloc[rows].reset_index(drop=True)
        sampling = sampling_of(part)
        metrics = {h.metric: h.replicate for h in headlines(part, prediction[rows], data, sampling)}
        intervals = group_intervals(metrics, sampling.groups)
        for metric, replicate in metrics.items():
            value = float(replicate(np.ones((1, sampling.groups)))[0])
            group = f"{column}={name}"
            found.append(_metric("model", metric, group, value, intervals[metric], len(rows)))
    return found


def predicted_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of predictions; a model with a binary target has one probability."""
    return [name for name in PREDICTED if name in table]


def _bounds(columns: Sequence[str]) -> list[int]:
    return [int(name.removeprefix("p_ge")) for name in columns if name.startswith("p_ge")]


def _classes(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """True class of every row: how many of the boundaries its grade reaches."""
    return (table["grade"].to_numpy(int)[:, None] >= np.array(_bounds(columns))).sum(axis=1)


def _called(values: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """Predicted class of every row."""
    grade = values[:, list(columns).index("grade_predicted")]
    return (grade[:, None] >= np.array(_bounds(columns))).sum(axis=1)


def _further(
    name: str, truth: np.ndarray, values: np.ndarray, columns: Sequence[str], sampling: Sampling
) -> list[Metric]:
    """Metrics beside the headlines: of decisions, of operating points, of calibration."""
    bounds = _bounds(columns)
    classes, n = len(bounds) + 1, len(truth)
    sums = _confusions(truth, _called(values, columns), classes, sampling)
    found = [
        _of_sums(name, metric, "photographs", sums, statistic, n)
        for metric, statistic in (
            ("accuracy", accuracy), ("balanced_accuracy", balanced_accuracy),
            ("macro_f1", macro_f1),
        )
    ]  # fmt: skip
    for grade in range(classes):
        label = f"grade={grade}" if classes == GRADES else f"class={grade}"
        number = int((truth == grade).sum())
        if number:
            found.append(_of_sums(name, "recall", label, sums, _recall(grade), number))
    asked = bounds.index(2) if 2 in bounds else 0
    positive = truth > asked
    for point in ("sensitive", "specific"):
        called = values[:, list(columns).index(point)] > 0
        cells = _confusions(positive.astype(int), called.astype(int), 2, sampling)
        for metric, row in (("specificity", 0), ("sensitivity", 1)):
            found.append(
                _of_sums(
                    name, metric, f"{point} point", cells,
                    _share(row),
                    int((positive == row).sum()),
                )
            )  # fmt: skip
    chances = probabilities(values[:, : len(bounds)])
    error = expected_calibration_error(*top_label(chances, truth))
    found.append(Metric(name, "calibration_error", "photographs", float(error), None, None, n))
    return found


def _confusions(
    truth: np.ndarray, called: np.ndarray, classes: int, sampling: Sampling
) -> np.ndarray:
    """Return (groups, classes * classes) weighted confusion matrices."""
    width = classes * classes
    cells = sampling.owner * width + truth * classes + called
    flat = np.bincount(cells, sampling.weight, sampling.groups * width)
    return flat.reshape(sampling.groups, width)


def _of_sums(
    name: str, metric: str, group: str, sums: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray], n: int,
) -> Metric:  # fmt: skip
    side = int(np.sqrt(sums.shape[1]))

    def of(totals: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(statistic(totals.reshape(-1, side, side)))

    interval: Interval | None = additive_interval(sums, of)
    value = float(of(sums.sum(axis=0)[None])[0])
    return _metric(name, metric, group, value, interval, n)


def _metric(
    name: str, metric: str, group: str, value: float, interval: Interval | None, n: int
) -> Metric:
    low, high = interval or (None, None)
    return Metric(name, metric, group, value, low, high, n)


def _recall(grade: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda matrix: recalls(matrix)[..., grade]


def _share(row: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda matrix: matrix[..., row, row] / matrix[..., row, :].sum(axis=-1)


def _notes(table: pd.DataFrame, split: Split) -> list[str]:
    units = units_of(table)
    people = f", {units.number} subjects" if units.kind == "subjects" else ""
    notes = [
        f"{len(table)} test rows of {table['sample'].nunique()} photographs in "
        f"{table['partition'].nunique()} folds{people}.",
        "Baselines are fitted on the train and validation rows of the same folds.",
        "Temperature, cuts between grades and operating points were chosen on rows that were "
        "neither test rows nor fitted on.",
    ]
    if split.partitions and len({p.repeat for p in split.partitions}) > 1:
        notes.append("Repeats of one photograph stay together in the bootstrap.")
    return notes


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
    judged, columns = on or prepared, predicted_columns(table)
    target: Target = "grade" if len(_bounds(columns)) > 1 else WHICH_TARGET[_bounds(columns)[0]]
    known = Known(prepared, judged, prepared.index["grade"].to_numpy(int), target)
    found = {name: np.empty((len(table), len(columns))) for name in BASELINES}
    for fold in each_fold(table, prepared, split, part, judged):
        for name in BASELINES:
            made = predict(name, known, fold.train, fold.test, fold.groups)
            found[name][fold.rows] = np.column_stack([made[column] for column in columns])
    return found


def headlines(
    table: pd.DataFrame, prediction: np.ndarray, prepared: Prepared, sampling: Sampling
) -> list[Headline]:
    """Quadratic weighted kappa, and the area under the ROC curve for each clinical question."""
    columns = predicted_columns(table)
    bounds, truth = _bounds(columns), _classes(table, columns)
    classes, samples = len(bounds) + 1, table["sample"].nunique()
    kappa = confusion_replicate(
        truth, _called(prediction, columns), classes, sampling, quadratic_weighted_kappa
    )
    found = [Headline("kappa_quadratic", "photographs", False, samples, kappa)]
    for number, bound in enumerate(bounds):
        positive = truth > number
        if bound in WHICH_TARGET and positive.any() and not positive.all():
            found.append(
                Headline(f"auc_{WHICH[bound]}", "photographs", False, samples,
                         auc_replicate(prediction[:, number], positive, sampling))
            )  # fmt: skip
    return found
