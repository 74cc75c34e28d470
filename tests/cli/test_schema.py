"""Layouts told, and data of other people's making prepared under their names."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from shell import Done

from eyecli.data.prepared import open_prepared
from eyecli.workspace.references import resolve

Command = Callable[..., Done]
COLUMNS = "subject=monkey_id,target_x=gx,target_y=gy,face=file"


def test_layouts_are_listed_with_their_task(eyecli: Command) -> None:
    done = eyecli("schema")
    assert done.code == 0
    told = [line.split("\t")[:2] for line in done.out.splitlines()]
    assert told[:3] == [
        ["gaze", "face-sessions"], ["gaze", "eye-crops"], ["gaze", "image-table"]
    ]  # fmt: skip
    assert ["dr", "kaggle-dr"] in told and ["scanpath", "scanpath-csv"] in told
    assert {task for task, _ in told} == {"gaze", "dr", "oct", "icp", "scanpath"}
    listed = json.loads(eyecli("schema", "--json").out)
    assert [[entry["task"], entry["layout"]] for entry in listed] == told


def test_a_layout_is_told_field_by_field(eyecli: Command) -> None:
    out = eyecli("schema", "image-table").out
    assert "needed" in out and "fraction of the frame" in out and "subject,target_x" in out
    facts = json.loads(eyecli("schema", "image-table", "--json").out)
    assert (facts["task"], facts["layout"], facts["filename"]) == ("gaze", "image-table", None)
    needed = [entry["name"] for entry in facts["fields"] if entry["needed"]]
    assert needed == ["subject", "target_x", "target_y"]
    assert facts["example"].startswith("subject,target_x,target_y,left,right\n")


def test_an_unknown_layout_is_a_usage_error_with_the_nearest(eyecli: Command) -> None:
    done = eyecli("schema", "image-tables")
    assert done.code == 2 and done.out == ""
    assert done.complaint[-2:] == [
        "error: unknown layout 'image-tables'", "  did you mean 'image-table'?"
    ]  # fmt: skip


@pytest.fixture
def monkeys(tmp_path: Path) -> Path:
    """Faces of six monkeys; two tables beside them, so that neither is recognised."""
    folder = tmp_path / "monkeys"
    folder.mkdir()
    rows = []
    for n in range(12):
        pixels = np.random.default_rng(n).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        name = f"m{n // 2}_{n}_{2 * n}.png"
        cv2.imwrite(str(folder / name), pixels)
        rows.append([name, f"m{n // 2}", n, 2 * n])
    (folder / "notes.csv").write_text("remark\nnone\n")
    write(folder / "gaze.csv", rows)
    return folder


def write(path: Path, rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=";").writerows([["file", "monkey_id", "gx", "gy"], *rows])


def table_of(ref: str) -> list[tuple[str, float, float]]:
    index = open_prepared(resolve(Path("eyecli-workspace"), ref)).index
    return list(zip(index["subject"], index["target_x"], index["target_y"], strict=True))


def test_a_table_in_the_folder_is_read_under_its_own_names(
    eyecli: Command, monkeys: Path, tmp_path: Path
) -> None:
    unknown = eyecli("fetch", "path", monkeys)
    assert unknown.code == 3 and "eyecli schema" in unknown.complaint[-1]
    assert eyecli("fetch", "path", monkeys, "--layout", "image-table").code == 0
    own = ["--table", "gaze.csv", "--columns", COLUMNS]
    done = eyecli("preprocess", "gaze", *own)
    assert table_of(done.ref) == [(f"m{n // 2}", n, 2 * n) for n in range(12)]
    params = resolve(Path("eyecli-workspace"), done.ref).manifest.params
    assert params["table"] == "gaze.csv" and "filename" not in params
    assert params["columns"] == "face=file,subject=monkey_id,target_x=gx,target_y=gy"
    # What a manifest says is what can be typed, in any order.
    again = eyecli("preprocess", "gaze", "--table", "gaze.csv", "--columns", params["columns"])
    assert again.ref == done.ref


def test_the_settings_are_kept_in_the_workspace(
    eyecli: Command, monkeys: Path, tmp_path: Path
) -> None:
    eyecli("fetch", "path", monkeys, "--layout", "image-table")
    config = tmp_path / "eyecli-workspace" / "eyecli.toml"
    config.write_text(f'[preprocess.gaze]\ntable = "gaze.csv"\ncolumns = "{COLUMNS}"\n')
    kept = eyecli("preprocess", "gaze").ref
    own = ["--table", "gaze.csv", "--columns", COLUMNS]
    assert eyecli("preprocess", "gaze", *own).ref == kept


def test_a_table_elsewhere_is_an_input_and_a_changed_one_is_new_work(
    eyecli: Command, monkeys: Path, tmp_path: Path
) -> None:
    table = tmp_path / "mine.txt"
    (monkeys / "gaze.csv").rename(table)
    eyecli("fetch", "path", monkeys, "--layout", "image-table")
    own = ["preprocess", "gaze", "--table", "mine.txt", "--columns", COLUMNS]
    first = eyecli(*own).ref
    (source, given) = resolve(Path("eyecli-workspace"), first).manifest.inputs
    assert (source.role, given.role, given.ref) == ("source", "table", str(table))
    assert eyecli(*own).ref == first
    write(table, [[f"m{n // 2}_{n}_{2 * n}.png", f"m{n // 2}", n, 7] for n in range(12)])
    second = eyecli(*own).ref
    assert second != first and table_of(second)[5] == ("m2", 5, 7)
    assert eyecli("workspace", "lineage", second).code == 0


def test_a_published_split_stays_under_its_owners_name(eyecli: Command, monkeys: Path) -> None:
    text = (monkeys / "gaze.csv").read_text(encoding="utf-8-sig").splitlines()
    parts = [f";{'test' if 'm0' in line else 'train'}" for line in text[1:]]
    lines = [line + part for line, part in zip(text, [";set", *parts], strict=True)]
    (monkeys / "gaze.csv").write_text("\n".join(lines))
    eyecli("fetch", "path", monkeys, "--layout", "image-table")
    own = ["preprocess", "gaze", "--table", "gaze.csv", "--columns", COLUMNS, "--split-column"]
    index = open_prepared(resolve(Path("eyecli-workspace"), eyecli(*own, "set").ref)).index
    assert list(index["published"][:3]) == ["test", "test", "train"]
    done = eyecli(*own, "sett")
    assert done.code == 3 and "gaze.csv: column 'sett' is missing" in done.err
    assert done.complaint[-1] == "  did you mean 'set'?"


def test_a_table_is_for_a_single_source(eyecli: Command, monkeys: Path) -> None:
    eyecli("fetch", "path", monkeys, "--layout", "image-table", "--name", "a")
    (monkeys / "one.png").write_bytes(b"")
    eyecli("fetch", "path", monkeys, "--layout", "image-table", "--name", "b")
    done = eyecli("preprocess", "gaze", "source/gaze/a", "source/gaze/b", "--table", "gaze.csv")
    assert done.code == 2 and "--table is for a single source" in done.err


def test_names_alone_are_enough(eyecli: Command, monkeys: Path) -> None:
    eyecli("fetch", "path", monkeys, "--layout", "image-table")
    done = eyecli("preprocess", "gaze", "--filename", "{subject}_{target_x}_{target_y}.png")
    assert sorted(table_of(done.ref)) == sorted((f"m{n // 2}", n, 2 * n) for n in range(12))


def test_a_dry_run_lists_names_that_do_not_match(eyecli: Command, monkeys: Path) -> None:
    for n in range(25):
        (monkeys / f"late{n:02d}.png").write_bytes(b"x")
    eyecli("fetch", "path", monkeys, "--layout", "image-table")
    done = eyecli(
        "preprocess", "gaze", "--dry-run", "--filename", "{subject}_{target_x}_{target_y}.png"
    )
    _, count, *problems = done.out.splitlines()
    assert done.code == 3 and count == "25 problems" and len(problems) == 20
    assert problems[0].startswith(f"{monkeys / 'late00.png'}: the name is not like --filename")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--columns", "subject=monkey_id,subjekt=x"], 2, "--columns: 'subjekt' is no field"),
        (["--columns", "subject=monkey"], 3, "no column 'monkey' (--columns subject=monkey)"),
        (["--columns", "subject"], 2, "error: --columns: 'subject' is no pair of names"),
        (["--columns", ""], 2, "--columns: an empty argument"),
        (["--filename", "{a}{b}"], 2, "nothing between {a} and {b}"),
        (["--filename", "{sub}.png"], 2, "reads no field 'sub' from names beside a table"),
        (["--table", "gaze.cvs"], 3, "error: --table gaze.cvs: no such file"),
        (["--table", ".."], 3, "error: --table ..: no such file"),
        (["--table", "m0_0_0.png"], 3, "not UTF-8 text"),
    ],
)  # fmt: skip
def test_bad_names_are_refused_and_nothing_is_published(
    eyecli: Command, monkeys: Path, words: list[str], code: int, message: str
) -> None:
    eyecli("fetch", "path", monkeys, "--layout", "image-table")
    done = eyecli("preprocess", "gaze", "--table", "gaze.csv", "--columns", COLUMNS, *words)
    assert (done.code, done.out) == (code, "") and message in done.err
    assert not Path("eyecli-workspace", "prepared").exists()
