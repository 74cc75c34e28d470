"""What the checker reports, in words: lines for the terminal, and Markdown."""

from __future__ import annotations

import textwrap
from typing import Any

from eyecli.ane.cost import in_words
from eyecli.ane.report import CAVEAT, LEVELS, Finding, Report, decisive, to_json, where
from eyecli.ane.vocabulary import WORST

_DEVICES = {"neural engine": "the Neural Engine", "gpu": "the GPU", "cpu": "the CPU"}
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


def summary(report: Report) -> str:
    """Say in one line how many operations have which static verdict."""
    parts = ", ".join(f"{n} {status}" for status, n in report.counts.items() if n)
    return f"{report.path}: {parts} of {len(report.verdicts)} operations (static, {report.target})"


def grouped(report: Report, width: int | None = None) -> list[str]:
    """Give a small table of what the rules say, reason and fix below each of its lines.

    Parameters
    ----------
    report
        The static verdicts.
    width
        Columns at which lines are wrapped, None to leave them whole. Nothing is cut.

    Returns
    -------
    list of str
        A line for each verdict, rule, reason and fix, the worst first, with how many operations
        it holds for and the first of them: a function where the rule is on whole functions.
    """
    groups: dict[tuple[str, str, str, str, str], list[str]] = {}
    for graph in report.graphs:
        place = f" in {graph.title}" if len(report.graphs) > 1 else ""
        found = [(f"{v.op} {v.name}{place}", decisive(v)) for v in graph.verdicts]
        found += [(f"({graph.title})", f) for f in graph.findings if f.level in WORST]
        for first, f in found:
            key = (f.level, f.rule, f.confidence, f.reason, f.fix or "")
            groups.setdefault(key, []).append(first)
    lines = [f"{'verdict':<12} {'rule':<4} {'count':>6}  first"]
    for (level, rule, confidence, reason, fix), names in sorted(
        groups.items(), key=lambda item: -LEVELS.index(item[0][0])
    ):
        lines.append(f"{level:<12} {rule:<4} {len(names):>6}  {names[0]}")
        lines.append(f"    {reason} (confidence {confidence})")
        lines += [f"    fix: {fix}"] if fix else []
    if width is None:
        return lines
    return [
        part
        for line in lines
        for part in textwrap.wrap(line, width, subsequent_indent="    ", break_on_hyphens=False,
                                  break_long_words=False)
    ]  # fmt: skip


def figures(report: Report) -> list[str]:
    """Give the figures of each function, which is what one call costs, two lines each."""
    lines = []
    for graph in report.graphs:
        title = f"{graph.title}: " if len(report.graphs) > 1 else ""
        lines += [
            f"{title}eligible: {graph.eligible:.1%} of {len(graph.verdicts)} operations, "
            f"{graph.eligible_flops:.1%} of {in_words(graph.flops)}; segments (runs of operations "
            f"on one unit) that the Neural Engine may take: {graph.segments}",
            f"{title}largest working set: {_size(graph.working_set)}; "
            f"weights: {_size(graph.weight_bytes)}",
        ]
    if len(report.graphs) > 1:
        lines.append(f"weights of the package, shared ones once: {_size(report.weight_bytes)}")
    return lines


def _size(count: int) -> str:
    if count < 2**10:
        return f"{count} B"
    return f"{count / 2**20:.2f} MB" if count >= 2**20 else f"{count / 2**10:.1f} KB"


def measured_lines(measured: dict[str, Any], names: int = 3) -> list[str]:
    """Say what a device measured, and where it is not as the static verdicts have it.

    Parameters
    ----------
    measured
        See `eyecli.ane.measured.side_by_side`.
    names
        How many operations to name at most.

    Returns
    -------
    list of str
        Devices, times where there are any, and what differs.
    """
    devices = measured["devices"]
    engine, total = devices.get("neural engine", 0), sum(devices.values())
    rest = [f", {devices[d]} on {_DEVICES[d]}" for d in ("gpu", "cpu") if d in devices]
    lines = [
        f"measured on {where(measured)}: {engine} of {total} operations on the Neural Engine"
        + "".join(rest)
    ]
    times = {"load": measured["load_seconds"], "prediction": measured["predict_seconds"]}
    if told := [f"{what} {_seconds(t)}" for what, t in times.items() if t is not None]:
        lines.append(f"measured times, medians: {', '.join(told)}")
    other = [row for row in measured["operations"] if row["differs"]]
    if other:
        few = [f"{r['name']} ({r['static']}, measured on {_DEVICES[r['device']]})" for r in other]
        more = f" and {len(other) - names} more" if len(other) > names else ""
        lines.append(
            f"not as the static verdict has it, {len(other)}: {', '.join(few[:names])}{more}"
        )
    else:
        lines.append("nothing eligible was measured elsewhere, nothing ineligible on it")
    if measured["unmatched"]:
        lines.append(f"operations that only one side knows: {measured['unmatched']}")
    return lines


def _seconds(time: float) -> str:
    return f"{time:.2f} s" if time >= 1 else f"{time * 1e3:.3g} ms"


def to_markdown(report: Report, measured: dict[str, Any] | None = None) -> str:
    """Give a report as Markdown: summary, caveat, tables, sources."""
    content = to_json(report, measured)
    lines = [
        f"# Neural Engine check: {report.path}",
        "",
        summary(report),
        "",
        *(f"- {line}" for line in figures(report)),
        "",
        CAVEAT,
        "",
        *_table(rows(report)),
    ]
    if measured:
        lines += ["", f"## Measured on {where(measured)}", "", *_measured(measured)]
    if soft := notes(report):
        lines += ["", "## Notes, which change no verdict", "", *_table(soft)]
    sources = content["sources"].items()
    lines += ["", "## Sources", "", *(f"- {k}: {s['title']}: {s['url']}" for k, s in sources)]
    return "\n".join(lines) + "\n"


def _measured(measured: dict[str, Any]) -> list[str]:
    lines = [*(f"- {line}" for line in measured_lines(measured)), "", *confusion(measured)]
    other = [row for row in measured["operations"] if row["differs"]]
    if other:
        lines += ["", "Not as the static verdict has it:", ""]
        lines += ["| function | operation | static | measured |", "|---|---|---|---|"]
        for r in other:
            cells = (r["function"], r["name"], r["static"], r["device"])
            lines.append(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |")
    return lines


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
