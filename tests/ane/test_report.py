from __future__ import annotations

import json
from pathlib import Path

from ane_programs import Step, write

from eyecli.ane import report
from eyecli.ane.check import check


def made(tmp_path: Path) -> report.Report:
    return check(
        write(
            tmp_path / "made.mlpackage",
            Step("conv"),
            Step("conv"),
            Step("lstm"),
            Step("cast"),
            Step("nonsense"),
        )
    )


def test_json_round_trip_cites_its_sources(tmp_path: Path) -> None:
    content = json.loads(json.dumps(report.to_json(made(tmp_path))))
    assert content["tier"] == "h13"
    assert content["counts"] == {"eligible": 2, "conditional": 1, "unknown": 1, "ineligible": 1}
    assert [v["status"] for v in content["verdicts"]][2:] == [
        "ineligible",
        "conditional",
        "unknown",
    ]
    assert content["verdicts"][2]["findings"][0]["fix"] == "a convolution over time"
    cited = {s for v in content["verdicts"] for f in v["findings"] for s in f["sources"]}
    assert set(content["sources"]) == cited == {"B", "C", "C2"}


def test_rows_are_grouped_with_the_worst_first(tmp_path: Path) -> None:
    rows = report.rows(made(tmp_path))
    assert [row[:4] for row in rows] == [
        ("lstm", "ineligible", 1, "V03"),
        ("nonsense", "unknown", 1, "V00"),
        ("cast", "conditional", 1, "D02"),
        ("conv", "eligible", 2, "V01"),
    ]


def test_the_row_gives_the_finding_that_decides(tmp_path: Path) -> None:
    (row,) = report.rows(check(write(tmp_path, Step("relu", dtype="FLOAT32"))))
    assert row[3:] == ("D01", "its result is float32", "export with float16 precision")


def test_markdown_says_what_it_cannot_know(tmp_path: Path) -> None:
    text = report.to_markdown(made(tmp_path))
    assert text.splitlines()[2] == (
        "made.mlpackage: 2 eligible, 1 conditional, 1 unknown, 1 ineligible of 5 operations, "
        "segments: 4 (static, h13)"
    )
    assert report.CAVEAT in text
    assert "| lstm | ineligible | 1 | V03 |" in text
    assert "will run on" not in text
    assert "https://github.com/sbryngelson/ane-guide" in text
