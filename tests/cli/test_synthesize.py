"""``synthesize gaze`` and ``fetch sample``: face videos by name, and what cannot be made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import Done

from eyecli.cli.main import run

Call = Callable[..., Done]
SMALL = ("--subjects", "1", "--points", "1", "--stimulus-ms", "500", "--fps", "6",
         "--size", "640x360")  # fmt: skip
SCREEN = "--screen-px 1366x768 --screen-cm 34.4x19.3"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("--subjects 0", "subjects is 0", "from 1 to 999"),
        ("--name a/b", "--name 'a/b' cannot be used", ""),
        ("--points 0", "points is 0", "from 1 to 999"),
        ("--fps 0", "fps is 0", "from 5 to 120"),
        ("--fps nan", "fps is nan", "from 5 to 120"),
        ("--stimulus-ms 3", "stimulus_ms is 3", "from 500"),
        ("--size 1280", "--size '1280' is no pair of numbers", "1366x768"),
        ("--size infx720", "--size 'infx720' is no pair", "1366x768"),
        ("--size 320x240", "px high in a frame of 320x240", "a larger --size"),
        ("--screen-px 1366x768", "needs both --screen-px and --screen-cm", ""),
        ("--screen-cm 34.4x19.3", "needs both --screen-px and --screen-cm", ""),
        ("--distance-cm 60", "--distance-cm is that of one screen", "add --screen-px"),
        ("--camera-cm 1,2", "--camera-cm is that of one screen", "add --screen-px"),
        (f"{SCREEN} --camera-cm 17x0", "--camera-cm '17x0' is no pair", "17.2,0.7"),
        (f"{SCREEN} --distance-cm 30", "too near for the eyes", "at least 43 cm"),
        (f"{SCREEN} --camera-cm 99,0", "not in the picture", "middle of an edge"),
    ],
)
def test_nonsense_is_refused_in_two_lines(
    eyecli: Call, tmp_path: Path, words: str, message: str, hint: str
) -> None:
    done = eyecli("synthesize", "gaze", *words.split())
    assert (done.code, done.out) == (2, "")
    assert message in done.complaint[0] and hint in "".join(done.complaint[1:])
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_would_be_made(eyecli: Call, tmp_path: Path) -> None:
    done = eyecli("synthesize", "gaze", "--dry-run")
    assert done.out.startswith("8 videos of 234 frames would be written to eyecli-workspace")
    done = eyecli("synthesize", "gaze", *SCREEN.split(), "--dry-run", "--json", "--folder", "x")
    assert json.loads(done.out) == {"videos": 8, "frames": 8 * 234, "folder": "x"}
    assert eyecli("fetch", "sample", "gaze", "--dry-run").out.startswith("8 videos of 234 frames")
    done = eyecli("fetch", "sample", "gaze", "--points", "2", "--subjects", "3", "--dry-run")
    assert done.out.startswith("3 videos of 36 frames")
    assert list(tmp_path.iterdir()) == []


def test_frames_are_for_eyes(eyecli: Call) -> None:
    done = eyecli("fetch", "sample", "gaze", "--frames", "2")
    assert done.code == 2 and "--frames is not for the sample of gaze" in done.complaint[0]
    assert "synthesize gaze" in done.complaint[1]
    done = eyecli("fetch", "sample", "gaze-eyes", "--frames", "2", "--points", "1", "--dry-run")
    assert done.out.startswith("16 samples would be written")


@pytest.mark.parametrize("task", ["gaze", "gaze-eyes", "dr", "oct", "icp", "scanpath"])
def test_what_a_sample_cannot_be_is_refused_before_it_is_made(
    eyecli: Call, tmp_path: Path, task: str
) -> None:
    for more in (("--name", "../x"), ("--seed", "4294967297"), ("--seed", "-1")):
        done = eyecli("fetch", "sample", task, *more)
        assert (done.code, done.out) == (2, ""), more
        assert not list(tmp_path.glob("*/samples/*")), more


def test_videos_are_published_as_synthetic(eyecli: Call) -> None:
    done = eyecli("synthesize", "gaze", *SMALL, "--json", "--name", "made")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["ref"] == "source/gaze/made@v1"
    assert document["flags"] == {"synthetic": True}
    assert document["licences"] == ["CC0-1.0"]
    assert document["summary"]["layout"] == "face-sessions"
    (folder,) = Path("eyecli-workspace/samples").iterdir()
    video = (folder / "s001.mp4").stat()
    again = eyecli("synthesize", "gaze", *SMALL, "--name", "made")
    assert again.ref == "source/gaze/made@v1"
    assert (folder / "s001.mp4").stat().st_mtime_ns == video.st_mtime_ns, "found, not made again"


def test_a_folder_of_other_videos_is_not_taken(tmp_path: Path, eyecli: Call) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/mine.txt").touch()
    done = eyecli("synthesize", "gaze", *SMALL, "--folder", "there")
    assert done.code == 3 and "does not hold this sample" in done.complaint[0]
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine.txt"]


def test_help_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["synthesize", "gaze", "--help"]) == 0
    assert "--stimulus-ms" in capfd.readouterr().out
