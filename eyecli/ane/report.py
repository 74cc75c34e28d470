"""What the checker reports: as data and as JSON; `text` has the words."""

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
        Runs of operations, in program order, that the Neural Engine may take (eligible or
        conditional); 1 is the aim, since each border is a transfer, and 0 is none.
    flops
        Floating-point operations of one call.
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
    flops: int
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
    """The verdicts on a whole package; figures as in `GraphReport`, sums over all of it.

    An app calls one function at a time, which costs what its own `GraphReport` says.

    Attributes
    ----------
    path
        Reference of its artifact, or name of the package.
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


def findings(report: Report) -> list[dict[str, Any]]:
    """Give all that the rules find but plain eligible, as JSON types, in program order.

    Returns
    -------
    list of dict
        ``function``, ``op`` and ``name`` (None where the finding is on the whole function),
        ``verdict`` (also ``warning`` and ``note``), ``rule``, ``confidence``, ``reason``, ``fix``
        and ``sources``, the addresses.
    """
    found: list[tuple[str, str | None, str | None, Finding]] = []
    for graph in report.graphs:
        found += [(graph.title, v.op, v.name, f) for v in graph.verdicts for f in v.findings]
        found += [(graph.title, None, None, f) for f in graph.findings]
    return [
        {"function": function, "op": op, "name": name, "verdict": f.level, "rule": f.rule,
         "confidence": f.confidence, "reason": f.reason, "fix": f.fix,
         "sources": [SOURCES[key].url for key in f.sources]}
        for function, op, name, f in found
        if f.level != "eligible"
    ]  # fmt: skip


def basis(measured: dict[str, Any] | None) -> str:
    """Say what a report rests on: static verdicts, and the device that stands beside them."""
    return f"static; measured on {where(measured)}" if measured else "static"


def where(measured: dict[str, Any]) -> str:
    """Name device and system of a measurement."""
    return f"{measured['device']}, {measured['os']}"


def decisive(verdict: Verdict) -> Finding:
    """Give the first finding that is as bad as the verdict."""
    return next(f for f in verdict.findings if f.level == verdict.status)
