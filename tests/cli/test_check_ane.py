from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ane_programs import Step, describe, model, save, write
from shell import Done, eyecli_process

from eyecli.ane.measured import file_hashes
from eyecli.mlprogram import coreml_messages
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import open_workspace

Run = Callable[..., Done]
SHAPE = (1, 64, 8, 32)
CONV = Step("conv", {"x": SHAPE}, {"weight": (64, 64, 3, 3)}, output=SHAPE)
CAST = Step("cast", {"x": SHAPE}, output=SHAPE, dtype="FLOAT32")


def package(folder: Path, *steps: Step, **functions: list[Step]) -> Path:
    return write(folder / "made", *(steps or (CONV,)), **functions)


@pytest.mark.parametrize(
    ("steps", "code", "strict"),
    [
        ([CONV], 0, 0),
        ([CONV, CAST], 0, 4),
        ([CONV, Step("nonsense")], 0, 4),
        ([CONV, Step("lstm")], 4, 4),
    ],
)
def test_exit_codes_and_a_report_whatever_the_verdict(
    eyecli: Run, tmp_path: Path, steps: list[Step], code: int, strict: int
) -> None:
    path = package(tmp_path, *steps)
    done = eyecli("check-ane", path)
    assert done.code == code
    assert done.out.startswith("ane/any/made@v1")
    assert eyecli("check-ane", path, "--strict").code == strict
    shown = json.loads(eyecli("check-ane", path, "--json").out)
    assert shown["cached"]
    assert {p.name for p in Path(shown["path"]).iterdir()} >= {"ane.json", "ane.md"}


def test_a_flaw_of_the_whole_function_is_refused_too(eyecli: Run, tmp_path: Path) -> None:
    path = save(tmp_path / "made", describe(model(CONV), "word", "string"))
    assert eyecli("check-ane", path).code == 4


def test_the_table_says_what_to_do(eyecli: Run, tmp_path: Path) -> None:
    done = eyecli("check-ane", package(tmp_path, CONV, Step("lstm")))
    for words in ("a convolution over time", "V03", "medium", "static, h13", "weights:"):
        assert words in done.err, words
    assert "will run on" not in done.err
    quiet = eyecli("check-ane", package(tmp_path / "b", CONV, Step("lstm")), "--quiet")
    assert quiet.err == ""


def test_json_lines_have_the_findings(tmp_path: Path) -> None:
    path = package(tmp_path, CONV, Step("lstm"))
    done = eyecli_process("check-ane", path, "--log-format", "json", cwd=tmp_path)
    assert done.code == 4
    events = [json.loads(line) for line in done.err.splitlines()]
    assert not any(event.get("source") for event in events)
    messages = [event["message"] for event in events]
    assert "ineligible   V03       1  lstm main_1_lstm" in messages
    assert "    fix: a convolution over time" in messages


def test_json_is_the_manifest(eyecli: Run, tmp_path: Path) -> None:
    done = eyecli("check-ane", package(tmp_path, CONV, user=[CONV]), "--json", "--chip", "A14")
    summary = json.loads(done.out)["summary"]
    assert summary["target"] == "A14 (h13, an assumption from names, low confidence)"
    assert (summary["basis"], summary["worst"]) == ("static", "eligible")
    assert summary["eligible"] == summary["eligible_flops"] == 1.0
    assert summary["segments"] == 2
    report = json.loads((Path(json.loads(done.out)["path"]) / "ane.json").read_text())
    assert [g["function"] for g in report["graphs"]] == ["main", "user"]


def test_json_has_the_findings(eyecli: Run, tmp_path: Path) -> None:
    done = eyecli("check-ane", package(tmp_path, CONV, Step("lstm")), "--json")
    found = json.loads(done.out)["findings"]
    (lstm,) = [f for f in found if f["verdict"] == "ineligible"]
    assert lstm.pop("sources")[0].startswith("https://")
    assert lstm == {
        "function": "main", "op": "lstm", "name": "main_1_lstm", "verdict": "ineligible",
        "rule": "V03", "confidence": "medium", "fix": "a convolution over time",
        "reason": "recurrent operations are not implemented on any generation",
    }  # fmt: skip
    assert "eligible" not in {f["verdict"] for f in found}


@pytest.mark.parametrize(
    ("flag", "words"), [("--rules", "Q02  weights by blocks"), ("--chips", "iPhone 17 Pro")]
)
def test_what_there_is_to_look_up(eyecli: Run, tmp_path: Path, flag: str, words: str) -> None:
    done = eyecli("check-ane", flag)
    assert done.code == 0
    assert words in done.out
    assert isinstance(json.loads(eyecli("check-ane", flag, "--json").out), list)
    assert not (tmp_path / "eyecli-workspace").exists()


def test_the_chip_decides(eyecli: Run, tmp_path: Path) -> None:
    wide = Step("conv", {"x": SHAPE}, {"weight": (64, 64, 1, 15)}, output=SHAPE)
    path = package(tmp_path, wide)
    assert eyecli("check-ane", path).code == 4
    assert eyecli("check-ane", path, "--chip", "MacBook Air M2").code == 0
    refused = eyecli("check-ane", path, "--chip", "iPhon 12")
    assert refused.code == 2
    assert "did you mean 'iPhone 12'?" in refused.err


