from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.raw import Raw
from eyecli.errors import DataError, UsageError
from eyecli.sources.source import Source
from eyecli.tasks.gaze.fields import BOXES, is_eye_crops, is_image_table
from eyecli.tasks.gaze.layouts import read_crop, read_eye_crops, read_raw
from eyecli.tasks.gaze.settings import GazePreprocess, parse_size

SIZE = 32


def picture(seed: int, shape: tuple[int, int] = (SIZE, SIZE)) -> bytes:
    """A PNG of smooth noise without any symmetry."""
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".png", cv2.resize(pixels, shape[::-1]))[1])


def pixels_of(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), 1)[..., ::-1]


def source(folder: Path, files: Mapping[str, bytes], layout: str) -> Source:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    return Source(folder, layout, digests)


def crops(folder: Path, *names: str) -> Source:
    return source(folder, {name: picture(i) for i, name in enumerate(names)}, "eye-crops")


ROW: dict[str, Any] = {"left": "l.png", "right": "r.png", "subject": "ann", "session": "1",
                       "target_x": 100, "target_y": 50.5, "point": "p1"}  # fmt: skip


def table(folder: Path, *rows: dict[str, Any], text: bytes | None = None) -> Source:
    """A source of an image table; `rows` change the usual row."""
    if text is None:
        stream = io.StringIO()
        found = [{k: v for k, v in (ROW | row).items() if v is not None} for row in rows]
        writer = csv.DictWriter(stream, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
        text = stream.getvalue().encode()
    images = {"l.png": picture(1), "r.png": picture(2), "f.png": picture(3, (60, 40))}
    return source(folder, images | {"table.csv": text}, "image-table")


def read(found: Source, **settings: Any) -> Raw:
    return read_raw(found, GazePreprocess(**{"eye_size": SIZE, "face_size": 48} | settings))


# Eye crops


def test_eye_crops_are_paired_by_their_target(tmp_path: Path) -> None:
    names = [f"{side}/{stem}.bmp" for side in ("left", "right") for stem in ("7_9", "-5_12")]
    raw = read(crops(tmp_path, *names, "notes.txt"))
    assert raw.problems == []
    assert [(row["sample"], row["target_x"], row["target_y"]) for row in raw.table] == [
        ("-5_12", -5.0, 12.0),
        ("7_9", 7.0, 9.0),
    ]
    assert {row["subject"] for row in raw.table} == {""}
    assert [row["point"] for row in raw.table] == ["-5_12", "7_9"]
    assert raw.files == [[f"left/{s}.bmp", f"right/{s}.bmp"] for s in ("-5_12", "7_9")]
    assert raw.setup["inputs"] == ["eyes"] and set(raw.specs) == {"left", "right"}


def test_an_eye_without_the_other_is_a_problem(tmp_path: Path) -> None:
    raw = read(crops(tmp_path, "left/1_2.bmp", "right/1_2.bmp", "left/3_4.bmp", "right/5_6.bmp"))
    assert len(raw.table) == 1
    assert raw.problems == [
        f"{tmp_path / 'left/3_4.bmp'}: no right eye of 3_4",
        f"{tmp_path / 'right/5_6.bmp'}: no left eye of 5_6",
    ]


def test_two_files_of_one_eye_are_a_problem(tmp_path: Path) -> None:
    raw = read(crops(tmp_path, "left/1_2.bmp", "left/1_2.png", "right/1_2.bmp"))
    assert raw.problems == [f"{tmp_path / 'left/1_2.png'}: a second left eye besides left/1_2.bmp"]


def test_other_files_are_left_out(tmp_path: Path) -> None:
    found = crops(tmp_path, "left/1_2.JPG", "right/1_2.jpeg", "left/a_b.bmp", "left/1_2_3.bmp",
                  "left/sub/1_2.bmp", "middle/1_2.bmp", "1_2.bmp", "left/1.5_2.bmp")  # fmt: skip
    samples, files, problems = read_eye_crops(found)
    assert files == [["left/1_2.JPG", "right/1_2.jpeg"]] and len(samples) == 1 and not problems


def test_layouts_are_recognised_by_names() -> None:
    eyes = [f"{side}/{x}_5.bmp" for side in ("left", "right") for x in range(5)]
    assert is_eye_crops(eyes) and is_eye_crops([*eyes, "readme.md"])
    assert not is_eye_crops([]) and not is_eye_crops(["a.bmp"])
    assert not is_eye_crops(eyes[:2] + [f"x{i}.png" for i in range(5)]), "a minority"
    assert is_image_table(["table.csv", "a.png"]) and not is_image_table(["sub/table.csv"])
    assert not is_image_table(eyes)


def test_an_empty_source_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no samples found"):
        read(crops(tmp_path, "notes.txt"))
    with pytest.raises(DataError, match="layout oct-volumes is not one of gaze"):
        read(replace(crops(tmp_path, "left/1_2.bmp"), layout="oct-volumes"))


# Pixels


def test_the_right_eye_is_mirrored_and_the_left_is_not(tmp_path: Path) -> None:
    found = table(tmp_path, {})
    raw = read(found)
    row = raw.convert(0, found.read)
    np.testing.assert_array_equal(row["left"], pixels_of(picture(1)))
    np.testing.assert_array_equal(row["right"], pixels_of(picture(2))[:, ::-1])
    assert raw.setup["mirrored"] == ["right"]
    assert all(values.flags["C_CONTIGUOUS"] for values in row.values())
    for name in ("left", "face"):
        np.testing.assert_array_equal(read_crop(picture(5), name, SIZE, "x"), pixels_of(picture(5)))


def test_arrays_are_as_said(tmp_path: Path) -> None:
    boxes = {name: i / 10 for i, name in enumerate(BOXES)}
    found = table(tmp_path, {"face": "f.png"} | boxes)
    raw = read(found)
    row = raw.convert(0, found.read)
    assert raw.setup["inputs"] == ["face", "eyes", "boxes"]
    shapes = {name: (spec.shape, spec.dtype) for name, spec in raw.specs.items()}
    assert shapes == {name: (values.shape, str(values.dtype)) for name, values in row.items()}
    assert shapes["face"] == ((48, 48, 3), "uint8") and shapes["boxes"] == ((1, 1, 12), "float32")
    np.testing.assert_allclose(row["boxes"].ravel(), np.arange(12) / 10, rtol=1e-6)
    assert not set(raw.table[0]) & {"left", "right", "face", *BOXES}


def test_an_unreadable_image_is_named_with_its_sample(tmp_path: Path) -> None:
    found = table(tmp_path, {})
    (tmp_path / "r.png").write_bytes(b"no picture")
    broken = replace(
        found, digests={**found.digests, "r.png": hashlib.sha256(b"no picture").hexdigest()}
    )
    with pytest.raises(DataError, match=r"r\.png \(row000002, right\): not a readable image"):
        read(broken).convert(0, broken.read)
    with pytest.raises(DataError, match=r"r\.png changed since it was fetched"):
        read(found).convert(0, found.read)


# Image tables


def test_a_table_is_read(tmp_path: Path) -> None:
    raw = read(table(tmp_path, {}, {"subject": "007", "target_x": "-3", "target_y": "1e2"}))
    assert raw.problems == [] and raw.files == [["l.png", "r.png"]] * 2
    assert raw.table[0] == {
        "sample": "row000002", "subject": "ann", "session": "1", "point": "p1",
        "target_x": 100.0, "target_y": 50.5,
    }  # fmt: skip
    assert (raw.table[1]["sample"], raw.table[1]["subject"]) == ("row000003", "007")
    assert (raw.table[1]["target_x"], raw.table[1]["target_y"]) == (-3.0, 100.0)


def test_session_and_point_may_be_missing(tmp_path: Path) -> None:
    raw = read(table(tmp_path, {"session": None, "point": None}))
    assert (raw.table[0]["session"], raw.table[0]["point"]) == ("", "100_50.5")
    raw = read(table(tmp_path, {"point": ""}, {"point": "", "target_x": 7}))
    assert [row["point"] for row in raw.table] == ["100_50.5", "7_50.5"]


def test_spreadsheets_and_unicode_are_understood(tmp_path: Path) -> None:
    """A byte order mark, CRLF, quotes, blank lines, other columns and scripts."""
    text = (
        "\ufeffleft,right,subject,target_x,target_y,remark\r\n"
        'l.png,r.png,"Šárka, 2",1,2,"two\r\nlines"\r\n'
        "\r\n"
        " l.png ,r.png, 李雷 ,3,4,\r\n"
    )
    raw = read(table(tmp_path, text=text.encode()))
    assert raw.problems == []
    assert [row["subject"] for row in raw.table] == ["Šárka, 2", "李雷"]
    assert [row["sample"] for row in raw.table] == ["row000003", "row000005"], "lines of the file"
    assert [row["target_y"] for row in raw.table] == [2, 4]


def test_rows_with_the_same_images_stay_apart(tmp_path: Path) -> None:
    """The audit judges them by their bytes, not this reader."""
    raw = read(table(tmp_path, {}, {}, {}))
    assert len({row["sample"] for row in raw.table}) == len(raw.table) == 3


def test_one_picture_a_row_is_the_face(tmp_path: Path) -> None:
    text = b"image,subject,target_x,target_y\nf.png,ann,1,2\n"
    raw = read(table(tmp_path, text=text))
    assert raw.problems == [] and raw.setup["inputs"] == ["face"] and raw.files == [["f.png"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": " "}, "subject is empty"),
        ({"left": ""}, "left is empty"),
        ({"right": "gone.png"}, "right 'gone.png' is not in"),
        ({"right": "../secret.png"}, r"right '\.\./secret.png' is not in"),
        ({"target_x": "ten"}, "target_x 'ten' is not a number"),
        ({"target_x": "10,5"}, "target_x '10,5' is not a number"),
        ({"target_y": ""}, "target_y '' is not a number"),
        ({"target_y": "nan"}, "target_y 'nan' is not a number"),
        ({"target_y": "-inf"}, "target_y '-inf' is not a number"),
        ({"target_x": 5}, r"point 'p1' is at \(5, 50.5\), in .*row 2 at \(100, 50.5\)"),
    ],
)
def test_a_bad_cell_is_named_with_file_row_and_field(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    raw = read(table(tmp_path, {}, change, {}))
    assert len(raw.problems) == 1 and len(raw.table) == 2
    assert raw.problems[0].startswith(f"{tmp_path / 'table.csv'}: row 3: ")
    assert re.search(message, raw.problems[0]), raw.problems[0]


@pytest.mark.parametrize("row", ["l.png,r.png,ann,1", "l.png,r.png,ann,1,2,3", "l.png"])
def test_a_row_of_another_length_is_named(tmp_path: Path, row: str) -> None:
    head = "left,right,subject,target_x,target_y\nl.png,r.png,ann,1,2\n"
    raw = read(table(tmp_path, text=(head + row).encode()))
    count = row.count(",") + 1
    assert raw.problems == [f"{tmp_path / 'table.csv'}: row 3: {count} cells, the header has 5"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("left,right,target_x,target_y", "column 'subject' is missing"),
        ("left,right,subject,target_y", "column 'target_x' is missing"),
        ("left,right,subject,targetx,target_y", "column 'target_x' is missing"),
        ("left,subject,target_x,target_y", "column 'right' is missing"),
        ("right,subject,target_x,target_y", "column 'left' is missing"),
        ("subject,target_x,target_y", "no image column"),
        ("left,right,subject,target_x,target_y,left", "column 'left' is there twice"),
        (f"left,right,subject,target_x,target_y,{','.join(BOXES[:-1])}",
         "column 'right_box_h' is missing"),
        (f"left,right,subject,target_x,target_y,{BOXES[4]}", "column 'face_box_x' is missing"),
        ("", "column 'subject' is missing"),
    ],
)  # fmt: skip
def test_a_missing_column_is_named(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(table(tmp_path, text=f"{header}\n".encode()))
    assert "table.csv" in caught.value.message


def test_a_near_miss_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(table(tmp_path, text=b"left,right,subject,targetx,target_y\n"))
    assert caught.value.hint == "did you mean 'targetx'?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"left,right,subject,target_x,target_y\n", "no samples found"),
        (b"left,right,subject\n\xff\xfe,2\n", r"not UTF-8 text \(byte 19\)"),
        (b"", "column 'subject' is missing"),
        (b'left,subject\n"l.png,ann\nl.png,bob\n', r"table\.csv: row 3: not a CSV"),
        (b"left,subject\n" + b"x" * 200_000, "row 2: not a CSV"),
    ],
    ids=["header only", "latin", "empty", "open quote", "long cell"],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(table(tmp_path, text=text))


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_a_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for content in (text, b"left,right,subject,target_x,target_y\n" + text):
        try:
            raw = read(table(folder, text=content))
        except DataError:
            continue
        assert len(raw.table) == len(raw.files) and (raw.table or raw.problems)


# Settings


def test_targets_outside_the_screen_are_problems(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"target_x": x, "target_y": y, "point": f"p{i}"}
        for i, (x, y) in enumerate([(0, 0), (800, 600), (801, 10), (10, -0.5)])
    ]
    found = table(tmp_path, *rows)
    assert read(found).problems == []
    assert read(found, screen_px="800x600", unit="cm").problems == []
    problems = read(found, screen_px="800x600").problems
    assert problems == [
        f"{tmp_path / 'table.csv'}: row 4: target_x 801 px is outside the screen of 800x600 px",
        f"{tmp_path / 'table.csv'}: row 5: target_y -0.5 px is outside the screen of 800x600 px",
    ]
    assert read(found).where[:2] == [f"{tmp_path / 'table.csv'}: row {n}" for n in (2, 3)]
    crop = read(crops(tmp_path / "c", "left/9_5.png", "right/9_5.png"), screen_px="8x6").problems
    assert crop[0].startswith(f"{tmp_path / 'c' / 'left/9_5.png'}: target_x 9 px is outside")


