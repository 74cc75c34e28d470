"""The rendered table is complete, reproducible, in range, and learnable across people."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.errors import DataError, UsageError
from eyecli.synthesis.gaze_table import COLUMNS, SIDES, draw_targets, write_gaze_table

SMALL: dict[str, Any] = {"subjects": 2, "points": 3, "frames": 2, "seed": 7}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gaze") / "table"
    write_gaze_table(folder, **SMALL)
    return folder


def test_columns_and_rows(table: Path) -> None:
    import cv2

    found = rows(table)
    assert tuple(found[0]) == COLUMNS
    assert COLUMNS == ("left", "right", "subject", "session", "target_x", "target_y", "point")
    assert len(found) == 2 * 3 * 2
    assert len({row["left"] for row in found} | {row["right"] for row in found}) == 2 * len(found)
    for row in found:
        for side in SIDES:
            assert row[side].startswith(f"{side}/")
            assert cv2.imread(str(table / row[side])).shape == (64, 64, 3)
    assert len(list(table.rglob("*.png"))) == 2 * len(found)


def test_point_is_one_place_within_a_session(table: Path) -> None:
    places: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
    for row in rows(table):
        key = (row["subject"], row["session"], row["point"])
        places.setdefault(key, set()).add((row["target_x"], row["target_y"]))
    assert len(places) == 2 * 3
    assert all(len(place) == 1 for place in places.values())
    assert len(set.union(*places.values())) == len(places)


def test_files_are_rgb_of_the_rendered_eye(table: Path) -> None:
    import cv2

    skin = cv2.imread(str(table / rows(table)[0]["left"]))[-6:].mean((0, 1))  # blue, green, red
    assert skin[2] > skin[0] + 15


def test_left_and_right_are_the_owners(table: Path) -> None:
    import cv2

    # The hollow beside the nose is dark: at the image's right for the owner's right eye.
    lean = dict.fromkeys(SIDES, 0.0)
    for row in rows(table):
        for side in SIDES:
            grey = cv2.imread(str(table / row[side]), 0).astype(float)[18:24]
            lean[side] += grey[:, 46:54].mean() - grey[:, 10:18].mean()
    assert lean["right"] < lean["left"]


def test_pictures_match_the_targets(tmp_path: Path) -> None:
    import cv2

    write_gaze_table(tmp_path, subjects=3, points=12, frames=1, seed=1)
    found = rows(tmp_path)
    columns = np.arange(20, 44)
    for side in SIDES:
        for subject in ("s001", "s002", "s003"):
            own = [row for row in found if row["subject"] == subject]
            places = []
            for row in own:
                dark = 255.0 - cv2.imread(str(tmp_path / row[side]), 0)[30:36, 20:44].mean(0)
                dark = (dark - np.median(dark)).clip(0)
                places.append((dark * columns).sum() / dark.sum())
            targets = [float(row["target_x"]) for row in own]
            # Who looks to the viewer's right looks to the left of the camera's image.
            assert np.corrcoef(places, targets)[0, 1] < -0.8


def test_same_arguments_give_the_same_bytes(table: Path, tmp_path: Path) -> None:
    write_gaze_table(tmp_path, **SMALL)
    assert digests(tmp_path) == digests(table)


def test_another_seed_gives_other_images(table: Path, tmp_path: Path) -> None:
    write_gaze_table(tmp_path, **{**SMALL, "seed": 8})
    before, after = digests(table), digests(tmp_path)
    assert not any(before[name] == after[name] for name in before if name.endswith(".png"))


def test_subjects_do_not_depend_on_their_number(table: Path, tmp_path: Path) -> None:
    write_gaze_table(tmp_path, **{**SMALL, "subjects": 3})
    before, after = digests(table), digests(tmp_path)
    images = [name for name in before if name.endswith(".png")]
    assert [before[name] for name in images] == [after[name] for name in images]
    assert rows(tmp_path)[:12] == rows(table)


def test_frames_of_a_point_differ(table: Path) -> None:
    images = [digest for name, digest in digests(table).items() if name.endswith(".png")]
    assert len(set(images)) == len(images)


@pytest.mark.parametrize("screen_px", [(1366, 768), (100, 100), (390, 844)])
def test_targets_lie_on_the_screen_and_cover_it(screen_px: tuple[int, int]) -> None:
    for seed in range(20):
        targets = np.array(draw_targets(np.random.default_rng(seed), 25, screen_px)) / screen_px
        assert targets.min() > 0
        assert targets.max() < 1
        assert (np.ptp(targets, axis=0) > 0.75).all()
        assert (np.ptp(targets[:9], axis=0) > 0.6).all()  # the first nine are a calibration


def test_provenance_says_synthetic_and_nothing_of_time_or_host(table: Path) -> None:
    found = json.loads((table / "provenance.json").read_text())
    assert found["synthetic"] is True
    assert found["generator"] == "eyecli.synthesis.gaze_table"
    assert set(found) == {"synthetic", "generator", "version", "seed", "parameters"}
    assert found["seed"] == 7
    assert found["parameters"] == {
        "subjects": 2,
        "points": 3,
        "frames": 2,
        "screen_px": [1366, 768],
        "screen_cm": [34.4, 19.3],
        "distance_cm": 60.0,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"subjects": 0},
        {"points": -1},
        {"frames": 0},
        {"seed": -1},
        {"screen_px": (0, 768)},
        {"screen_px": (1366,)},
        {"screen_cm": (34.4, -1.0)},
        {"screen_cm": (float("nan"), 19.3)},
        {"distance_cm": 0.0},
        {"distance_cm": float("nan")},
        {"screen_cm": (60.0, 30.0), "distance_cm": 30.0},
    ],
)
def test_nonsense_is_refused_before_anything_is_written(
    change: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as error:
        write_gaze_table(tmp_path / "new", **{**SMALL, **change})
    assert error.value.hint
    assert not (tmp_path / "new").exists()


def test_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="not an empty folder"):
        write_gaze_table(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_other_people_teach_and_calibration_still_helps(tmp_path: Path) -> None:
    """Leave one subject out: pixels beat a constant, nine points remove a bias of one's own."""
    import cv2

    write_gaze_table(tmp_path, subjects=6, points=25, frames=1, seed=0)
    found = rows(tmp_path)
    pixels = (
        np.array(
            [
                [cv2.resize(cv2.imread(str(tmp_path / row[side]), 0), (16, 16)) for side in SIDES]
                for row in found
            ]
        ).reshape(len(found), -1)
        / 255
    )
    targets = np.array([[float(row["target_x"]), float(row["target_y"])] for row in found])
    subjects = np.array([row["subject"] for row in found])
    first = np.array([int(row["point"]) <= 9 for row in found])
    errors = []
    for subject in np.unique(subjects):
        train, test = subjects != subject, subjects == subject
        centre, mean = pixels[train].mean(0), targets[train].mean(0)
        x = pixels[train] - centre
        dual = np.linalg.solve(x @ x.T + 3 * np.eye(len(x)), targets[train] - mean)
        predicted = (pixels[test] - centre) @ x.T @ dual + mean
        bias = (targets[test] - predicted)[first[test]].mean(0)
        misses = [mean - targets[test], predicted - targets[test], predicted + bias - targets[test]]
        errors.append([np.linalg.norm(miss[~first[test]], axis=1).mean() for miss in misses])
    constant, ridge, calibrated = np.mean(errors, axis=0)
    assert ridge < 0.75 * constant
    assert calibrated < 0.75 * ridge
