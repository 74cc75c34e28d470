"""What the checker reports: as data, as JSON, as Markdown and as rows of a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eyecli.ane.sources import SOURCES
from eyecli.ane.tiers import Target
from eyecli.ane.vocabulary import WORST, Confidence, Status

CAVEAT = (
    "Static verdicts: only a measurement on a device says where an operation runs, "
    "and that changes with device, system and shape."
)
# From good to bad; the soft ones lie below all that change a verdict.
LEVELS = ("note", "warning", *WORST)


@dataclass(frozen=True)
class Finding:
    """What one rule says about one operation or graph.

    Attributes
    ----------
    rule
        Its id, or V00 to V03 for the vocabulary.
    level
        A status, or ``warning`` and ``note``, which change no verdict.
    reason, fix
        One clause each.
    sources, confidence
        Keys of `SOURCES`, and how far they can be trusted.
    """

    rule: str
    level: str
    reason: str
    sources: tuple[str, ...]
    confidence: Confidence
    fix: str | None


@dataclass(frozen=True)
class Verdict:
    """The verdict on one operation: the worst of its findings, all of which are kept.

    `output` is the name of its first result, by which Core ML knows it on a device.
    """

    op: str
    name: str
    function: str
    output: str
    status: Status
    flops: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class GraphReport:
    """The verdicts on one function.

    Attributes
    ----------
    part, function
        Part of a pipeline ("" without one) and name.
    verdicts
        In program order, constants left out.
    findings
        What rules on whole graphs say.
    counts
        Status to how many operations have it.
    eligible, eligible_flops
        Share of operations, and of arithmetic, that is eligible.
    segments
        Runs of operations, in program order, that are all possible (eligible or conditional) or
        all not (unknown or ineligible); 1 is the aim, since each border is a transfer.
    working_set, working_set_of
        Most bytes that one operation reads and writes, weights included, and which it is.
    live_bytes
        Most bytes of activations that are alive at once.
    weight_bytes
        Bytes of its constants.
    """

    part: str
    function: str
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    counts: dict[str, int]
    eligible: float
    eligible_flops: float
    segments: int
    working_set: int
    working_set_of: str | None
    live_bytes: int
    weight_bytes: int

    @property
    def title(self) -> str:
        """Name of the function, after that of its part."""
        return f"{self.part}/{self.function}" if self.part else self.function


@dataclass(frozen=True)
class Report:
    """The verdicts on a whole package; figures as in `GraphReport`, over all of it.

    Attributes
    ----------
    path
        Name of the package.
    target
        What it was judged for.
    graphs
        Its functions.
    histogram
        Operation to how often it occurs.
    """

    path: str
    target: Target
    graphs: tuple[GraphReport, ...]
    histogram: dict[str, int]
    counts: dict[str, int]
    eligible: float
    eligible_flops: float
    flops: int
    segments: int
    weight_bytes: int

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Those of all functions."""
        return tuple(v for graph in self.graphs for v in graph.verdicts)

    @property
    def worst(self) -> str:
        """The worst status of an operation or of a finding on a whole graph."""
        found = [v.status for v in self.verdicts]
        levels = [f.level for graph in self.graphs for f in graph.findings]
        return max(["eligible", *found, *levels], key=LEVELS.index)

    @property
    def working_set(self) -> int:
        """Largest of its functions, in bytes."""
        return max((graph.working_set for graph in self.graphs), default=0)


def to_json(report: Report, measured: dict[str, Any] | None = None) -> dict[str, Any]:
    """Give a report as a dictionary of JSON types, with the sources it cites spelled out.

    Parameters
    ----------
    report
        The static verdicts.
    measured
        What a device said, see `eyecli.ane.measured`; without it the basis is static.
    """
    content = asdict(report)
    found = content.pop("graphs")
    findings = [f for v in report.verdicts for f in v.findings]
    findings += [f for graph in report.graphs for f in graph.findings]
    cited = sorted({source for finding in findings for source in finding.sources})
    return {
        "basis": basis(measured),
        "tier": report.target.tier,
        "caveat": CAVEAT,
        **content,
        "worst": report.worst,
        "working_set": report.working_set,
        "measured": measured,
        "graphs": found,
        "sources": {key: asdict(SOURCES[key]) for key in cited},
    }


def basis(measured: dict[str, Any] | None) -> str:
    """Say what the verdicts rest on: ``static``, or the device they were measured on."""
    return f"measured on {measured['device']}, {measured['os']}" if measured else "static"


def decisive(verdict: Verdict) -> Finding:
    """Give the first finding that is as bad as the verdict."""
    return next(f for f in verdict.findings if f.level == verdict.status)


