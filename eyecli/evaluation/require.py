"""Requirements on a report, such as ``auc>=0.95``: met, or an exit code says no."""

from __future__ import annotations

import csv
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eyecli.errors import UsageError, suggest

METRICS = "metrics.csv"
COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
WRITTEN = re.compile(
    r"\s*([\w.-]+)(?:/([^<>]+?))?\s*(>=|<=|>|<)\s*([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*"
)


@dataclass(frozen=True)
class Requirement:
    """A bound on one metric.

    Attributes
    ----------
    metric, group
        As in ``metrics.csv``; the group may be None where the metric has only one.
    sign, bound
        ``>=``, ``<=``, ``>`` or ``<``, and the number.
    text
        As the user wrote it.
    """

    metric: str
    group: str | None
    sign: str
    bound: float
    text: str


@dataclass(frozen=True)
class Answer:
    """Whether a requirement is met, and by which figure."""

    text: str
    met: bool
    figure: float | None
    why: str


def parse_requirement(text: str) -> Requirement:
    """Read ``METRIC>=NUMBER`` or ``METRIC/GROUP<NUMBER``.

    Raises
    ------
    UsageError
        If it is anything else.
    """
    match = WRITTEN.fullmatch(text)
    if not match:
        raise UsageError(
            f"--require '{text}' is no requirement",
            "write METRIC>=NUMBER, such as auc>=0.95 or error_mean_px/subjects<=40",
        )
    metric, group, sign, bound = match.groups()
    return Requirement(metric, group, sign, float(bound), text.strip())


def check_requirements(
    folder: Path, requirements: Sequence[Requirement], *, lower: bool
) -> list[Answer]:
    """Compare requirements with the model's rows of a report's ``metrics.csv``.

    Parameters
    ----------
    folder
        The report.
    requirements
        What is asked.
    lower
        Ask it of the unfavourable end of the 95 % interval, not of the estimate.

    Raises
    ------
    UsageError
        If the report has no such metric, or several and no group is named.
    """
    with (folder / METRICS).open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["predictor"] == "model"]
    return [_answer(requirement, _row(requirement, rows), lower) for requirement in requirements]


def _row(requirement: Requirement, rows: Sequence[dict[str, str]]) -> dict[str, str]:
    named = [row for row in rows if row["metric"] == requirement.metric]
    if not named:
        known = {row["metric"] for row in rows}
        listed = ", ".join(sorted(known))
        raise UsageError(
            f"--require: the report has no metric '{requirement.metric}'",
            f"{suggest(requirement.metric, known)}; it has {listed}; other units need what "
            "`preprocess` must know for them, such as --screen-cm and --distance-cm",
        )
    fits = [row for row in named if requirement.group in (None, row["group"])]
    if len(fits) != 1:
        # Those of people are not offered: their ids are nothing for a terminal or a log.
        offered = (row["group"] for row in named if not row["group"].startswith("subject="))
        groups = ", ".join(f"{requirement.metric}/{group}" for group in offered)
        raise UsageError(f"--require '{requirement.text}' does not name one figure", groups)
    return fits[0]


def _answer(requirement: Requirement, row: dict[str, str], lower: bool) -> Answer:
    column = "value" if not lower else "lo" if requirement.sign.startswith(">") else "hi"
    name = f"{row['metric']}/{row['group']}"
    if not row[column]:
        # What is not known is not met.
        return Answer(requirement.text, False, None, f"{name} has no interval")
    figure = float(row[column])
    met = COMPARE[requirement.sign](figure, requirement.bound)
    end = {"value": "", "lo": " (lower end of the interval)", "hi": " (upper end of the interval)"}
    return Answer(requirement.text, met, figure, f"{name} is {figure:.4g}{end[column]}")
