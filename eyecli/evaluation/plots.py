"""Plots of a report."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from eyecli.plots import COLOURS, new_figure, to_svg


def error_curves(errors: Mapping[str, np.ndarray], unit: str) -> str:
    """Share of samples with an error below x, a curve a predictor."""
    figure, axes = new_figure()
    for (name, values), colour in zip(errors.items(), COLOURS, strict=False):
        ordered = np.sort(values)
        share = np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered, share, where="post", label=name, color=colour)
    axes.set(xlabel=f"Euclidean error ({unit})", ylabel="share of frames", ylim=(0, 1))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return to_svg(figure)


def screen_map(prediction: np.ndarray, target: np.ndarray, unit: str, y_down: bool) -> str:
    """Predictions and the targets they belong to, on the screen.

    Parameters
    ----------
    prediction, target
        (n, 2); at most 500 pairs are drawn, evenly over the table.
    y_down
        Whether y grows downwards, as pixels do.
    """
    rows = np.linspace(0, len(target) - 1, min(len(target), 500)).astype(int)
    figure, axes = new_figure()
    axes.plot(
        np.stack([target[rows, 0], prediction[rows, 0]]),
        np.stack([target[rows, 1], prediction[rows, 1]]),
        color="#999999", linewidth=0.6,
    )  # fmt: skip
    axes.plot(*target[rows].T, "o", markersize=3, color=COLOURS[0], label="target")
    axes.plot(*prediction[rows].T, ".", markersize=3, color=COLOURS[1], label="prediction")
    axes.set(xlabel=f"x ({unit})", ylabel=f"y ({unit})", aspect="equal")
    if y_down:
        axes.invert_yaxis()
    axes.legend(loc="upper right")
    return to_svg(figure)


def subject_errors(means: Mapping[str, np.ndarray], unit: str) -> str:
    """Mean error of every subject, a colour a predictor.

    Parameters
    ----------
    means
        Predictor to (subjects,) mean errors, in one order; drawn from the least of the first
        predictor to its largest, so that nobody is named.
    """
    figure, axes = new_figure()
    order = np.argsort(next(iter(means.values())), kind="stable")
    number = np.arange(1, len(order) + 1)
    for (name, values), colour in zip(means.items(), COLOURS, strict=False):
        axes.plot(number, values[order], "o", markersize=3, color=colour, label=name)
    axes.set(xlabel="subjects, from the least error", ylabel=f"mean error ({unit})")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return to_svg(figure)
