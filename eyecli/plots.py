"""Figures as SVG text, reproducible to the byte."""

from __future__ import annotations

import io
from typing import Any

# Colours that stay apart in print and for colour-blind readers (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def new_figure(width: float = 6.0, height: float = 4.0, columns: int = 1) -> tuple[Any, Any]:
    """Return a figure and its axes (an array of them with several columns), without a window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def to_svg(figure: Any) -> str:
    """Render a figure; no date and fixed ids, so that equal figures are equal text."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "eyecli", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
