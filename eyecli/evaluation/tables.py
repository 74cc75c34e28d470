"""A comparison as text, CSV, Markdown, LaTeX, HTML and JSON."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from eyecli.evaluation.compare import Figure
from eyecli.evaluation.report import cell, environment, figure, interval

# Format of the command line to the file that holds it.
FORMATS = {
    "table": "comparison.txt",
    "csv": "comparison.csv",
    "markdown": "comparison.md",
    "latex": "comparison.tex",
}
COLUMNS = (
    "model", "seeds", "rows", "samples", "groups", "metric", "group", "value", "lo", "hi", "n",
    "spread", "difference", "difference_lo", "difference_hi", "p", "p_holm", "unbeaten",
)  # fmt: skip
# Share of a line of text that the last column of a LaTeX table takes.
LAST = 0.2
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "_": r"\_", "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$", "|": r"\textbar{}",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """What is compared.

    Attributes
    ----------
    first_line
        What must be read first.
    figures
        Row to its metrics, in one order; the first row is the reference.
    models, seeds
        Row to the models and seeds it stands for; baselines have none.
    unbeaten
        Row to the baselines that it is not shown to beat.
    rows
        Row to how many predictions judge it.
    samples, groups
        By how many all are judged; the groups are those that were resampled.
    resampled
        What they are: subjects, or samples.
    notes, methods
        Sentences.
    """

    first_line: str
    figures: Mapping[str, Sequence[Figure]]
    models: Mapping[str, Sequence[str]]
    seeds: Mapping[str, Sequence[int | None]]
    unbeaten: Mapping[str, Sequence[str]]
    rows: Mapping[str, int]
    samples: int
    groups: int
    resampled: str
    notes: Sequence[str]
    methods: str


def write_comparison(folder: Path, table: Table) -> None:
    """Write ``comparison.json``, ``.csv``, ``.txt``, ``.md``, ``.tex`` and ``.html``."""
    grid = grid_of(table)
    encoded = msgspec.json.format(msgspec.json.encode(asdict(table)), indent=1)
    (folder / "comparison.json").write_bytes(encoded + b"\n")
    pages = environment()
    page = pages.get_template("comparison.html.j2").render(asdict(table), head=grid[0],
                                                           body=grid[1:])  # fmt: skip
    texts = {
        "csv": as_csv(table),
        "table": f"{table.first_line}\n\n{aligned(grid)}",
        "markdown": as_markdown(table, grid),
        "latex": as_latex(table),
    }
    for name, text in texts.items():
        (folder / FORMATS[name]).write_text(text, encoding="utf-8")
    (folder / "comparison.html").write_text(page, encoding="utf-8")


def grid_of(table: Table) -> list[list[str]]:
    """Return the table as cells, its head first."""
    first, *_ = table.figures.values()
    head = ["model", "seeds", "n", table.resampled]
    head += [f"{f.metric} ({f.group})" for f in first]
    head += ["difference", "p (Holm)", "beats baselines"]
    lines = [head]
    for name, figures in table.figures.items():
        main = figures[0]
        seeds = str(len(table.models[name])) if name in table.models else "-"
        row = [name, seeds, str(table.samples), str(table.groups)]
        row += [_value(f) for f in figures]
        row.append(
            "-" if main.difference is None
            else f"{figure(main.difference)} ({interval(main.difference_interval)})"
        )  # fmt: skip
        row.append("-" if main.p_holm is None else f"{main.p_holm:.3g}")
        row.append(_beats(table, name))
        lines.append(row)
    return lines


def _beats(table: Table, name: str) -> str:
    missing = table.unbeaten.get(name)
    if missing is None:
        return "-"
    return f"not: {', '.join(missing)}" if missing else "all"


def _value(found: Figure) -> str:
    return f"{_point(found)} ({interval(found.interval)})"


def _point(found: Figure) -> str:
    spread = "" if found.spread is None else f" ± {found.spread:.2g}"
    return f"{figure(found.value)}{spread}"


def as_csv(table: Table) -> str:
    """One line a row and metric, full precision."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, figures in table.figures.items():
        seeds = " ".join(str(seed) for seed in table.seeds.get(name, ()))
        for f in figures:
            writer.writerow([
                name, seeds, table.rows.get(name), table.samples, table.groups,
                f.metric, f.group, f.value, *(f.interval or (None, None)), f.n, f.spread,
                f.difference, *(f.difference_interval or (None, None)), f.p, f.p_holm,
                "; ".join(table.unbeaten.get(name, ())),
            ])  # fmt: skip
    return buffer.getvalue()


def aligned(grid: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, for a terminal."""
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in grid]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def as_markdown(table: Table, grid: Sequence[Sequence[str]]) -> str:
    """First line, table, notes and methods."""
    lines = [[cell(text) for text in row] for row in grid]
    lines.insert(1, ["---"] * len(grid[0]))
    body = "\n".join(f"| {' | '.join(row)} |" for row in lines)
    notes = "\n".join(f"- {note}" for note in table.notes)
    return f"{table.first_line}\n\n{body}\n\n## Notes\n\n{notes}\n\n## Methods\n\n{table.methods}\n"


def as_latex(table: Table) -> str:
    """A ``tabular`` that needs the package booktabs; the first line is its last row.

    It holds the main metric only, intervals below their figures, so that it is no wider than a
    column of text; all metrics are in ``comparison.csv``.
    """
    first = next(iter(table.figures.values()))[0]
    lines = [
        ["", "n", first.metric, "difference", "p", "beats"],
        ["", "", f"({first.group})", "", "(Holm)", "baselines"],
    ]
    for name, (main, *_) in table.figures.items():
        difference, bounds = main.difference, main.difference_interval
        p = "-" if main.p_holm is None else f"{main.p_holm:.3g}"
        lines.append([name, str(table.samples), _point(main), figure(difference), p,
                      _beats(table, name)])  # fmt: skip
        below = "" if difference is None else f"({interval(bounds)})"
        lines.append(["", "", f"({interval(main.interval)})", below, "", ""])
    rows = []
    for *cells, last in lines:
        # In a box of its own, for it may take several lines.
        box = rf"\parbox[t]{{{LAST}\linewidth}}{{\raggedright {latex(last)}}}" if last else ""
        rows.append(" & ".join([*map(latex, cells), box]) + r" \\")
    gap = r"@{\hspace{6pt}}"
    return "\n".join(
        [
            rf"\begin{{tabular}}{{@{{}}l{gap}{f'r{gap}' * 4}l@{{}}}}",
            r"\toprule",
            *rows[:2],
            r"\midrule",
            *rows[2:],
            r"\bottomrule",
            rf"\multicolumn{{6}}{{@{{}}p{{\linewidth}}@{{}}}}"
            rf"{{\footnotesize\raggedright {latex(table.first_line)}}} \\",
            r"\end{tabular}",
            "",
        ]
    )


def latex(text: str) -> str:
    """Escape text for LaTeX; a sign before a number becomes a minus.

    Characters that the standard fonts lack lose their accents, or become a question mark.
    """
    escaped = "".join(LATEX.get(c) or _plain(c) for c in text)
    return re.sub(r"(?<![\w.\-])-(?=[\d.])", "$-$", escaped)


def _plain(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else " "
    base = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    known = character in "ßæÆøØ" or (ord(character) < 256 and len(base) == 1 and base.isalpha())
    return character if known and character not in "ªº" else base or "?"
