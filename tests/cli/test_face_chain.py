"""From face videos to a calibrated user, by the commands as they are typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from shell import Done, eyecli_process

from eyecli.cli.demo import error_table
from eyecli.workspace.references import resolve

VIDEOS = ("--points", "9", "--stimulus-ms", "900", "--fps", "10", "--size", "960x540")
STEPS = {
    "synthesize": ("synthesize", "gaze", "--subjects", "6", *VIDEOS),
    "preprocess": ("preprocess", "gaze", "--split", "kfold:2", "--settle-ms", "450"),
    "train": ("train", "gaze", "--epochs", "60"),
    "evaluate": ("evaluate", "--calibration-points", "5"),
    "more": ("synthesize", "gaze", "--subjects", "2", "--seed", "1", "--name", "new", *VIDEOS),
    "calibrate": ("calibrate", "user", "source/gaze/new", "--fold", "0"),
}
HEAVY = {"tensorflow", "keras", "coremltools", "mediapipe", "cv2", "pandas", "jax"}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    folder, done = tmp_path_factory.mktemp("faces"), {}
    for name, words in STEPS.items():
        done[name] = eyecli_process(*words, cwd=folder)
        assert done[name].code == 0, done[name].err
    return folder, done


def metrics(folder: Path) -> dict[tuple[str, str, str], float]:
    path = resolve(folder / "eyecli-workspace", "report/gaze").path / "metrics.csv"
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {(r["predictor"], r["metric"], r["group"]): float(r["value"]) for r in rows}


def test_stdout_has_references_a_line_a_user(chain: tuple[Path, dict[str, Done]]) -> None:
    done = chain[1]
    assert done["preprocess"].out == "prepared/gaze@v1\n"
    assert done["calibrate"].out == "head/gaze/s001-1@v1\nhead/gaze/s002-1@v1\n"
    for name in ("synthesize", "preprocess", "calibrate"):
        assert done[name].complaint == [], name


def test_the_report_has_what_was_recorded_and_how_well(
    chain: tuple[Path, dict[str, Done]],
) -> None:
    found = metrics(chain[0])
    for measure in ("rms_s2s_mean_cm", "std_mean_cm", "bcea_mean_cm2", "rms_s2s_mean_deg"):
        assert found["model", measure, "fixations"] > 0
    assert 0 <= found["recordings", "data_loss_share", "subjects"] < 0.5
    assert 5 < found["recordings", "effective_rate_hz", "subjects"] <= 10
    for group in ("device=tablet", "device=laptop", "orientation=portrait", "subject=s001-0"):
        assert found["model", "error_mean_cm", group] > 0
    assert ("after calibration", "worse_users", "subjects") in found
    cm, px = (found["constant", f"error_mean_{unit}", "frames"] for unit in ("cm", "px"))
    assert 20 < px / cm < 120  # the screens' pixels a cm


def test_subjects_are_in_metrics_only(chain: tuple[Path, dict[str, Done]]) -> None:
    folder, done = chain
    report = resolve(folder / "eyecli-workspace", "report/gaze").path
    for name in ("report.html", "report.md", "report.json"):
        assert "s001-0" not in (report / name).read_text()
    for name in ("preprocess", "train", "evaluate"):
        assert "s001-0" not in done[name].err


@pytest.mark.parametrize("step", ["synthesize", "preprocess", "evaluate", "calibrate"])
def test_the_second_run_finds_the_first_without_anything_heavy(
    chain: tuple[Path, dict[str, Done]], step: str
) -> None:
    folder, done = chain
    again = eyecli_process(*STEPS[step], cwd=folder, options=("-X", "importtime"))
    assert (again.code, again.out) == (0, done[step].out)
    allowed = {"cv2"} if step == "calibrate" else set()  # it asks videos for their length
    assert again.imported & HEAVY <= allowed


def test_a_users_videos_settle_as_the_models(chain: tuple[Path, dict[str, Done]]) -> None:
    """The model's preparation left out 450 ms; at 10 frames a second 900 ms leave 4 or 5."""
    root = chain[0] / "eyecli-workspace"
    setup = json.loads((resolve(root, "prepared/gaze").path / "setup.json").read_text())
    assert setup["settle_ms"] == 450
    assert "left out: " in chain[1]["calibrate"].err
    kept = [line for line in chain[1]["calibrate"].err.splitlines() if "frames kept" in line]
    counts = [int(line.split("faces: ")[1].split()[0]) for line in kept]
    assert all(30 <= count <= 45 for count in counts) and len(counts) == 2


def test_the_demos_table_reads_the_report(chain: tuple[Path, dict[str, Done]]) -> None:
    report = resolve(chain[0] / "eyecli-workspace", "report/gaze").path
    lines = error_table(report / "metrics.csv")
    assert [line.split("  ")[0].strip() for line in lines[1:]] == [
        "constant", "ridge on pixels", "model",
        "before calibration (the same people, other points)",
        "after calibration (the same people, other points)",
    ]  # fmt: skip
    assert f"{metrics(chain[0])['model', 'error_mean_cm', 'frames']:.2f}" in lines[3]
