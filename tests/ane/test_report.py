from __future__ import annotations

import json
from pathlib import Path

from ane_cases import conv
from ane_programs import Step, write

from eyecli.ane import report
from eyecli.ane.check import check


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
