"""A report as JSON, Markdown, CSV and one self-contained HTML file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from eyecli.evaluation.findings import Findings

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
COLUMNS = ("predictor", "metric", "group", "value", "lo", "hi", "n")


def write_report(
    folder: Path, findings: Findings, verdict: str, facts: Mapping[str, Any], beats: bool
) -> None:
    """Write ``report.json``, ``report.md``, ``report.html`` and ``metrics.csv``.

    Parameters
    ----------
    folder
        Where they go.
    findings
        What the task found.
    verdict
        First line of the Markdown and of the HTML's text.
    facts
        References, split, licences, the paragraph `methods`.
    beats
        Whether the model beats every baseline; colours the verdict.
    """
    content = {
        "verdict": verdict,
        "beats_baselines": beats,
        **facts,
        "unit": findings.unit,
        "differences": [asdict(difference) for difference in findings.differences],
        "comparisons": {
            title: [asdict(difference) for difference in rows]
            for title, rows in findings.comparisons.items()
        },
        "metrics": [asdict(metric) for metric in findings.metrics],
        "notes": findings.notes,
    }
    encoded = msgspec.json.format(msgspec.json.encode(content), indent=1)
    (folder / "report.json").write_bytes(encoded + b"\n")
    with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(metric) for metric in (*findings.metrics, *findings.people))
    pages = environment()
    for name in ("report.md", "report.html"):
        text = pages.get_template(f"{name}.j2").render(
            content, plots=findings.plots, tables=findings.tables, beats=beats,
            measure=findings.measure, in_unit=f" ({findings.unit})" if findings.unit else "",
        )  # fmt: skip
        (folder / name).write_text(text, encoding="utf-8")


def environment() -> jinja2.Environment:
    """Return the templates; text in HTML is escaped, Markdown is not."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        keep_trailing_newline=True,
    )
    made.filters |= {"cell": cell, "figure": figure, "interval": interval}
    return made


def cell(text: str) -> str:
    """Keep a user's text within its cell of a Markdown table."""
    return text.replace("|", "\\|")


def figure(value: float | None) -> str:
    """Four significant digits, a dash for nothing."""
    return "-" if value is None else f"{value:.4g}"


def interval(bounds: tuple[float | None, float | None] | list[float] | None) -> str:
    """``low to high``, a dash for nothing."""
    if bounds is None or bounds[0] is None:
        return "-"
    return f"{figure(bounds[0])} to {figure(bounds[1])}"
