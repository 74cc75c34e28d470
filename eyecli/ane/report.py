"""What the checker reports: as data, as JSON, as Markdown and as rows of a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eyecli.ane.vocabulary import SOURCES, TIER, WORST, Confidence, Status

CAVEAT = (
    "Static verdicts: only a measurement on a device says where an operation runs, "
    "and that changes with device, system and shape."
)


@dataclass(frozen=True)
class Finding:
    """What one rule says about one operation."""

    rule: str
    status: Status
    reason: str
    sources: tuple[str, ...]
    confidence: Confidence
    fix: str | None


@dataclass(frozen=True)
class Verdict:
    """The verdict on one operation: the worst of its findings, all of which are kept."""

    op: str
    name: str
    function: str
    status: Status
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """The verdicts on a whole package.

    Attributes
    ----------
    path
        Name of the package.
    verdicts
        In program order, constants left out.
    histogram
        Operation to how often it occurs.
    counts
        Status to how many operations have it.
    eligible
        Share of eligible operations.
    segments
        Runs of operations, in program order, that are all possible (eligible or conditional) or
        all not (unknown or ineligible), summed over functions; 1 is the aim, since each border is
        a transfer.
    """

    path: str
    verdicts: tuple[Verdict, ...]
    histogram: dict[str, int]
    counts: dict[str, int]
    eligible: float
    segments: int


def to_json(report: Report) -> dict[str, Any]:
    """Give a report as a dictionary of JSON types, with the sources it cites spelled out."""
    content = asdict(report)
    content.pop("verdicts")
    cited = {s for v in report.verdicts for f in v.findings for s in f.sources}
    return {
        "tier": TIER,
        "caveat": CAVEAT,
        **content,
        "verdicts": [asdict(v) for v in report.verdicts],
        "sources": {key: SOURCES[key] for key in sorted(cited)},
    }


def decisive(verdict: Verdict) -> Finding:
    """Give the first finding that is as bad as the verdict."""
    return next(f for f in verdict.findings if f.status == verdict.status)


def rows(report: Report) -> list[tuple[str, str, int, str, str, str]]:
    """Give one row for each kind of operation, verdict and rule, the worst first.

    Returns
    -------
    list of tuple
        Operation, status, how many, rule, reason, fix.
    """
    counts: dict[tuple[str, str, str, str, str], int] = {}
    for verdict in report.verdicts:
        finding = decisive(verdict)
        key = (verdict.op, verdict.status, finding.rule, finding.reason, finding.fix or "")
        counts[key] = counts.get(key, 0) + 1
    order: dict[str, int] = {status: rank for rank, status in enumerate(WORST)}
    table = [
        (op, status, count, rule, reason, fix)
        for (op, status, rule, reason, fix), count in counts.items()
    ]
    return sorted(table, key=lambda row: (-order[row[1]], row[0], row[3], row[4]))


def summary(report: Report) -> str:
    """Say in one line how many operations have which verdict."""
    parts = ", ".join(f"{n} {status}" for status, n in report.counts.items() if n)
    return (
        f"{report.path}: {parts} of {len(report.verdicts)} operations, "
        f"segments: {report.segments} (static, {TIER})"
    )


def to_markdown(report: Report) -> str:
    """Give a report as Markdown: summary, caveat, table, sources."""
    lines = [
        f"# Neural Engine check: {report.path}",
        "",
        summary(report),
        "",
        CAVEAT,
        "",
        "| operation | verdict | count | rule | reason | fix |",
        "|---|---|---|---|---|---|",
        *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows(report)),
        "",
        "Sources:",
        "",
        *(f"- {key}: {text}" for key, text in to_json(report)["sources"].items()),
    ]
    return "\n".join(lines) + "\n"
