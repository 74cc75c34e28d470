"""What preparing photographs says of them: eyes that the disc contradicts, and dry runs."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import check_source, prepare
from eyecli.data.prepared import DOUBTFUL, open_prepared, read_table
from eyecli.sources.source import fetch_path, open_source
from eyecli.synthesis.fundus import write_fundus
from eyecli.tasks.base import all_layouts
from eyecli.tasks.dr import exporting, layouts
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.settings import DrPreprocess
from eyecli.workspace.store import Artifact, open_workspace

SETTINGS, SPLIT = DrPreprocess(size=128, processes=1), SplitSettings("kfold:3")


def source(tmp_path: Path, folder: Path, layout: str) -> tuple[Path, Artifact]:
    root = open_workspace(tmp_path / "workspace", create=True)
    return root, fetch_path(root, folder, all_layouts(), layout=layout).artifact


@pytest.fixture
def eyes(tmp_path: Path) -> Path:
    """Both eyes of six people; those of the second have each other's name."""
    folder = tmp_path / "eyes"
    write_fundus(folder, 6, 0)
    left, right = folder / "2_left.jpeg", folder / "2_right.jpeg"
    content = left.read_bytes()
    left.write_bytes(right.read_bytes())
    right.write_bytes(content)
    return folder


def test_an_eye_that_the_disc_contradicts_is_kept_and_listed(
    tmp_path: Path, eyes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, raw = source(tmp_path, eyes, "kaggle-dr")
    with caplog.at_level(logging.WARNING):
        made, _ = prepare(root, "dr", raw, read_raw, SETTINGS, SPLIT)
    index = open_prepared(made.artifact).index
    assert len(index) == 12
    doubted = index["sample"].isin(["2_left", "2_right"])
    assert set(index["laterality_check"][doubted]) == {"contradicts"}
    assert "contradicts" not in set(index["laterality_check"][~doubted])
    sure = index[~doubted & (index["disc_side"] != "")]
    assert len(sure) >= 8
    assert (sure["disc_side"] == sure["laterality"].map({"OD": "right", "OS": "left"})).all()
    listed = read_table(made.artifact.path / DOUBTFUL)
    assert list(listed["file"]) == ["2_left.jpeg", "2_right.jpeg"]
    assert listed["place"].str.contains(r"trainLabels.csv: row \d").all()
    assert listed["reason"][0].endswith(": OS, but the disc is on the right")
    said = "2: laterality contradicts the optic disc; see `doubtful.csv`"
    assert said in (made.artifact.path / "card.md").read_text()
    assert f"2 of {len(sure) + 2} photographs show the optic disc" in caplog.text


def test_of_an_unknown_eye_nothing_is_said_but_the_side(tmp_path: Path, eyes: Path) -> None:
    # Only the macula is seen: no disc.
    macula = data.retina()[400:1000, 500:1100, ::-1]
    cv2.imwrite(str(eyes / "1_left.jpeg"), macula)
    names = sorted(path.name for path in eyes.glob("*.jpeg"))
    (eyes / "trainLabels.csv").write_text(
        "path,grade,patient\n" + "".join(f"{name},0,{name[0]}\n" for name in names)
    )
    root, raw = source(tmp_path, eyes, "dr-table")
    made, _ = prepare(root, "dr", raw, read_raw, SETTINGS, SPLIT)
    index = open_prepared(made.artifact).index
    assert set(index["laterality_check"]) == {""}
    sides = dict(zip(index["sample"], index["disc_side"], strict=True))
    assert sides["1_left"] == "" and {"left", "right"} <= set(sides.values())
    assert not (made.artifact.path / DOUBTFUL).exists()


def test_a_dry_run_counts_grades_and_doubts(tmp_path: Path, eyes: Path) -> None:
    root, raw = source(tmp_path, eyes, "kaggle-dr")
    counts, problems = check_source(root, raw, read_raw, SETTINGS, SPLIT)
    assert problems == "0 problems"
    assert counts.startswith(
        "layout kaggle-dr: 12 samples, 6 subjects, 14 files; grade 0: 4 samples of 2 subjects; "
    )
    assert "; grade 1: 1 samples of 1 subjects; " in counts
    assert counts.endswith("; 2 doubtful: laterality contradicts the optic disc")
    assert not (root / "prepared").exists()


def test_a_dry_run_finds_damaged_files_beside_rows_that_are_wrong(
    tmp_path: Path, eyes: Path
) -> None:
    (eyes / "3_left.jpeg").write_bytes((eyes / "3_left.jpeg").read_bytes()[:2000])
    rows = "".join(f"{number}_left,1\n" for number in range(70, 95))
    labels = eyes / "trainLabels.csv"
    labels.write_text(labels.read_text() + rows + "1_left,7\n")
    root, raw = source(tmp_path, eyes, "kaggle-dr")
    lines = check_source(root, raw, read_raw, SETTINGS, SPLIT)
    # Of 25 rows without image, one row that is wrong and one damaged file all kinds are shown.
    assert lines[1] == "27 problems" and len(lines) == 22
    assert "level 7 is out of range" in "\n".join(lines[2:])
    assert "3_left.jpeg" in "\n".join(lines[2:])


def test_crops_lie_once_on_disk_and_few_pictures_in_memory(
    tmp_path: Path, eyes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("3_left", "4_left", "5_left", "6_left"):
        cv2.imwrite(str(eyes / f"{name}.jpeg"), np.zeros((200, 200, 3), np.uint8))
    monkeypatch.setattr(layouts, "PILE", 2)
    monkeypatch.setattr(layouts, "MOST_LEFT_OUT", 1)
    raw = open_source(*source(tmp_path, eyes, "kaggle-dr"))
    made = read_raw(raw, DrPreprocess(size=64, processes=1)).extract
    assert made
    final = made(tmp_path / "piles")
    assert len(final.table) == 8 and len(final.exhibits) <= 2
    piles = []
    for position in range(8):
        assert final.convert(position, raw.read)["pixels"].any()
        piles.append(len(list((tmp_path / "piles").iterdir())))
    assert piles == [6, 6, 5, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("enhance", "said"), [("none", "0..255"), ("graham", "--enhance graham` does")]
)
def test_an_application_is_told_how_pixels_were_changed(enhance: str, said: str) -> None:
    settled = dict.fromkeys(("temperature", "cuts", "sensitive", "specific"), 1.0)
    facts = {"boundaries": [1, 2, 3, 4], "target": "grade", "stem": "pixel_units", **settled}
    contract = exporting.contract(facts, {"size": 64, "enhance": enhance})
    assert contract.metadata["inputs"].endswith(said)
