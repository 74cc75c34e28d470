"""Static verdict per operation of a Core ML package: may the Neural Engine take it?

The words are eligible, conditional, unknown and ineligible: none of them says where an operation
runs, which only a measurement on a device can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from eyecli.ane.cost import flops, largest_live, working_set
from eyecli.ane.program import Graph, Op, graphs
from eyecli.ane.report import Finding, GraphReport, Report, Verdict
from eyecli.ane.rules import RULES, At, Problem, Rule
from eyecli.ane.tiers import Target, target
from eyecli.ane.vocabulary import FAMILY_0, OLD, UNKNOWN, VOCABULARY, WORST, Entry
from eyecli.errors import DataError
from eyecli.mlprogram import read_coreml


def check(path: Path, wanted: Target | None = None, title: str | None = None) -> Report:
    """Judge every operation of an `.mlpackage`: all functions, parts and nested blocks.

    Parameters
    ----------
    path
        The package folder, of whatever origin.
    wanted
        The generation it is for, h13 by default.
    title
        What the report calls it, the folder's name by default.

    Returns
    -------
    Report
        Constants are left out.

    Raises
    ------
    DataError
        If this is no readable package of ML Programs.
    """
    wanted = wanted or target()
    found = graphs(read_coreml(path))
    reports = tuple(judge_graph(graph, wanted.tier) for graph in found)
    weights: dict[tuple[str, ...], int] = {}
    for graph in found:
        own = (graph.part, graph.function)
        # Functions share what lies in a file; what stands in the program is their own.
        weights.update({k if len(k) > 1 else (*own, *k): n for k, n in graph.weights.items()})
    verdicts = [v for report in reports for v in report.verdicts]
    return Report(
        path=title or path.name,
        target=wanted,
        graphs=reports,
        histogram=dict(sorted(Counter(v.op for v in verdicts).items())),
        counts=count(verdicts),
        eligible=share(verdicts),
        eligible_flops=share_of_flops(verdicts),
        flops=sum(v.flops for v in verdicts),
        segments=sum(report.segments for report in reports),
        weight_bytes=sum(weights.values()),
    )


def judge_graph(graph: Graph, tier: str) -> GraphReport:
    """Judge a function: its operations, and what only shows in the whole.

    Parameters
    ----------
    graph
        The function.
    tier
        Generation, such as ``h13``.
    """
    at = At(tier, graph)
    verdicts = tuple(judge(op, at) for op in graph.ops)
    findings = [
        _finding(rule, problem)
        for rule in RULES
        if rule.graph and tier in rule.tiers and (problem := rule.graph(graph, at))
    ]
    running = [op for op in graph.ops if not op.decompresses]
    largest = max(running, key=working_set, default=None)
    return GraphReport(
        part=graph.part,
        function=graph.function,
        verdicts=verdicts,
        findings=tuple(findings),
        counts=count(verdicts),
        eligible=share(verdicts),
        eligible_flops=share_of_flops(verdicts),
        segments=_segments(graph, verdicts),
        flops=sum(v.flops for v in verdicts),
        working_set=working_set(largest) if largest else 0,
        working_set_of=largest.name if largest else None,
        live_bytes=largest_live(graph),
        weight_bytes=sum(graph.weights.values()),
    )


def judge(op: Op, at: At) -> Verdict:
    """Judge one operation by the vocabulary and every rule that applies to it."""
    entry = VOCABULARY.get(op.kind, UNKNOWN)
    findings = [_by_name(entry)]
    if at.tier == "h12" and op.kind not in FAMILY_0:
        findings.append(_by_name(OLD))
    for rule in RULES:
        if not rule.operation or at.tier not in rule.tiers:
            continue
        if rule.applies_to and op.kind not in rule.applies_to:
            continue
        try:
            problem = rule.operation(op, at)
        except (IndexError, TypeError, ValueError) as error:
            raise DataError(
                f"{op.kind} {op.name} is malformed: {error} (rule {rule.id})",
                "export the model again",
            ) from error
        if problem:
            findings.append(_finding(rule, problem))
    found = {f.level for f in findings}
    status = next(level for level in reversed(WORST) if level in found)
    output = op.results[0] if op.results else op.name
    return Verdict(op.kind, op.name, op.function, output, status, flops(op), tuple(findings))


def _by_name(entry: Entry) -> Finding:
    """Give what the vocabulary says; where it names a rule, that rule says the rest."""
    if entry.rule.startswith("V"):
        return Finding(
            entry.rule, entry.status, entry.reason, entry.sources, entry.confidence, entry.fix
        )
    return Finding(
        "V01", "eligible", f"rule {entry.rule} finds nothing", entry.sources, entry.confidence, None
    )


def _finding(rule: Rule, problem: Problem) -> Finding:
    return Finding(rule.id, *problem, rule.sources, rule.confidence, rule.fix)


def count(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Count verdicts by status, the ones that do not occur included."""
    found = Counter(v.status for v in verdicts)
    return {status: found[status] for status in WORST}


def share(verdicts: Iterable[Verdict]) -> float:
    """Share of operations that are eligible, 1 without any."""
    statuses = [v.status == "eligible" for v in verdicts]
    return sum(statuses) / len(statuses) if statuses else 1.0


def share_of_flops(verdicts: Iterable[Verdict]) -> float:
    """Share of the arithmetic that is in eligible operations, 1 without any."""
    rows = list(verdicts)
    total = sum(v.flops for v in rows)
    return sum(v.flops for v in rows if v.status == "eligible") / total if total else 1.0


def _segments(graph: Graph, verdicts: Iterable[Verdict]) -> int:
    """Count runs of operations, in program order, that the Neural Engine may take."""
    possible = [
        WORST.index(v.status) <= 1
        for op, v in zip(graph.ops, verdicts, strict=True)
        if not op.decompresses
    ]
    return sum(now and not before for before, now in pairwise([False, *possible]))
