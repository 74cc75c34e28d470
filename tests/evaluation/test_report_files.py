from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from eyecli.evaluation.findings import Findings, Metric, paired, verdict
from eyecli.evaluation.plots import error_curves, screen_map, subject_errors
from eyecli.evaluation.report import COLUMNS, figure, interval, write_report

HOSTILE = "<script>alert('x')</script> & \"quoted\" <img src=http://evil.example/x.png>"
FILES = ("metrics.csv", "report.html", "report.json", "report.md")


def build(folder: Path, reason: str | None = None, groups: int = 6) -> str:
    """Write the report of a made-up evaluation; return its verdict."""
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 1000, (60, 2))
    prediction = target + rng.normal(0, 20, (60, 2))
    errors = {"model": rng.gamma(2, 10, 60), "constant": rng.gamma(2, 90, 60)}
    who = [f"s{i % groups}" for i in range(60)]
    metrics = [
        Metric("model", "error_mean_px", "frames", 20.123456789, 18.0, 22.0, 60),
        Metric("constant, median", "error_mean_px", "subjects", 180.0, None, None, 6),
    ]
    plots = {
        "Errors": error_curves(errors, "px"),
        "Screen": screen_map(prediction, target, "px", True),
    }
    device = Metric("model", "error_mean_px", f"device={HOSTILE} | x", 21.5, 19.0, 23.0, 30)
    findings = Findings(
        [*metrics, device], paired(errors, who), "px", ["A note.", HOSTILE], plots,
        tables={"By device": [device]},
        people=[Metric("model", "error_mean_px", "subject=ann17", 20.5, None, None, 10)],
    )  # fmt: skip
    line = verdict(findings, {"subject_independent": reason is None}, reason)
    facts = {
        "model": "model/gaze@v1", "prepared": "prepared/gaze@v1", "split": "split/gaze@v1",
        "scheme": "kfold:3", "partitions": 3, "groups": groups, "resampled": "subjects",
        "subject_independent": reason is None,
        "reason": reason, "licences": ["CC0-1.0", HOSTILE], "code": "0.1.0",
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    write_report(folder, findings, line, facts, beats=True)
    return line


class Page(HTMLParser):
    """Collects tags with their attributes, and the text that a reader sees in the body."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.stack: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "body" in self.stack and not {"style", "script"} & set(self.stack) and data.strip():
            self.texts.append(data.strip())


@pytest.mark.parametrize("reason", [None, "one lamp", HOSTILE])
def test_the_verdict_comes_first(tmp_path: Path, reason: str | None) -> None:
    line = build(tmp_path, reason)
    assert (tmp_path / "report.md").read_text().splitlines()[0] == line
    page = Page((tmp_path / "report.html").read_text())
    assert page.texts[0] == line
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == line
    assert line.startswith("NOT SUBJECT-INDEPENDENT") == (reason is not None)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    build(tmp_path)
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    names = [name for name, _ in page.tags]
    assert names.count("svg") == names.count("figure") == 2
    assert not {"script", "link", "iframe", "object", "embed", "img", "base"} & set(names)
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert (attributes.get(name) or "#").startswith("#"), attributes
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\((?!#)", text.replace('"', "")) and "@import" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == list(FILES)


def test_text_of_the_user_is_escaped(tmp_path: Path) -> None:
    """In the reason, a note and a licence: shown as typed, never run."""
    build(tmp_path, HOSTILE)
    text = (tmp_path / "report.html").read_text()
    assert "<script" not in text and "<img" not in text
    page = Page(text)
    assert sum(HOSTILE in shown for shown in page.texts) >= 6


def test_metrics_csv_has_the_documented_columns(tmp_path: Path) -> None:
    build(tmp_path)
    with (tmp_path / "metrics.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert COLUMNS == ("predictor", "metric", "group", "value", "lo", "hi", "n")
    assert rows[1] == ["model", "error_mean_px", "frames", "20.123456789", "18.0", "22.0", "60"]
    assert rows[2] == ["constant, median", "error_mean_px", "subjects", "180.0", "", "", "6"]
    assert b"\r" not in (tmp_path / "metrics.csv").read_bytes()


def test_the_same_findings_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build(tmp_path / name)
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_json_holds_what_the_page_shows(tmp_path: Path) -> None:
    build(tmp_path)
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["beats_baselines"] is True and content["unit"] == "px"
    assert [m["predictor"] for m in content["metrics"]] == ["model", "constant, median", "model"]
    assert content["differences"][0]["against"] == "constant"
    page = " ".join(Page((tmp_path / "report.html").read_text()).texts)
    for shown in ("model/gaze@v1", "kfold:3", "20.12", "18 to 22", "constant, median", "A note."):
        assert shown in page and shown in (tmp_path / "report.md").read_text()


def test_single_people_are_named_in_metrics_csv_only(tmp_path: Path) -> None:
    build(tmp_path)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert rows[-1] == "model,error_mean_px,subject=ann17,20.5,,,10"
    for file in FILES[1:]:
        assert "ann17" not in (tmp_path / file).read_text(), file


def test_tables_of_their_own_stand_before_all_metrics(tmp_path: Path) -> None:
    build(tmp_path)
    page = Page((tmp_path / "report.html").read_text()).texts
    assert page.index("By device") < page.index("Metrics")
    text = (tmp_path / "report.md").read_text()
    assert text.index("## By device") < text.index("## Metrics")
    assert " ".join(page).count("21.5") == text.count("21.5") == 2


def test_markdown_tables_are_whole(tmp_path: Path) -> None:
    build(tmp_path, "a | b")
    for line in (tmp_path / "report.md").read_text().splitlines():
        if line.startswith("|"):
            cells = re.findall(r"(?<!\\)\|", line)
            assert len(cells) in (3, 6, 7), line


def test_one_group_is_reported_without_an_interval(tmp_path: Path) -> None:
    line = build(tmp_path, groups=1)
    assert line.startswith("No evidence")
    assert json.loads((tmp_path / "report.json").read_text())["differences"][0]["interval"] is None


def test_figures_are_short() -> None:
    assert [figure(v) for v in (None, 0.0, 123456.0, 1 / 3)] == ["-", "0", "1.235e+05", "0.3333"]
    assert [interval(b) for b in (None, (None, None), (1.0, 2.5))] == ["-", "-", "1 to 2.5"]


def test_curves_and_maps_draw_every_predictor() -> None:
    curves = error_curves({"model": np.arange(5.0), "after <calibration>": np.arange(9.0)}, "cm")
    assert curves.startswith("<svg") and ">model<" in curves and "(cm)" in curves
    assert "after &lt;calibration&gt;" in curves and "<calibration>" not in curves
    points = np.random.default_rng(0).normal(size=(1000, 2))
    assert screen_map(points, points, "px", True).count("<use") < 1100, "500 pairs at most"


def test_subjects_are_drawn_from_the_least_error_and_not_named() -> None:
    rng = np.random.default_rng(0)
    means = {"before": rng.uniform(1, 9, 300), "after": rng.uniform(1, 5, 300)}
    drawn = subject_errors(means, "cm")
    assert drawn.count("<use") >= 600 and "subjects, from the least error" in drawn
    order = rng.permutation(300)
    assert subject_errors({k: v[order] for k, v in means.items()}, "cm") == drawn