HEADER = ("operation", "verdict", "count", "rule", "confidence", "reason", "fix")
Row = tuple[str, str, int, str, str, str, str]


def rows(report: Report) -> list[Row]:
    """Give one row for each kind of operation, verdict and rule, the worst first.

    Returns
    -------
    list of tuple
        As in `HEADER`; what a rule says of a whole function stands at the function's name.
    """
    counts: dict[tuple[str, str, str, str, str, str], int] = {}
    for graph in report.graphs:
        found: list[tuple[str, str, Finding]]
        found = [(v.op, v.status, decisive(v)) for v in graph.verdicts]
        whole = f"({graph.title})"
        found += [(whole, f.level, f) for f in graph.findings if f.level in WORST]
        for op, status, f in found:
            key = (op, status, f.rule, f.confidence, f.reason, f.fix or "")
            counts[key] = counts.get(key, 0) + 1
    return _sorted(counts)


def notes(report: Report) -> list[Row]:
    """Give one row for each kind of operation and soft rule, warnings first."""
    counts: dict[tuple[str, str, str, str, str, str], int] = {}
    for graph in report.graphs:
        found = [(v.op, f) for v in graph.verdicts for f in v.findings]
        found += [(f"({graph.title})", f) for f in graph.findings]
        for op, f in found:
            if f.level not in WORST:
                key = (op, f.level, f.rule, f.confidence, f.reason, f.fix or "")
                counts[key] = counts.get(key, 0) + 1
    return _sorted(counts)


def _sorted(counts: dict[tuple[str, str, str, str, str, str], int]) -> list[Row]:
    table = [
        (op, status, count, rule, confidence, reason, fix)
        for (op, status, rule, confidence, reason, fix), count in counts.items()
    ]
    return sorted(table, key=lambda row: (-LEVELS.index(row[1]), row[0], row[3], row[5]))


def summary(report: Report, measured: dict[str, Any] | None = None) -> str:
    """Say in one line how many operations have which verdict."""
    parts = ", ".join(f"{n} {status}" for status, n in report.counts.items() if n)
    return (
        f"{report.path}: {parts} of {len(report.verdicts)} operations ({basis(measured)}, "
        f"{report.target}); segments: {report.segments}"
    )


def figures(report: Report) -> list[str]:
    """Give the figures of a report and of its functions, a line each."""
    lines = [
        f"eligible: {report.eligible:.1%} of operations, {report.eligible_flops:.1%} of "
        f"{report.flops / 1e6:.1f} million operations of arithmetic",
        f"largest working set: {_size(report.working_set)}; weights: {_size(report.weight_bytes)}",
    ]
    if len(report.graphs) > 1:
        lines += [
            f"{graph.title}: {graph.eligible:.1%} of {len(graph.verdicts)} operations, "
            f"segments: {graph.segments}, weights: {_size(graph.weight_bytes)}"
            for graph in report.graphs
        ]
    return lines


def _size(count: int) -> str:
    return f"{count / 2**20:.2f} MB" if count >= 2**20 else f"{count / 2**10:.1f} KB"


def to_markdown(report: Report, measured: dict[str, Any] | None = None) -> str:
    """Give a report as Markdown: summary, caveat, tables, sources."""
    content = to_json(report, measured)
    lines = [
        f"# Neural Engine check: {report.path}",
        "",
        summary(report, measured),
        "",
        *(f"- {line}" for line in figures(report)),
        "",
        CAVEAT,
        "",
        *_table(rows(report)),
    ]
    if measured:
        lines += ["", f"## {basis(measured).capitalize()}", "", *confusion(measured)]
    if soft := notes(report):
        lines += ["", "## Notes, which change no verdict", "", *_table(soft)]
    sources = content["sources"].items()
    lines += ["", "## Sources", "", *(f"- {k}: {s['title']}: {s['url']}" for k, s in sources)]
    return "\n".join(lines) + "\n"


def _table(found: list[Row]) -> list[str]:
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in found]
    return [
        f"| {' | '.join(HEADER)} |",
        "|" + "---|" * len(HEADER),
        *(f"| {' | '.join(row)} |" for row in cells),
    ]


def confusion(measured: dict[str, Any]) -> list[str]:
    """Give the counts of static verdicts by measured device as a table in Markdown."""
    devices = ("neural engine", "gpu", "cpu")
    lines = ["| static | " + " | ".join(devices) + " |", "|---|" + "---|" * len(devices)]
    for status, found in measured["confusion"].items():
        lines.append(f"| {status} | " + " | ".join(str(found.get(d, 0)) for d in devices) + " |")
    return lines
