"""Face videos are whole, reproducible, honest about what is in them, and as late as asked for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.errors import DataError, UsageError
from eyecli.synthesis.devices import DEVICES
from eyecli.synthesis.gaze_videos import GazeVideos, describe, draw_session, write_gaze_videos
from eyecli.synthesis.looks import draw_looks

SMALL = GazeVideos(subjects=2, points=2, stimulus_ms=500, fps=8, size=(640, 360), seed=3)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos") / "made"
    write_gaze_videos(folder, SMALL, processes=2)
    return folder


def session(folder: Path, name: str = "s001") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def test_files(videos: Path) -> None:
    names = ["provenance.json", "s001.json", "s001.mp4", "s002.json", "s002.mp4"]
    assert [path.name for path in sorted(videos.iterdir())] == names
    provenance = json.loads((videos / "provenance.json").read_text())
    assert provenance["synthetic"] is True and provenance["seed"] == 3
    assert provenance["parameters"] == SMALL.parameters()


def test_bytes_depend_on_the_plan_only(videos: Path, tmp_path: Path) -> None:
    write_gaze_videos(tmp_path / "one", replace(SMALL, subjects=1), processes=1)
    one, two = digests(tmp_path / "one"), digests(videos)
    for name in ("s001.mp4", "s001.json"):
        assert one[name] == two[name], "neither the processes nor other people matter"
    assert two["s001.mp4"] != two["s002.mp4"]
    write_gaze_videos(tmp_path / "other", replace(SMALL, subjects=1, seed=4), processes=1)
    assert digests(tmp_path / "other")["s001.mp4"] != one["s001.mp4"]


@pytest.mark.parametrize(("name", "size"), [("s001", (640, 360)), ("s002", (360, 640))])
def test_a_video_has_its_frames(videos: Path, name: str, size: tuple[int, int]) -> None:
    import cv2

    video = cv2.VideoCapture(str(videos / f"{name}.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(8)
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    assert len(frames) == SMALL.frames() == 8
    assert {frame.shape for frame in frames} == {(*size[::-1], 3)}
    assert len(session(videos, name)["truth"]["frames"]["time_ms"]) == 8


def test_the_session_says_who_looked_at_what(videos: Path) -> None:
    first, second = session(videos), session(videos, "s002")
    assert (first["subject"], second["subject"]) == ("s001-3", "s002-3")
    assert (first["device"], first["orientation"]) == ("tablet", "landscape")
    assert (second["device"], second["orientation"]) == ("tablet", "portrait")
    for found, device in ((first, DEVICES[0]), (second, DEVICES[1])):
        assert found["screen_px"] == list(device.screen_px)
        assert found["screen_cm"] == list(device.screen_cm)
        assert found["camera_cm"] == list(device.camera_cm)
        assert (found["unit"], found["mirrored"], found["session"]) == ("px", False, "1")
        stimuli = found["stimuli"]
        assert [(s["start_ms"], s["end_ms"], s["point"]) for s in stimuli] == [
            (0, 500, "1"), (500, 1000, "2"),
        ]  # fmt: skip
        for stimulus in stimuli:
            assert 0 < stimulus["x"] < device.screen_px[0]
            assert 0 < stimulus["y"] < device.screen_px[1]


def test_the_truth_is_that_of_the_frames(videos: Path) -> None:
    found = session(videos)
    truth, frames = found["truth"], found["truth"]["frames"]
    assert truth["kappa_deg"].keys() == {"left", "right"}
    assert truth["clock_offset_ms"] == 0
    assert [len(np.shape(frames[key])) for key in ("gaze_cm", "head_cm", "head_deg", "closed")] == [
        2, 2, 2, 1,
    ]  # fmt: skip
    (at,) = (t for t in [truth["gaze_onsets_ms"][1]])
    settled = np.array(frames["time_ms"]) > at + 45
    last = found["stimuli"][1]
    target = DEVICES[0].to_cm(np.array([[last["x"], last["y"]]]))[0]
    assert np.abs(np.array(frames["gaze_cm"])[settled] - target).max() < 1
    assert np.array(frames["head_cm"])[:, 2] == pytest.approx(44, abs=9)
    assert np.abs(frames["head_deg"]).max() <= 12


def test_a_late_clock_shifts_the_video_and_not_the_stimuli() -> None:
    plan = replace(SMALL, points=6, fps=30.0)
    late = replace(plan, clock_offset_ms=400.0)
    assert late.frames() == plan.frames() + 12
    one, other = (draw_session(np.random.default_rng(1), p, DEVICES[0]) for p in (plan, late))
    np.testing.assert_allclose(other.onsets_ms, one.onsets_ms + 400)
    np.testing.assert_array_equal(other.starts_ms, one.starts_ms)
    np.testing.assert_array_equal(other.targets_px, one.targets_px)
    gap = np.abs(other.gaze_cm[12:] - one.gaze_cm).max(axis=1)
    assert np.median(gap) < 0.5 < np.median(np.abs(other.gaze_cm[: len(one.gaze_cm)] - one.gaze_cm))
    looks = draw_looks(np.random.default_rng(0))
    said = [describe("a", p, DEVICES[0], s, looks) for p, s in ((plan, one), (late, other))]
    assert said[0]["stimuli"] == said[1]["stimuli"]
    assert said[1]["truth"]["clock_offset_ms"] == 400
    assert np.subtract(*[s["truth"]["gaze_onsets_ms"] for s in said[::-1]]) == pytest.approx(400)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subjects": 0}, "subjects is 0"), ({"points": 0}, "points is 0"),
        ({"fps": 0.0}, "fps is 0"), ({"fps": 1000.0}, "fps is 1000"),
        ({"fps": float("nan")}, "fps is nan"), ({"stimulus_ms": 10.0}, "stimulus_ms is 10"),
        ({"seed": -1}, "seed is -1"), ({"size": (160, 90)}, "size is 160x90"),
    ],
)  # fmt: skip
def test_nonsense_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        write_gaze_videos(tmp_path / "x", replace(SMALL, **changes))
    assert not (tmp_path / "x").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(DataError, match="not an empty folder"):
        write_gaze_videos(tmp_path, SMALL)


def test_plans_have_names_of_their_own() -> None:
    names = {
        plan.digest()
        for plan in (SMALL, replace(SMALL, seed=4), replace(SMALL, fps=9.0),
                     replace(SMALL, devices=DEVICES[:1]))
    }  # fmt: skip
    assert len(names) == 4 and SMALL.digest() == replace(SMALL).digest()
