"""Users in one source of images: each has his own digest, his own slow work, his own errors."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from eyecli.calibration.batch import calibrate_all, find_candidates
from eyecli.calibration.candidate import Base, Candidate
from eyecli.calibration.images import Network, rows_of_users
from eyecli.calibration.share import Imaging, from_images, open_images, raw_of_user
from eyecli.calibration.stage import Wish
from eyecli.calibration.users import Found, Part
from eyecli.data.arrays import ArraySpec
from eyecli.data.raw import Raw
from eyecli.errors import DataError
from eyecli.sources.source import Source
from eyecli.tasks.gaze.fields import BOXES
from eyecli.tasks.gaze.layouts import read_raw
from eyecli.tasks.gaze.settings import GazePreprocess
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import open_workspace

Read = Callable[[Source], Raw]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


def base(root: Path, unit: str = "px") -> Base:
    made = run_stage(root, Work("train", "model", "gaze"), lambda folder: Built())
    return Base(made.artifact, 0, "ab" * 32, {"unit": unit})


def table(folder: Path, rows: list[dict[str, object]]) -> Part:
    folder.mkdir(exist_ok=True)
    for row in rows:
        (folder / str(row["face"])).write_text(str(row["face"]))
    with (folder / "table.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Part(folder, "image-table")


def row(user: str, target: int, box: float = 0.1) -> dict[str, object]:
    return {"subject": user, "target_x": target, "target_y": 5, "face": f"{user}{target}.png",
            **dict.fromkeys(BOXES, box)}  # fmt: skip


def digests(root: Path, part: Part) -> dict[str | None, str]:
    imaging = Imaging(lambda source: read_raw(source, GazePreprocess()), never, never)
    found, _ = from_images(root, part, base(root), imaging)
    return {candidate.user: candidate.origin.digest for candidate in found}


def never(*_: object) -> Any:
    raise AssertionError("nothing is loaded before it is used")


def test_rows_of_others_do_not_touch_a_digest(root: Path, tmp_path: Path) -> None:
    rows = [row("ann", 1), row("ann", 2), row("bob", 1)]
    first = digests(root, table(tmp_path / "a", rows))
    assert list(first) == ["ann", "bob"]
    more = digests(root, table(tmp_path / "b", [row("abe", 7), *rows]))
    assert {user: more[user] for user in first} == first
    # Boxes are no column of the samples' table, but the network sees them.
    changed = digests(root, table(tmp_path / "c", [row("ann", 1, 0.2), *rows[1:]]))
    assert (changed["ann"] != first["ann"], changed["bob"]) == (True, first["bob"])
    (tmp_path / "a/ann2.png").write_text("another face")
    assert digests(root, Part(tmp_path / "a", "image-table"))["ann"] != first["ann"]


def videos(folder: Path, seen: list[tuple[list[str], Path]], broken: str = "") -> Read:
    """Read a layout like that of face sessions: a file a user; frames need extraction."""

    def read(source: Source) -> Raw:
        names = list(source.digests)
        places = [(name, point) for name in names for point in range(9)]
        listed = [
            {"sample": f"{name}/{point}", "subject": name[:3], "session": "1", "point": str(point),
             "target_x": 100.0 * point, "target_y": 50.0 * (point % 3)}
            for name, point in places
        ]  # fmt: skip

        def extract(scratch: Path) -> Raw:
            seen.append((names, scratch))
            (scratch / "frames.npy").touch()
            kept = [] if names == ["eve.mp4"] else [0, 1] * len(listed)
            frames = [listed[i // 2] for i in range(len(kept))]
            where = [[f"{frame['subject']}.mp4"] for frame in frames]

            def convert(position: int, _: object) -> dict[str, np.ndarray]:
                assert (scratch / "frames.npy").is_file()
                frame = frames[position]
                return {"face": np.array([frame["target_x"], frame["target_y"]])}

            return Raw(frames, where, specs, convert, {"unit": "px"}, dropped={"no face": 18})

        specs = {"face": ArraySpec((2,), "float32")}
        problems = [f"{folder / broken}: bad stimulus"] if broken in names else []
        files = [[name] for name, _ in places]
        return Raw(listed, files, specs, never, {"unit": "px"}, problems, extract=extract)

    return read


def network() -> Network:
    """Answers with the target, 100 px too far right."""

    def run(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"gaze": arrays["face"] + np.array([100, 0])}

    def tabulate(outputs: dict[str, np.ndarray], _: object) -> tuple[dict, dict]:
        gaze = outputs["gaze"]
        noise = np.random.default_rng(0).normal(0, 5, gaze.shape)
        columns = {"pred_x": gaze[:, 0] + noise[:, 0], "pred_y": gaze[:, 1] + noise[:, 1]}
        return columns, {"embedding": noise}

    tools = SimpleNamespace(
        names=lambda _: ["face"], scale=lambda arrays, _: arrays, tabulate=tabulate
    )
    return Network(tools, {}, run, "ab" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "videos"
    made.mkdir()
    for name in ("ann", "bob", "eve"):
        (made / f"{name}.mp4").write_text(name)
    return made


def find(root: Path, folder: Path, read: Read) -> tuple[list[Candidate], list[DataError]]:
    return from_images(root, Part(folder, "face-sessions"), base(root), Imaging(read, network, set))


def test_faces_are_extracted_a_user_at_a_time_and_only_where_needed(
    root: Path, folder: Path
) -> None:
    seen: list[tuple[list[str], Path]] = []
    found, refused = find(root, folder, videos(folder, seen))
    assert ([one.user for one in found], refused, seen) == (["ann", "bob", "eve"], [], [])
    assert [(one.samples, one.points) for one in found] == [(9, 9)] * 3
    made, lost = calibrate_all(root, "gaze", found[:2], Wish(), many=True, force=False)
    assert [one.artifact.ref for one in made] == ["head/gaze/ann@v1", "head/gaze/bob@v1"]
    assert made[0].artifact.manifest.summary["kind"] == "bias" and not lost
    assert [names for names, _ in seen] == [["ann.mp4"], ["bob.mp4"]]
    assert all(scratch.parent == root / "tmp" for _, scratch in seen)
    assert list((root / "tmp").iterdir()) == []
    # A user more: only his videos are looked at, and in them nobody was seen.
    made, lost = calibrate_all(root, "gaze", found, Wish(), many=True, force=False)
    assert [one.cached for one in made] == [True, True]
    assert [names for names, _ in seen[2:]] == [["eve.mp4"]]
    assert [error.message for error in lost] == [f"{folder}: no usable sample of eve: 18 no face"]
    (folder / "zoe.mp4").write_text("zoe")
    again, _ = find(root, folder, videos(folder, seen))
    assert [one.origin.digest for one in again[:3]] == [one.origin.digest for one in found]


def test_a_broken_session_refuses_its_user_only(
    root: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read = videos(folder, [], broken="bob.mp4")
    found, refused = find(root, folder, read)
    assert ([one.user for one in found], refused) == (["ann", "bob", "eve"], [])
    made, lost = calibrate_all(root, "gaze", found[:2], Wish(), many=True, force=False)
    assert [one.artifact.ref for one in made] == ["head/gaze/ann@v1"]
    assert [error.message for error in lost] == [f"{folder / 'bob.mp4'}: bad stimulus"]

    # What is nobody's is said too, and one user by himself is not calibrated around it.
    def with_a_stray(source: Source) -> Raw:
        stray = ["x.json: damaged"] if len(source.digests) == 3 else []
        return replace(read(source), problems=stray)

    found, others = find_candidates(
        lambda: root, Found([Part(folder, "face-sessions")]), base(root),
        Imaging(with_a_stray, network, set),
    )  # fmt: skip
    assert (len(found), [error.message for error in others]) == (3, ["x.json: damaged"])
    assert "x.json: damaged" in caplog.text
    (folder / "ann.mp4").unlink()
    (folder / "eve.mp4").unlink()
    with pytest.raises(DataError, match="bad stimulus"):
        find(root, folder, read)


def test_what_the_model_does_not_look_at_is_refused(root: Path, folder: Path) -> None:
    read = videos(folder, [])
    imaging = Imaging(read, network, set)
    with pytest.raises(DataError, match=r"unit is px, .* predicts cm"):
        from_images(root, Part(folder, "face-sessions"), base(root, "cm"), imaging)
    blind = replace(network(), tools=SimpleNamespace(names=lambda _: ["left"]))
    found, _ = from_images(
        root, Part(folder, "face-sessions"), base(root), replace(imaging, network=lambda: blind)
    )
    _, lost = calibrate_all(root, "gaze", found[:1], Wish(), many=True, force=False)
    assert "no left, which the model looks at" in lost[0].message


def test_pictures_of_one_user_are_those_of_his_rows(root: Path, tmp_path: Path) -> None:
    """A table whose faces are still to be found: other people's rows are not looked at."""
    rows = [{**row(user, n), "frame": f"{user}{n}.png"} for user in ("ann", "bob") for n in (1, 2)]
    part = table(tmp_path / "a", rows)
    lean = [{k: v for k, v in one.items() if k not in (*BOXES, "face")} for one in rows]
    with (part.place / "table.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(lean[0]))
        writer.writeheader()
        writer.writerows(lean)
    source, raw = open_images(root, part, lambda source: read_raw(source, GazePreprocess()))
    assert raw.extract is not None
    _, own = raw_of_user(source, raw, rows_of_users(raw)["bob"], never)
    assert [one["subject"] for one in own.table] == ["bob", "bob"] and own.extract is not None
    assert list(own.files) == [["bob1.png"], ["bob2.png"]]


def test_a_damaged_model_is_said_once(root: Path, folder: Path) -> None:
    found, _ = find(root, folder, videos(folder, []))
    made, _ = calibrate_all(root, "gaze", found[:1], Wish(), many=True, force=False)
    (root / "model/gaze/v0001/stray").touch()
    with pytest.raises(DataError, match="stray: not part of the artifact"):
        calibrate_all(root, "gaze", found, Wish(), many=True, force=False)
    again, _ = calibrate_all(root, "gaze", found[:1], Wish(), many=True, force=False)
    assert (again[0].artifact.ref, again[0].cached) == (made[0].artifact.ref, True)
