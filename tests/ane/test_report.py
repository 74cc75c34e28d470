from __future__ import annotations

import json
from pathlib import Path

from ane_cases import conv, relu
from ane_programs import Step, describe, model, save, write

from eyecli.ane import report
from eyecli.ane.check import check
from eyecli.ane.sources import SOURCES


def made(tmp_path: Path) -> report.Report:
    cast = Step("cast", {"x": (1, 16, 8, 32)}, dtype="FLOAT32")
    return check(write(tmp_path, conv(), conv(), Step("lstm"), cast, Step("nonsense")))


def test_json_cites_its_sources(tmp_path: Path) -> None:
    content = json.loads(json.dumps(report.to_json(made(tmp_path))))
    assert (content["tier"], content["basis"], content["worst"]) == ("h13", "static", "ineligible")
    assert content["counts"] == {"eligible": 2, "conditional": 1, "unknown": 1, "ineligible": 1}
    (graph,) = content["graphs"]
    assert [v["status"] for v in graph["verdicts"]][2:] == ["ineligible", "conditional", "unknown"]
    assert graph["verdicts"][2]["findings"][0]["fix"] == "a convolution over time"
    cited = {s for v in graph["verdicts"] for f in v["findings"] for s in f["sources"]}
    assert set(content["sources"]) >= cited
    assert all(set(s) == {"title", "url"} for s in content["sources"].values())
    assert graph["working_set_of"] == "main_0_conv"
    assert graph["working_set"] == content["working_set"] > 0


def test_rows_are_grouped_with_the_worst_first(tmp_path: Path) -> None:
    rows = report.rows(made(tmp_path))
    assert [row[:5] for row in rows] == [
        ("lstm", "ineligible", 1, "V03", "medium"),
        ("nonsense", "unknown", 1, "V00", "none"),
        ("cast", "conditional", 1, "D02", "medium"),
        ("conv", "eligible", 2, "V01", "medium"),
    ]


def test_the_row_gives_the_finding_that_decides(tmp_path: Path) -> None:
    (row,) = report.rows(check(write(tmp_path, relu(dtype="FLOAT32"))))
    assert row[3:] == ("D01", "high", "its result is float32", "export with float16 precision")


def test_a_finding_on_a_function_is_a_row_of_its_own(tmp_path: Path) -> None:
    found = check(save(tmp_path, describe(model(relu()), "x", "FLOAT32", (1, 64))))
    assert report.rows(found)[0][:4] == ("(main)", "conditional", 1, "D04")


def test_notes_are_apart(tmp_path: Path) -> None:
    rows = report.notes(made(tmp_path))
    assert {row[1] for row in rows} == {"note"}
    assert {row[3] for row in rows} == {"L09", "L17"}


def test_markdown_says_what_it_cannot_know(tmp_path: Path) -> None:
    text = report.to_markdown(made(tmp_path))
    assert text.splitlines()[2] == (
        "made.mlpackage: 2 eligible, 1 conditional, 1 unknown, 1 ineligible of 5 operations "
        "(static, h13); segments: 4"
    )
    assert report.CAVEAT in text
    assert "| lstm | ineligible | 1 | V03 | medium |" in text
    assert "will run on" not in text
    assert SOURCES["C/A-recurrent"].url in text


def test_functions_have_their_own_figures(tmp_path: Path) -> None:
    found = check(write(tmp_path, conv(), user=[Step("lstm")]))
    lines = report.figures(found)
    assert lines[0].startswith("eligible: 50.0% of operations, ")
    assert lines[2].startswith("main: 100.0% of 1 operations, segments: 1")
    assert lines[3].startswith("user: 0.0% of 1 operations, segments: 1")