def test_sarif_is_written_again_when_the_report_is_there(eyecli: Run, tmp_path: Path) -> None:
    path = package(tmp_path, CONV, Step("lstm"))
    for name in ("one.sarif", "two.sarif"):
        assert eyecli("check-ane", path, "--sarif", name).code == 4
    one = json.loads((tmp_path / "one.sarif").read_text())
    assert one == json.loads((tmp_path / "two.sarif").read_text())
    (run,) = one["runs"]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "made/made.mlpackage/Data/com.apple.CoreML/model.mlmodel"
    refused = eyecli("check-ane", path, "--sarif", tmp_path / "none" / "x.sarif")
    assert refused.code == 2
    assert not (tmp_path / "none").exists()


def test_a_measurement_stands_beside_the_verdicts(eyecli: Run, tmp_path: Path) -> None:
    path = package(tmp_path, CONV, CAST)
    rows = [{"output": "main_0_conv", "device": "cpu"}, {"output": "main_1_cast", "device": "cpu"}]
    measured = {"device": "iPhone14,2", "os": "iOS 17.4.0", "files": file_hashes(path),
                "operations": rows, "predict_seconds": [0.002]}  # fmt: skip
    file = tmp_path / "measured.json"
    file.write_text(json.dumps(measured))
    done = eyecli("check-ane", path, "--measured", file, "--json")
    assert done.code == 0
    assert "of 2 operations (static, iPhone14,2, A15 (h14, " in done.err
    assert "measured on iPhone14,2, iOS 17.4.0: 0 of 2 operations on the Neural Engine" in done.err
    assert "prediction 2 ms" in done.err
    artifact = Path(json.loads(done.out)["path"])
    assert json.loads((artifact / "measured.json").read_text())["device"] == "iPhone14,2"
    report = json.loads((artifact / "ane.json").read_text())
    assert report["basis"] == "static; measured on iPhone14,2, iOS 17.4.0"
    assert report["measured"]["confusion"] == {"eligible": {"cpu": 1}, "conditional": {"cpu": 1}}
    asked = eyecli("check-ane", path, "--measured", file, "--chip", "h13")
    assert "(static, h13)" in asked.err
    other = package(tmp_path / "other", CONV)
    refused = eyecli("check-ane", other, "--measured", file)
    assert refused.code == 3
    assert "on another model" in refused.err
    assert eyecli("check-ane", other, "--measured", tmp_path / "none").code == 3


@pytest.mark.parametrize(
    ("device", "unit", "tier", "strict"),
    [("iPhone15,2", "cpu", "h15", 4), ("iPhone15,2", "neural engine", "h15", 0),
     ("my-mac.local", "gpu", "h13", 4)],
)  # fmt: skip
def test_strict_takes_what_was_measured(
    eyecli: Run, tmp_path: Path, device: str, unit: str, tier: str, strict: int
) -> None:
    path = package(tmp_path)
    file = tmp_path / "measured.json"
    rows = [{"output": "main_0_conv", "device": unit}]
    file.write_text(json.dumps({"device": device, "os": "iOS 17.5.1", "files": file_hashes(path),
                                "operations": rows}))  # fmt: skip
    words = ("check-ane", path, "--measured", file)
    assert eyecli(*words).code == 0
    done = eyecli(*words, "--strict", "--json")
    assert done.code == strict
    assert json.loads(done.out)["summary"]["tier"] == tier
    assert ("is not known here: name it with --chip" in done.err) == (device == "my-mac.local")


@pytest.mark.parametrize(("kind", "folder"), [("coreml", "model"), ("head", "head")])
def test_an_artifact_is_called_by_its_reference(
    eyecli: Run, tmp_path: Path, kind: str, folder: str
) -> None:
    """A head has its package under another name."""

    def build(place: Path) -> Built:
        package(tmp_path).rename(place / f"{folder}.mlpackage")
        return Built()

    root = open_workspace(tmp_path / "eyecli-workspace", create=True)
    run_stage(root, Work("export", kind, "gaze", "eve"), build)
    done = eyecli("check-ane", f"{kind}/gaze/eve")
    assert (done.code, done.out) == (0, "ane/gaze/eve@v1\n")
    assert f"{kind}/gaze/eve@v1: 1 eligible of 1 operations (static, h13)" in done.err
    words = (root / "ane/gaze/eve/v0001/ane.md").read_text()
    assert words.startswith(f"# Neural Engine check: {kind}/gaze/eve@v1\n")


def test_an_artifact_without_a_package_is_refused(eyecli: Run, tmp_path: Path) -> None:
    root = open_workspace(tmp_path / "eyecli-workspace", create=True)
    run_stage(root, Work("train", "model", "gaze"), lambda folder: Built())
    done = eyecli("check-ane", "model/gaze")
    assert done.code == 3
    assert "a coreml/<task> is needed here" in done.err


def test_what_is_no_program_gets_one_line(eyecli: Run, tmp_path: Path) -> None:
    folder = tmp_path / "empty.mlpackage"
    folder.mkdir()
    network = coreml_messages("Model_pb2").Model(specificationVersion=4)
    network.neuralNetwork.layers.add().name = "conv"
    newer = model(CONV)
    newer.specificationVersion = 99
    cut = package(tmp_path / "cut")
    file = cut / "Data/com.apple.CoreML/model.mlmodel"
    file.write_bytes(file.read_bytes()[:-7])
    older = tmp_path / "older.mlmodel"
    older.write_bytes(network.SerializeToString())
    cases = {
        folder: "not a Core ML package",
        save(tmp_path / "nn", network): "rule R01",
        save(tmp_path / "new", newer): "version 99",
        cut: "is damaged",
        older: "is the older format of Core ML, which is not supported",
    }
    for path, words in cases.items():
        done = eyecli("check-ane", path)
        assert done.code == 3
        assert words in done.err
        assert len(done.complaint) <= 2
