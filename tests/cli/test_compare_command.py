"""`compare` and `evaluate --on` as a user types them."""

from __future__ import annotations

import csv
import io
import json
import shlex

import pytest
from conftest import Chain
from shell import Done, eyecli_process


def call(chain: Chain, words: str) -> Done:
    return eyecli_process(*shlex.split(words), cwd=chain.folder)


def test_the_reference_on_stdout_and_the_table_on_stderr(chain: Chain) -> None:
    done = call(chain, "compare model/gaze@v1")
    assert done.ref == "comparison/gaze@v1"
    assert "ridge on pixels" in done.err and "p (Holm)" in done.err


@pytest.mark.parametrize(
    ("name", "start"),
    [("table", "SYNTHETIC DATA."), ("csv", "model,seeds,"), ("markdown", "SYNTHETIC DATA."),
     ("latex", r"\begin{tabular}")],
)  # fmt: skip
def test_a_format_goes_to_stdout_whole(chain: Chain, name: str, start: str) -> None:
    done = call(chain, f"compare --format {name}")
    assert done.code == 0 and done.out.startswith(start)
    file = {"table": "txt", "markdown": "md", "latex": "tex"}.get(name, name)
    folder = chain.root / "comparison/gaze/v0001"
    assert done.out == (folder / f"comparison.{file}").read_text()
    if name == "csv":
        rows = list(csv.DictReader(io.StringIO(done.out)))
        assert {row["model"] for row in rows} == {"model/gaze@v1", "constant", "ridge on pixels"}


def test_json_is_the_manifest_whatever_the_format(chain: Chain) -> None:
    document = json.loads(call(chain, "compare --format csv --json").out)
    assert document["ref"] == "comparison/gaze@v1" and document["kind"] == "comparison"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("compare model/gaze@v1 model/gaze", 2, "is the same model as"),
        ("compare model/gaze@v1 report/gaze@v1", 3, "a model/gaze is needed here"),
        ("compare --fold 1", 2, "--fold is for other data"),
        ("compare --format html", 2, "html"),
        ("evaluate --other-people x", 2, "--other-people is for other data"),
        ("evaluate --on prepared/gaze@v1", 2, "has 4 folds: 0 to 3"),
        ("evaluate --on prepared/gaze@v1 --fold 0", 4, "a file that fold 0"),
        ("evaluate --on split/gaze@v1 --fold 0", 3, "a prepared/gaze is needed here"),
    ],
)
def test_what_cannot_be_is_refused_in_two_lines(
    chain: Chain, words: str, code: int, message: str
) -> None:
    done = call(chain, words)
    assert (done.code, done.out) == (code, "")
    assert message in done.err and len(done.complaint) <= 2 and "Traceback" not in done.err


def test_external_validation_by_command(copy: Chain) -> None:
    for words in (
        "fetch sample gaze-eyes --subjects 3 --points 2 --frames 1 --seed 9 --folder o"
        " --name other",
        "preprocess gaze source/gaze/other",
    ):
        assert call(copy, words).code == 0
    refused = call(copy, "evaluate model/gaze@v1 --on prepared/gaze@v2 --fold 0")
    assert refused.code == 4 and "--other-people" in refused.err
    why = "--on prepared/gaze@v2 --fold 0 --other-people 'rendered  anew'"
    assert call(copy, f"evaluate model/gaze@v1 {why}").ref == "report/gaze@v2"
    text = (copy.root / "report/gaze/v0002/report.md").read_text()
    assert text.startswith("EXTERNAL VALIDATION on prepared/gaze@v2.") and "rendered anew." in text
    compared = call(copy, f"compare model/gaze@v1 {why} --format markdown")
    assert compared.out.startswith("EXTERNAL VALIDATION on prepared/gaze@v2.")
