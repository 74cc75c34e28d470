from __future__ import annotations

from pathlib import Path

from ane_cases import conv, relu
from ane_programs import Step, describe, model, save, write

from eyecli.ane import text
from eyecli.ane.check import check
from eyecli.ane.report import CAVEAT, Report
from eyecli.ane.sources import SOURCES


def made(tmp_path: Path) -> Report:
    cast = Step("cast", {"x": (1, 16, 8, 32)}, dtype="FLOAT32")
    return check(write(tmp_path, conv(), conv(), Step("lstm"), cast, Step("nonsense")))


def test_rows_are_grouped_with_the_worst_first(tmp_path: Path) -> None:
    rows = text.rows(made(tmp_path))
    assert [row[:5] for row in rows] == [
        ("lstm", "ineligible", 1, "V03", "medium"),
        ("nonsense", "unknown", 1, "V00", "none"),
        ("cast", "conditional", 1, "D02", "medium"),
        ("conv", "eligible", 2, "V01", "medium"),
    ]


def test_the_row_gives_the_finding_that_decides(tmp_path: Path) -> None:
    (row,) = text.rows(check(write(tmp_path, relu(dtype="FLOAT32"))))
    assert row[3:] == ("D01", "high", "its result is float32", "export with float16 precision")


def test_a_finding_on_a_function_is_a_row_of_its_own(tmp_path: Path) -> None:
    found = check(save(tmp_path, describe(model(relu()), "x", "FLOAT32", (1, 64))))
    assert text.rows(found)[0][:4] == ("(main)", "conditional", 1, "D04")


def test_notes_are_apart(tmp_path: Path) -> None:
    rows = text.notes(made(tmp_path))
    assert {row[1] for row in rows} == {"note"}
    assert {row[3] for row in rows} == {"L09", "L17"}


def test_markdown_says_what_it_cannot_know(tmp_path: Path) -> None:
    words = text.to_markdown(made(tmp_path))
    assert words.splitlines()[2] == (
        "made.mlpackage: 2 eligible, 1 conditional, 1 unknown, 1 ineligible of 5 operations "
        "(static, h13)"
    )
    assert CAVEAT in words
    assert "| lstm | ineligible | 1 | V03 | medium |" in words
    assert "will run on" not in words
    assert SOURCES["C/A-recurrent"].url in words


def test_groups_have_reason_and_fix_below_and_nothing_is_cut(tmp_path: Path) -> None:
    found = made(tmp_path)
    lines = text.grouped(found)
    assert lines[:4] == [
        "verdict      rule  count  first",
        "ineligible   V03       1  lstm main_2_lstm",
        "    recurrent operations are not implemented on any generation (confidence medium)",
        "    fix: a convolution over time",
    ]
    assert lines[-2:] == [
        "eligible     V01       2  conv main_0_conv",
        "    native from M1 on (confidence medium)",
    ]
    narrow = text.grouped(found, 40)
    assert max(map(len, narrow)) <= 40
    assert " ".join(narrow).split() == " ".join(lines).split()
    assert not set("".join(lines)) & set("│┃━─…")


def test_groups_name_the_function_where_there_are_several(tmp_path: Path) -> None:
    spec = describe(model(conv(), user=[Step("lstm")]), "x", "FLOAT32", (1, 64))
    lines = text.grouped(check(save(tmp_path, spec)))
    assert lines[1].endswith("lstm user_0_lstm in user")
    assert any(line.startswith("conditional  D04       2  (main)") for line in lines)


def test_functions_have_their_own_figures(tmp_path: Path) -> None:
    """A call runs one function: there is no sum of them."""
    found = check(write(tmp_path, conv(), user=[Step("lstm")]))
    assert text.figures(found) == [
        "main: eligible: 100.0% of 1 operations, 100.0% of 1.2 MFLOPs; segments (runs of "
        "operations on one unit) that the Neural Engine may take: 1",
        "main: largest working set: 62.5 KB; weights: 4.5 KB",
        "user: eligible: 0.0% of 1 operations, 100.0% of 0 FLOPs; segments (runs of operations on "
        "one unit) that the Neural Engine may take: 0",
        "user: largest working set: 8.0 KB; weights: 0 B",
        "weights of the package, shared ones once: 4.5 KB",
    ]


def test_small_figures_are_not_zero(tmp_path: Path) -> None:
    first, second = text.figures(check(write(tmp_path, relu((1, 4)))))
    assert "of 4 FLOPs; " in first
    assert second == "largest working set: 16 B; weights: 0 B"
