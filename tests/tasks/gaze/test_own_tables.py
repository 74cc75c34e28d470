"""Gaze data of other people's making: their columns, their file names, and the schema's example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from face_videos import frames, write_video
from test_gaze_layouts import picture, pixels_of, read, source

from eyecli.data.fields import example
from eyecli.errors import DataError, UsageError
from eyecli.sources.layouts import Listing, recognise
from eyecli.sources.source import Source
from eyecli.tasks.gaze.fields import LAYOUTS


def files(folder: Path, *names: str, **more: Any) -> Source:
    """A source of images with these names, and of a table where there is one."""
    text: dict[str, bytes] = {"gaze.tsv": more.pop("text").encode()} if "text" in more else {}
    made = source(folder, {n: picture(i) for i, n in enumerate(names)} | text, "image-table")
    return Source(made.folder, made.layout, made.digests, **more)


def test_what_is_only_recognised_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gazecapture is recognised, but not read yet"):
        read(source(tmp_path, {"00002/dotInfo.json": b"{}"}, "gazecapture"))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "gazecapture"])
def test_the_example_of_the_schema_is_read(tmp_path: Path, layout: str) -> None:
    text = example(LAYOUTS[layout])
    if layout == "image-table":
        images = text.splitlines()[1].split(",")[-2:]
        content = {name: picture(i) for i, name in enumerate(images)} | {"any.csv": text.encode()}
    elif layout == "face-sessions":
        video = write_video(tmp_path / "p01.mp4", frames(75)).read_bytes()
        content = {"p01.mp4": video, "p01.json": text.encode()}
    else:
        content = {name: picture(i) for i, name in enumerate(text.split())}
    tasks = {name: ("gaze", entry) for name, entry in LAYOUTS.items()}
    listing = Listing(list(content), lambda name, size: content[name][:size])
    assert recognise(listing, tasks, tmp_path) == layout
    raw = read(source(tmp_path, content, layout))
    assert raw.problems == []
    if layout == "face-sessions":
        assert [row["point"] for row in raw.table] == ["640_360", "1200_90"]
        return
    assert len(raw.table) == 1
    assert (raw.table[0]["target_x"], raw.table[0]["target_y"]) == (640, 360)
    assert raw.setup["inputs"] == ["eyes"]


def test_a_table_of_other_names_is_read(tmp_path: Path) -> None:
    found = files(
        tmp_path, "a.png", "b.png", table="gaze.tsv",
        text="monkey_id\tgx\tgy\tOS\tOD\tsubject\nlulu\t3\t4\ta.png\tb.png\tno\n",
        columns={"subject": "monkey_id", "target_x": "gx", "target_y": "gy", "left": "OS",
                 "right": "OD"},
    )  # fmt: skip
    raw = read(found)
    assert raw.problems == [] and raw.files == [["a.png", "b.png"]]
    assert raw.table == [
        {"sample": "row000002", "subject": "lulu", "session": "", "point": "3_4", "target_x": 3.0,
         "target_y": 4.0}
    ]  # fmt: skip


def test_columns_that_go_together_are_still_asked_for(tmp_path: Path) -> None:
    text = "subject\ttarget_x\ttarget_y\tOS\nlulu\t3\t4\ta.png\n"
    found = files(tmp_path, "a.png", table="gaze.tsv", text=text, columns={"left": "OS"})
    with pytest.raises(DataError, match=r"gaze\.tsv: column 'right' is missing"):
        read(found)


def test_names_fill_what_the_table_lacks(tmp_path: Path) -> None:
    found = files(
        tmp_path, "deep/lulu_1_l.png", "deep/lulu_1_r.png", table="gaze.tsv",
        text="target_x\ttarget_y\tleft\tright\n3\t4\tdeep/lulu_1_l.png\tdeep/lulu_1_r.png\n",
        filename="{subject}_{session}_{}.png",
    )  # fmt: skip
    raw = read(found)
    assert raw.problems == []
    assert (raw.table[0]["subject"], raw.table[0]["session"]) == ("lulu", "1")


def test_faces_need_no_table(tmp_path: Path) -> None:
    found = files(tmp_path, "ann/3_4.png", "bob/5_-6.5.png", "readme.txt", "bob/late.png",
                  filename="{subject}/{target_x}_{target_y}.png")  # fmt: skip
    raw = read(found)
    assert [(row["sample"], row["subject"], row["target_y"]) for row in raw.table] == [
        ("ann/3_4.png", "ann", 4.0), ("bob/5_-6.5.png", "bob", -6.5)
    ]  # fmt: skip
    assert raw.files == [["ann/3_4.png"], ["bob/5_-6.5.png"]] and raw.setup["inputs"] == ["face"]
    assert raw.problems == [
        f"{tmp_path / 'bob/late.png'}: the name is not like --filename "
        "{subject}/{target_x}_{target_y}.png"
    ]


def test_eyes_are_paired_by_all_else_in_their_names(tmp_path: Path) -> None:
    """Folders and parts that are not kept tell samples apart too."""
    names = [
        f"{day}/{who}_3_4_{frame}_{eye}.png"
        for day in ("mon", "tue") for who in ("ann", "bob") for frame in (1, 2)
        for eye in ("OS", "od")
    ]  # fmt: skip
    pattern = "{subject}_{target_x}_{target_y}_{}_{eye}.png"
    raw = read(files(tmp_path, *names, filename=pattern))
    assert raw.problems == [] and len(raw.table) == 8
    for first, second in raw.files:
        assert first.endswith("_OS.png") and second == first.replace("_OS", "_od")
    found = files(tmp_path, *names, filename=pattern)
    row = raw.convert(0, found.read)
    left, right = (pixels_of((tmp_path / path).read_bytes()) for path in raw.files[0])
    np.testing.assert_array_equal(row["left"], left)
    np.testing.assert_array_equal(row["right"], right[:, ::-1])


def test_eyes_that_are_no_pair_are_problems(tmp_path: Path) -> None:
    names = ("a_1_1_l.png", "a_1_1_left.png", "a_1_1_r.png", "a_2_2_r.png", "a_3_3_x.png",
             "a_z_1_l.png", "a_z_1_r.png")  # fmt: skip
    raw = read(files(tmp_path, *names, filename="{subject}_{target_x}_{target_y}_{eye}.png"))
    assert raw.files == [["a_1_1_l.png", "a_1_1_r.png"]]
    choices = "left, right, l, r, os, od"
    assert raw.problems == [
        f"{tmp_path / 'a_3_3_x.png'}: eye 'x' is none of {choices}",
        f"{tmp_path / 'a_1_1_left.png'}: a second left eye besides a_1_1_l.png",
        f"{tmp_path / 'a_2_2_r.png'}: no left eye",
        f"{tmp_path / 'a_z_1_l.png'}: target_x 'z' is not a number",
    ]


def test_no_file_of_an_image_is_no_sample(tmp_path: Path) -> None:
    found = files(tmp_path, "a.txt", filename="{subject}_{target_x}_{target_y}.png")
    with pytest.raises(DataError, match="no samples found"):
        read(found)


def test_eye_crops_keep_their_names(tmp_path: Path) -> None:
    crops = source(tmp_path, {"left/1_2.png": b"", "right/1_2.png": b""}, "eye-crops")
    with pytest.raises(UsageError, match="--filename: layout eye-crops has no table"):
        read(Source(crops.folder, crops.layout, crops.digests, filename="{eye}/{target_x}.png"))
