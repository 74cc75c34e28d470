"""Plots of a report on grades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eyecli.evaluation.bootstrap import Interval
from eyecli.metrics.calibration import Reliability
from eyecli.metrics.decision import DecisionCurve
from eyecli.metrics.operating import roc_points
from eyecli.metrics.roc import auc
from eyecli.metrics.selective import ReferralCurve
from eyecli.plots import COLOURS, new_figure, to_svg

GREY = "#999999"


def roc_curves(
    scores: Mapping[str, np.ndarray],
    positive: np.ndarray,
    intervals: Mapping[str, Interval | None],
) -> str:
    """ROC curve of every predictor, its area and the interval of it in the legend.

    Parameters
    ----------
    scores
        Predictor to (n,) scores.
    positive
        (n,) bool.
    intervals
        Predictor to the interval of its area; None, or no entry, where it is unknown.
    """
    figure, axes = new_figure(5.0, 4.5)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
    for (name, score), colour in zip(scores.items(), COLOURS, strict=False):
        interval = intervals.get(name)
        between = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
        label = f"{name}: {auc(score, positive):.3f}{between}"
        axes.plot(*roc_points(score, positive), color=colour, label=label)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    axes.legend(title="area (95 % interval)", loc="lower right")
    return to_svg(figure)


def reliability_diagram(tables: Mapping[str, Reliability]) -> str:
    """How often came true what was claimed; points as large as their bins, below the diagonal
    where too much was claimed.

    Parameters
    ----------
    tables
        Name, such as before and after a temperature, to its bins.
    """
    figure, axes = new_figure(5.0, 4.5)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
    for (name, table), colour in zip(tables.items(), COLOURS, strict=False):
        area = 15 + 60 * table.samples / table.samples.max()
        axes.plot(table.confidence, table.frequency, color=colour, linewidth=1, label=name)
        axes.scatter(table.confidence, table.frequency, s=area, color=colour)
    axes.set(xlabel="claimed probability", ylabel="share that came true")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    return to_svg(figure)


def confusion_map(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Confusion matrix, shaded by the share of each true class, with counts.

    Parameters
    ----------
    matrix
        (k, k) counts, true class by row.
    names
        Of the k classes.
    """
    counts = np.asarray(matrix)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_figure(4.5, 4.2)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        dark = share[row, column] > 0.5
        axes.text(column, row, f"{count:.0f}", ha="center", va="center",
                  color="white" if dark else "black")  # fmt: skip
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
    return to_svg(figure)


def referral_curves(curves: Mapping[str, ReferralCurve], metric: str) -> str:
    """A metric of what is kept when the most uncertain samples are referred, a curve a predictor.

    Parameters
    ----------
    curves
        Predictor to its curve.
    metric
        What it is of, for the axis.
    """
    figure, axes = new_figure()
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        axes.plot(curve.share, curve.value, "o-", markersize=3, color=colour,
                  label=f"{name}: mean {curve.area:.3f}")  # fmt: skip
    axes.set(xlabel="share kept; the most uncertain are referred", ylabel=metric, xlim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    return to_svg(figure)


def decision_curves(
    curves: Mapping[str, DecisionCurve],
    bands: Mapping[str, tuple[np.ndarray, np.ndarray] | None],
) -> str:
    """Net benefit of predictors, of treating everybody and of treating nobody.

    Parameters
    ----------
    curves
        Predictor to its curve; all of the same samples.
    bands
        Predictor to the interval at each threshold; None, or no entry, where it is unknown.
    """
    figure, axes = new_figure()
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        axes.plot(curve.threshold, curve.model, color=colour, label=name)
        band = bands.get(name)
        if band:
            axes.fill_between(curve.threshold, *band, color=colour, alpha=0.15, linewidth=0)
    first = next(iter(curves.values()))
    axes.plot(first.threshold, first.treat_all, color=GREY, linestyle="--", label="treat all")
    axes.axhline(0, color="black", linewidth=0.8, label="treat none")
    # Treating everybody falls without end; what matters is above zero.
    highest = max(float(curve.model.max()) for curve in curves.values())
    axes.set_ylim(-0.25 * max(highest, 0.04), 1.15 * max(highest, 0.04))
    axes.set(xlabel="threshold probability", ylabel="net benefit", xlim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return to_svg(figure)
