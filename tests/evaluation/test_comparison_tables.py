"""The comparison in every format; LaTeX is compiled by a real LaTeX."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from eyecli.evaluation.compare import Figure
from eyecli.evaluation.tables import COLUMNS, FORMATS, Table, latex, write_comparison

HOSTILE = r"50 % & #1_a $x$ {b} \end{tabular} ~^ <script>alert(1)</script> | \"q\" ªÄßðµ«× 眼 ﬁ é"
FILES = {*FORMATS.values(), "comparison.json", "comparison.html"}


def table(first_line: str = f"SYNTHETIC DATA. {HOSTILE}") -> Table:
    first = Figure("error_mean_px", "frames", True, 96, 92.123456, (80.0, 105.5), 1.25)
    other = Figure("error_mean_px", "frames", True, 96, 101.0, (90.0, 110.0), None, 8.876544,
                   (-1.5, 19.0), 0.08, 0.16)  # fmt: skip
    unknown = Figure("error_mean_px", "frames", True, 96, 300.0, None, None, 207.0, None)
    return Table(
        first_line=first_line,
        figures={"model/gaze@v1": [first], "model/gaze_2@v3": [other], "50 % & co": [unknown]},
        models={"model/gaze@v1": ["model/gaze@v1", "model/gaze@v2"],
                "model/gaze_2@v3": ["model/gaze_2@v3"]},
        seeds={"model/gaze@v1": [0, 1], "model/gaze_2@v3": [0]},
        unbeaten={"model/gaze@v1": [], "model/gaze_2@v3": ["50 % & co"]},
        rows={"model/gaze@v1": 96, "model/gaze_2@v3": 288},
        samples=96,
        groups=8,
        resampled="subjects",
        notes=["A note.", HOSTILE],
        methods="The data are few.",
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_comparison(tmp_path, table())
    return tmp_path


def test_all_formats_are_written_the_same_every_time(folder: Path, tmp_path: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES
    again = tmp_path / "again"
    again.mkdir()
    write_comparison(again, table())
    for name in FILES:
        assert (folder / name).read_bytes() == (again / name).read_bytes()
        assert b"\r" not in (folder / name).read_bytes()


def test_text_formats_begin_with_what_must_be_read_first(folder: Path) -> None:
    for name in ("comparison.txt", "comparison.md"):
        assert (folder / name).read_text().splitlines()[0].startswith("SYNTHETIC DATA.")
    assert "SYNTHETIC DATA" in (folder / "comparison.tex").read_text()


def test_csv_has_full_precision_and_the_documented_columns(folder: Path) -> None:
    with (folder / "comparison.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["value"], rows[0]["seeds"], rows[0]["spread"]) == ("92.123456", "0 1", "1.25")
    assert (rows[1]["p"], rows[1]["p_holm"], rows[1]["rows"]) == ("0.08", "0.16", "288")
    assert (rows[1]["difference_lo"], rows[1]["unbeaten"]) == ("-1.5", "50 % & co")
    assert (rows[2]["lo"], rows[2]["p"]) == ("", "")


def test_the_table_says_all(folder: Path) -> None:
    text = (folder / "comparison.txt").read_text()
    line = next(row for row in text.splitlines() if row.startswith("model/gaze_2@v3"))
    for shown in ("96", "8", "101 (90 to 110)", "8.877 (-1.5 to 19)", "0.16", "not: 50 % & co"):
        assert shown in line
    assert "92.12 ± 1.2 (80 to 105.5)" in text
    assert next(row for row in text.splitlines() if row.startswith("model/gaze@v1")).endswith("all")
    assert "subjects" in text
    content = json.loads((folder / "comparison.json").read_text())
    assert content["models"]["model/gaze@v1"] == ["model/gaze@v1", "model/gaze@v2"]


def test_markdown_tables_are_whole(folder: Path) -> None:
    lines = (folder / "comparison.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 5 and len({line.count("|") for line in rows}) == 1
    assert "The data are few." in lines


def test_html_shows_text_as_typed_and_needs_nothing_else(folder: Path) -> None:
    text = (folder / "comparison.html").read_text()
    assert "<script" not in text
    seen: list[str] = []
    parser = HTMLParser()
    parser.handle_data = seen.append  # type: ignore[method-assign, assignment]
    parser.feed(text)
    assert sum(HOSTILE in shown for shown in seen) >= 2


def test_what_the_fonts_lack_is_replaced() -> None:
    assert latex("Äßøé ª° ð眼 ½ﬁ\n") == "Äßøé a? ?? 12fi "


def test_signs_before_numbers_become_minus() -> None:
    assert latex("-1.5 to -.2, leave-one-out, v1-2") == "$-$1.5 to $-$.2, leave-one-out, v1-2"


def compiled(folder: Path) -> str:
    """Put the table into a small article; return the log of LaTeX."""
    if not shutil.which("pdflatex"):
        pytest.skip("pdflatex is not installed")
    document = (
        r"\documentclass{article}\usepackage{booktabs}\begin{document}\small\noindent"
        "\n" + r"\input{comparison.tex}\end{document}"
    )
    (folder / "paper.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=folder,
        capture_output=True, text=True, errors="replace", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout and (folder / "paper.pdf").is_file()
    return done.stdout


def test_the_latex_compiles_in_a_minimal_document(folder: Path) -> None:
    compiled(folder)


def test_the_latex_is_no_wider_than_the_text(tmp_path: Path) -> None:
    """Two models and two baselines, three metrics with long figures, in a column of 345 pt."""

    def row(number: int) -> list[Figure]:
        value, bounds = 184.712 + number, (121.0432 + number, 1052.4321)
        difference = (-112.4321, (-203.4567, -12.3456), 0.00019998, 0.0125) if number else ()
        return [
            Figure(metric, group, True, 1200, value, bounds, 12.34 if number == 1 else None,
                   *difference)
            for metric, group in (("error_mean_px", "frames"), ("error_mean_deg", "frames"),
                                  ("error_mean_px", "subjects"))
        ]  # fmt: skip

    names = ["model/gaze@v1", "model/gaze@v12", "constant", "ridge on pixels"]
    models = {name: [name] for name in names[:2]}
    made = replace(
        table("NOT SUBJECT-INDEPENDENT (one lamp). " + "Every model beats every baseline. " * 5),
        figures={name: row(number) for number, name in enumerate(names)},
        models=models, seeds={name: [0] for name in models}, rows=dict.fromkeys(models, 1200),
        unbeaten={names[0]: ["constant", "ridge on pixels"], names[1]: []},
    )  # fmt: skip
    write_comparison(tmp_path, made)
    wide = [
        float(width) for width in re.findall(r"Overfull \\hbox \(([\d.]+)pt", compiled(tmp_path))
    ]
    assert max(wide, default=0) < 5
    text = (tmp_path / "comparison.tex").read_text()
    for name in names:
        assert name in text
    assert "error\\_mean\\_px" in text and "deg" not in text and "subjects" not in text
