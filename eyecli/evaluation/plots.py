"""Plots as SVG text, reproducible to the byte."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

# Colours that stay apart in print and for colour-blind readers (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def new_figure(width: float = 6.0, height: float = 4.0) -> tuple[Any, Any]:
    """Return a figure and its axes, without any window system."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def to_svg(figure: Any) -> str:
    """Render a figure; no date and fixed ids, so that equal figures are equal text."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "eyecli", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


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
