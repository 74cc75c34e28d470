"""Samples of every task: whole, reproducible, and with something in them to learn."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.errors import DataError, UsageError
from eyecli.synthesis.bscans import CLASSES, write_bscans
from eyecli.synthesis.fundus import write_fundus
from eyecli.synthesis.scanpaths import GROUPS, SCREEN_PX, write_scanpaths
from eyecli.synthesis.volumes import SHAPE, write_volumes

Write = Callable[..., None]
WRITERS: list[tuple[Write, tuple[int, ...]]] = [
    (write_fundus, (5,)),
    (write_bscans, (4, 2)),
    (write_volumes, (3, 3)),
    (write_scanpaths, (3, 2)),
]


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("write", "counts"), WRITERS)
def test_the_same_numbers_give_the_same_bytes(
    write: Write, counts: tuple[int, ...], tmp_path: Path
) -> None:
    write(tmp_path / "a", *counts, 3)
    write(tmp_path / "b", *counts, 3)
    write(tmp_path / "c", *counts, 4)
    write(tmp_path / "more", counts[0] + 1, *counts[1:], 3)
    first, again, other, more = (digests(tmp_path / name) for name in ("a", "b", "c", "more"))
    assert first == again != other
    pictures = {path for path in first if path.endswith((".jpeg", ".npy", "_1.csv"))}
    assert pictures and all(first[path] == more[path] for path in pictures)


@pytest.mark.parametrize(("write", "counts"), WRITERS)
def test_numbers_out_of_range_and_folders_in_use(
    write: Write, counts: tuple[int, ...], tmp_path: Path
) -> None:
    for wrong in ((0, *counts[1:], 0), (1000, *counts[1:], 0), (*counts, -1)):
        with pytest.raises(UsageError, match=r"^(subjects|seed) is"):
            write(tmp_path / "new", *wrong)
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(DataError, match="not an empty folder"):
        write(tmp_path, *counts, 0)


def test_fundus_has_every_grade_and_lesions_that_grow_with_it(tmp_path: Path) -> None:
    import cv2

    write_fundus(tmp_path, 10, 0)
    rows = table(tmp_path / "trainLabels.csv")
    assert {int(row["level"]) for row in rows} == set(range(5)) and len(rows) == 20
    fine: dict[int, list[float]] = {}
    for row in rows:
        picture = cv2.imread(str(tmp_path / f"{row['image']}.jpeg"))
        assert picture.shape == (256, 256, 3)
        green = picture[40:216, 40:216, 1].astype(float)
        detail = np.abs(green - cv2.GaussianBlur(green, (0, 0), 3)).mean()
        fine.setdefault(int(row["level"]), []).append(float(detail))
    means = [np.mean(fine[grade]) for grade in range(5)]
    assert means[0] < means[1] < means[2] < means[3]


def test_bscans_have_one_diagnosis_a_person(tmp_path: Path) -> None:
    import cv2

    write_bscans(tmp_path, 8, 2, 0)
    paths = sorted(tmp_path.rglob("*.jpeg"))
    assert len(paths) == 16 and {path.parent.name for path in paths} == set(CLASSES)
    diagnosis: dict[str, set[str]] = {}
    for path in paths:
        label, patient, _ = path.stem.split("-")
        diagnosis.setdefault(patient, set()).add(label)
        assert path.parent.name == label
        assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape == (192, 256)
    assert all(len(labels) == 1 for labels in diagnosis.values())


def test_the_lamina_tells_the_pressure_gradient(tmp_path: Path) -> None:
    """Depth of the cup against IOP - ICP, within a subject: what a model is to find."""
    write_volumes(tmp_path, 3, 12, 0)
    rows = table(tmp_path / "table.csv")
    for subject in ("m01", "m02", "m03"):
        own = [row for row in rows if row["subject"] == subject]
        gradient = [float(row["iop_mmhg"]) - float(row["icp_mmhg"]) for row in own]
        depths = []
        for row in own:
            volume = np.load(tmp_path / row["path"], allow_pickle=False)
            assert volume.shape == SHAPE and volume.dtype == np.uint8
            middle = volume[13:19, 13:19].astype(float)
            depths.append((middle * np.arange(SHAPE[2])).sum() / middle.sum())
        assert np.corrcoef(gradient, depths)[0, 1] > 0.7
    assert {row["laterality"] for row in rows} == {"OD", "OS"}


def test_scanpaths_stay_on_the_screen_and_differ_by_group(tmp_path: Path) -> None:
    write_scanpaths(tmp_path, 6, 3, 0)
    rows = table(tmp_path / "labels.csv")
    assert len(rows) == 18
    steps: dict[str, list[float]] = {}
    for row in rows:
        samples: list[dict[str, Any]] = table(tmp_path / row["path"])
        seen = np.array([[float(s["x"]), float(s["y"])] for s in samples if s["x"]])
        assert ((seen > -20) & (seen < np.array(SCREEN_PX) + 20)).all()
        times = np.array([int(s["timestamp"]) for s in samples])
        assert (np.diff(times) > 0).all()
        lengths = np.linalg.norm(np.diff(seen, axis=0), axis=1)
        steps.setdefault(row["label"], []).append(float(np.median(lengths[lengths > 60])))
    assert set(steps) == set(GROUPS)
    assert np.mean(steps["L"]) < np.mean(steps["S"])