def test_the_setup_keeps_the_screen(tmp_path: Path) -> None:
    found = table(tmp_path, {})
    setup = read(found, screen_px="1366x768", screen_cm="34.4X19.3", distance_cm=60.0).setup
    assert (setup["screen_px"], setup["screen_cm"]) == ((1366, 768), (34.4, 19.3))
    assert (setup["unit"], setup["distance_cm"], setup["eye_size"]) == ("px", 60.0, SIZE)
    setup = read(found).setup
    assert (setup["screen_px"], setup["screen_cm"], setup["distance_cm"]) == (None, None, None)


@pytest.mark.parametrize(
    "settings",
    [
        {"eye_size": 8}, {"eye_size": 257}, {"face_size": 0}, {"distance_cm": -60.0},
        {"distance_cm": float("nan")}, {"distance_cm": float("inf")}, {"screen_px": "big"},
        {"screen_cm": "-1x5"},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--"):
        read(table(tmp_path, {}), **settings)


@settings(deadline=None)
@given(st.text(alphabet="0123456789.xX-enaif ", max_size=12))
def test_a_size_is_two_positive_numbers_or_a_usage_error(text: str) -> None:
    try:
        size = parse_size(text, "--screen-px")
    except UsageError:
        return
    assert size is None if not text else size is not None and min(size) > 0 and max(size) < 1e6
