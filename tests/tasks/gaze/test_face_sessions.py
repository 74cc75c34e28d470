"""Face videos and whole pictures through the preparation: what is kept, dropped, refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from face_videos import (
    RATE,
    WIDTH,
    face,
    frames,
    set_rotation,
    set_times,
    write_session,
    write_video,
)

from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import check_source, prepare
from eyecli.data.prepared import SESSIONS, Prepared, open_prepared
from eyecli.data.unite import UniteSettings
from eyecli.errors import DataError, UsageError
from eyecli.sources.source import fetch_path
from eyecli.tasks.base import all_layouts
from eyecli.tasks.gaze.layouts import read_raw
from eyecli.tasks.gaze.session_file import parse_session
from eyecli.tasks.gaze.session_frames import VideoJob, extract_video
from eyecli.tasks.gaze.settings import GazePreprocess
from eyecli.workspace.store import open_workspace

# One face is in all of them: what is tested here is not the split.
ALONE = SplitSettings(group="none", unsafe_split="one face")
ONE = GazePreprocess(processes=1)


def prepared(
    folder: Path, settings: GazePreprocess = ONE, split: SplitSettings = ALONE, name: str = "w"
) -> Prepared:
    root = open_workspace(folder.parent / name, create=True)
    source = fetch_path(root, folder, all_layouts()).artifact
    assert source.manifest.summary["layout"] in ("face-sessions", "image-table")
    return open_prepared(prepare(root, "gaze", source, read_raw, settings, split)[0].artifact)


def sessions(found: Prepared) -> pd.DataFrame:
    return pd.read_csv(found.artifact.path / SESSIONS)


def test_a_session_becomes_samples(tmp_path: Path) -> None:
    write_session(tmp_path / "data", device="tablet", distance_cm=50)
    found = prepared(tmp_path / "data")
    index = found.index
    # Two seconds at 25 frames; the first half of each stimulus is left out.
    times = [520.0, *np.arange(560, 1000, 40), *np.arange(1520, 2000, 40)]
    assert index["time_ms"].tolist() == pytest.approx(times)
    assert set(index["point"]) == {"100_100", "900_400"}
    assert set(zip(index["target_x"], index["target_y"], strict=True)) == {(-8, -2.5), (8, -8.5)}
    assert index["stimulus"].tolist() == [0] * 12 + [1] * 12
    assert set(index["device"]) == {"tablet"} and set(index["orientation"]) == {"landscape"}
    assert index["openness"].between(0.15, 0.6).all() and index["yaw"].abs().max() < 30
    assert found.setup["unit"] == "cm" and found.setup["inputs"] == ["face", "eyes", "boxes"]
    assert found.arrays.names == ["boxes", "face", "left", "right", "transforms"]
    assert (found.artifact.path / "contact-sheet.jpg").is_file()
    # Of each stimulus one frame is looked at for near-duplicates, and these two are.
    pairs = pd.read_csv(found.artifact.path / "lookalikes.csv")
    assert pairs[["first", "second"]].to_numpy().tolist() == [["p01/000013", "p01/000038"]]
    (row,) = sessions(found).to_dict("records")
    assert (row["frames"], row["shown"], row["kept"], row["settling"]) == (50, 24, 24, 26)
    assert (row["rate_hz"], row["duration_s"], row["distance_cm"]) == (25.0, 2.0, 50)
    assert (row["screen_w_cm"], row["camera_y_cm"], row["clock_offset_ms"]) == (20.0, 0.5, 0.0)


def test_crops_show_the_eyes_the_right_one_mirrored(tmp_path: Path) -> None:
    """Mirrored, the right eye looks like a left one: the nose is on the same side of both."""
    write_session(tmp_path / "data")
    arrays = prepared(tmp_path / "data").arrays
    left, right = (arrays.take(name, [0])[0].astype(float) for name in ("left", "right"))

    def alike(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])

    assert alike(left, right) > alike(left, right[:, ::-1])


def test_settling_clock_and_number_of_processes(tmp_path: Path) -> None:
    write_session(tmp_path / "data", "p01")
    write_session(tmp_path / "data", "p02")
    data = tmp_path / "data"
    one = prepared(data)
    two = prepared(data, replace(ONE, processes=2), name="w2")
    assert one.artifact.manifest.digest == two.artifact.manifest.digest
    assert len(prepared(data, replace(ONE, settle_ms=0)).index) == 100
    late = prepared(data, replace(ONE, clock_offset_ms="80"))
    first = late.index[late.index["subject"] == "p01"]
    assert first["time_ms"].min() == 600 and set(sessions(late)["clock_offset_ms"]) == {80.0}


def test_the_number_of_processes_is_no_new_work(tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    root = open_workspace(tmp_path / "w", create=True)
    source = fetch_path(root, tmp_path / "data", all_layouts()).artifact
    prepare(root, "gaze", source, read_raw, ONE, ALONE)
    again = prepare(root, "gaze", source, read_raw, replace(ONE, processes=2), ALONE)
    assert again[0].cached


def test_frames_are_timed_by_presentation(tmp_path: Path) -> None:
    """Frames of 80 and 20 ms in turn: half of them are shown four times as long."""
    video = write_session(tmp_path / "data", pictures=frames(40))
    set_times(video, [80, 20] * 20)
    index = prepared(tmp_path / "data").index
    assert index["time_ms"].tolist()[:4] == pytest.approx([500, 580, 600, 680])


def test_the_rate_of_a_variable_frame_rate_is_its_mean(tmp_path: Path) -> None:
    """Most frames are shown for 20 ms, but it takes two seconds to show 50."""
    video = write_session(tmp_path / "data")
    set_times(video, [20] * 30 + [70] * 20)
    (row,) = sessions(prepared(tmp_path / "data")).to_dict("records")
    assert row["rate_hz"] == pytest.approx(49 / 1.93, abs=0.01)


def test_a_rotated_video_is_turned_upright(tmp_path: Path) -> None:
    """Filmed on its side, with the flag that says so."""
    straight = prepared(tmp_path_of(tmp_path, "a", frames(50)))
    video_folder = tmp_path_of(tmp_path, "b", [np.rot90(f) for f in frames(50)], turns=1)
    turned = prepared(video_folder)
    assert len(turned.index) == len(straight.index)
    assert np.abs(turned.index["roll"] - straight.index["roll"]).max() < 2
    difference = straight.arrays.take("face", [3]).astype(int) - turned.arrays.take("face", [3])
    assert np.abs(difference).mean() < 6


def tmp_path_of(tmp_path: Path, name: str, pictures: list[np.ndarray], turns: int = 0) -> Path:
    video = write_session(tmp_path / name / "data", pictures=pictures)
    set_rotation(video, turns)
    return tmp_path / name / "data"


def test_a_mirror_image_is_mirrored_back(tmp_path: Path) -> None:
    straight = prepared(tmp_path_of(tmp_path, "a", frames(50)))
    write_session(tmp_path / "b" / "data", pictures=[f[:, ::-1] for f in frames(50)], mirrored=True)
    back = prepared(tmp_path / "b" / "data")
    assert np.abs(back.index["yaw"].iloc[5] - straight.index["yaw"].iloc[5]) < 2
    difference = straight.arrays.take("left", [5]).astype(int) - back.arrays.take("left", [5])
    assert np.abs(difference).mean() < 8


def test_frames_without_a_face_are_counted_and_shown(tmp_path: Path) -> None:
    pictures = frames(50)
    for i in (15, 16, 17):
        pictures[i] = np.full_like(face(), 90)
    write_session(tmp_path / "data", pictures=pictures)
    found = prepared(tmp_path / "data")
    (row,) = sessions(found).to_dict("records")
    assert (row["no_face"], row["kept"], row["shown"]) == (3, 21, 24)
    card = (found.artifact.path / "card.md").read_text()
    assert "- 3: no face" in card and "- 26: settling" in card
    left_out = pd.read_csv(found.artifact.path / "dropped.csv")
    assert left_out["place"].tolist() == ["0.600 s", "0.640 s", "0.680 s"]
    assert set(left_out["file"]) == {"p01.mp4"} and set(left_out["reason"]) == {"no face"}
    assert "of 24 frames while a target was looked at, 21 became samples" in card
    assert (
        "contact-sheet.jpg` shows samples" in card
        and "Not shown in this card: face, left, right" in card
    )


def test_one_video_without_a_face_among_good_ones_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_session(tmp_path / "data", "p01")
    write_session(tmp_path / "data", "p02", pictures=[np.full_like(face(), 90)] * 50)
    found = prepared(tmp_path / "data")
    assert set(found.index["subject"]) == {"p01"}
    assert sessions(found)["kept"].tolist() == [24, 0]
    assert any("p02.mp4 gives no sample" in r.message for r in caplog.records)


def test_others_in_the_picture_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    part = face()[:, WIDTH // 4 : WIDTH * 3 // 4]
    write_session(tmp_path / "data", pictures=[np.hstack([part, part])] * 50)
    found = prepared(tmp_path / "data")
    assert sessions(found)["several_faces"].tolist() == [2]
    assert any("show several people" in r.message for r in caplog.records)


def test_an_eye_beyond_the_edge_is_no_sample(tmp_path: Path) -> None:
    """The mesh guesses where it would be; the crop would be the frame's edge, repeated."""
    cut = np.zeros_like(face())
    cut[:, :360] = face()[:, 280:]
    write_session(tmp_path / "data", pictures=[cut] * 50)
    with pytest.raises(DataError, match="24 eye outside") as error:
        prepared(tmp_path / "data")
    assert "whole face in the picture" in str(error.value.hint)


def test_auto_says_how_many_it_cannot_correct(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_session(tmp_path / "data")
    prepared(tmp_path / "data", replace(ONE, clock_offset_ms="auto"))
    assert any("1 of 1 sessions cannot be told" in r.message for r in caplog.records)


def test_what_to_look_at_is_said_by_the_reason_that_took_most(tmp_path: Path) -> None:
    """Times in seconds: nothing is shown when the frames are."""
    stimuli = [{"start_ms": 0, "end_ms": 1, "x": 100, "y": 100},
               {"start_ms": 1, "end_ms": 2, "x": 900, "y": 400}]  # fmt: skip
    write_session(tmp_path / "data", stimuli=stimuli)
    with pytest.raises(DataError, match="49 no stimulus") as error:
        prepared(tmp_path / "data")
    assert "times of the stimuli in ms" in str(error.value.hint)


def bad(folder: Path, what: str) -> str:
    """Make a source with one fault; return what must be said of it."""
    if what == "no face":
        write_session(folder, pictures=[np.full_like(face(), 90)] * 50)
        return "no frame is left: 24 no face, 26 settling"
    video = write_session(folder)
    notes = video.with_suffix(".json")
    text = notes.read_text()
    if what == "bad JSON":
        notes.write_text(text[:-5])
        return "p01.json: not JSON"
    if what == "NaN target":
        notes.write_text(text.replace('"x": 900', '"x": NaN'))
        return "p01.json: stimuli[1].x is nan"
    if what == "zero frames":
        write_video(video, [])
        return "p01.mp4: not a readable video, or without frames"
    if what == "timeline longer":
        notes.write_text(text.replace('"end_ms": 2000', '"end_ms": 9000'))
        return "p01.mp4: is 2000 ms long, but stimuli[1] of its JSON ends at 9000 ms"
    if what == "no JSON":
        write_session(folder, "p02")
        notes.unlink()
        return "p01.mp4: no p01.json beside it"
    if what == "no video":
        write_session(folder, "p02")
        video.unlink()
        return "p01.json: a session, but no video beside it"
    if what == "two endings":
        shutil.copy(video, video.with_suffix(".mov"))
        return "p01.mov: another video has p01.json beside it too"
    if what == "twice":
        write_session(folder, "p02", subject="p01", session="p01")
        return "p02.json: the subject and session of"
    raise AssertionError(what)


FAULTS = ("bad JSON", "NaN target", "zero frames", "timeline longer", "no face", "no JSON",
          "no video", "two endings", "twice")  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_named_and_nothing_is_published(tmp_path: Path, what: str) -> None:
    said = bad(tmp_path / "data", what)
    with pytest.raises(DataError) as error:
        prepared(tmp_path / "data")
    assert said in error.value.message and "\n" not in error.value.message
    assert not (tmp_path / "w" / "prepared").exists()
    assert not list((tmp_path / "w" / "tmp").iterdir())


def test_a_dry_run_reads_all_and_writes_nothing(tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    root = open_workspace(tmp_path / "w", create=True)
    source = fetch_path(root, tmp_path / "data", all_layouts()).artifact
    lines = check_source(root, source, read_raw, ONE, ALONE)
    assert "24 samples, 1 subjects" in lines[0] and "26 left out: settling" in lines[0]
    assert lines[1:] == ["0 problems"]
    assert not (root / "prepared").exists()


def test_flags_of_the_screen_are_the_sessions_own(tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    with pytest.raises(UsageError, match="--screen-cm does not go with face sessions"):
        prepared(tmp_path / "data", replace(ONE, screen_cm="20x10"))


def test_sessions_of_two_sources_keep_their_people_apart(tmp_path: Path) -> None:
    root = open_workspace(tmp_path / "w", create=True)
    made = []
    for name in ("a", "b"):
        write_session(tmp_path / name, pictures=frames(50 + (name == "b")))
        made.append(fetch_path(root, tmp_path / name, all_layouts(), name=name).artifact)
    outcome, _ = prepare(
        root, "gaze", made[0], read_raw, ONE, ALONE,
        more=made[1:], unite=UniteSettings(distinct_subjects=True),
    )  # fmt: skip
    found = open_prepared(outcome.artifact)
    assert set(found.index["subject"]) == {"a/p01", "b/p01"}
    assert set(sessions(found)["subject"]) == {"a/p01", "b/p01"}


def picture_table(folder: Path, pictures: dict[str, np.ndarray], **columns: Any) -> None:
    folder.mkdir()
    rows = []
    for i, (name, pixels) in enumerate(pictures.items()):
        cv2.imwrite(str(folder / name), pixels[..., ::-1])
        rows.append({"subject": f"p{i}", "target_x": i, "target_y": -i, "frame": name, **columns})
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)


@pytest.mark.parametrize("packed", [False, True])
def test_faces_of_whole_pictures_are_found_or_dropped_with_a_reason(
    tmp_path: Path, packed: bool
) -> None:
    tiny = np.full_like(face(), 60)
    tiny[:108, :192] = cv2.resize(face(), (192, 108), interpolation=cv2.INTER_AREA)
    pictures = {"a.png": face(), "b.png": np.roll(face(), 40, axis=1), "none.png": face() // 255,
                "tiny.png": tiny, "c.png": np.roll(face(), -40, axis=1)}  # fmt: skip
    picture_table(tmp_path / "data", pictures)
    place = tmp_path / "data"
    if packed:
        place = Path(shutil.make_archive(str(place), "zip", place))
    found = prepared(place, replace(ONE, unit="cm"))
    assert found.index["subject"].tolist() == ["p0", "p1", "p4"]
    assert found.index["target_x"].tolist() == [0, 1, 4] and set(found.index["faces"]) == {1}
    assert found.artifact.manifest.summary["samples"] == 3
    card = (found.artifact.path / "card.md").read_text()
    assert "- 1: no face" in card and "- 1: small face" in card
    left_out = pd.read_csv(found.artifact.path / "dropped.csv")
    assert left_out[["file", "reason"]].to_numpy().tolist() == [
        ["none.png", "no face"], ["tiny.png", "small face"]
    ]  # fmt: skip
    assert (found.artifact.path / "contact-sheet.jpg").is_file()
    assert found.setup["unit"] == "cm" and found.setup["inputs"] == ["face", "eyes", "boxes"]


@pytest.mark.parametrize("column", ["left", "face", "face_box_x"])
def test_whole_pictures_and_crops_do_not_mix(tmp_path: Path, column: str) -> None:
    value = "a.png" if "box" not in column else 0.5
    picture_table(tmp_path / "data", {"a.png": face()}, **{column: value})
    with pytest.raises(DataError, match=column):
        prepared(tmp_path / "data")


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    picture_table(tmp_path / "data", {name: face() for name in ("a.png", "b.png", "c.png")})
    (tmp_path / "data" / "b.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"b\.png.*not a readable image"):
        prepared(tmp_path / "data")


def test_rate_of_the_fixtures() -> None:
    assert RATE == 25  # the times above are counted in its frames


def test_a_video_that_is_not_what_was_fetched_is_refused(tmp_path: Path) -> None:
    video = write_session(tmp_path)
    session = parse_session(video.with_suffix(".json").read_bytes(), "p01.json")
    job = VideoJob(video, "0" * 64, "p01.mp4", "p01", session, tmp_path / "crops", 64, 64, 500, 0)
    found = extract_video(job)
    assert found.rows == [] and found.problems == [f"{video} changed since it was fetched"]
    gone = extract_video(replace(job, video=tmp_path / "gone.mp4"))
    assert gone.problems == [f"{tmp_path / 'gone.mp4'}: No such file or directory"]
