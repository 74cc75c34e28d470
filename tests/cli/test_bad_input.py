"""Bad input: one clear line that names the place, the right exit code, nothing published."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Chain, write_embeddings
from shell import Done, environment, eyecli_process

Call = Callable[..., Done]
Rows = list[dict[str, str]]


def refused(done: Done, code: int, *words: str) -> str:
    """Check the contract of a failure; return its first line."""
    assert (done.code, done.out) == (code, ""), done.err
    assert 1 <= len(done.complaint) <= 2, done.err
    assert done.complaint[0].startswith("error: ")
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.complaint[0]
    return done.complaint[0]


@pytest.fixture
def data(chain: Chain, tmp_path: Path) -> Path:
    (sample,) = (chain.root / "samples").iterdir()
    return Path(shutil.copytree(sample, tmp_path / "data"))


def change_table(data: Path, change: Callable[[Rows], Rows]) -> None:
    with (data / "table.csv").open(newline="") as stream:
        rows = change(list(csv.DictReader(stream)))
    with (data / "table.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def prepare(eyecli: Call, data: Path, *words: str) -> Done:
    """Fetch and preprocess; whatever fails must leave nothing prepared."""
    source = eyecli("fetch", "path", data).ref
    done = eyecli("preprocess", "gaze", source, *words)
    if done.code:
        assert not Path("eyecli-workspace/prepared").exists()
        assert not Path("eyecli-workspace/split").exists()
    return done


def test_the_untouched_table_is_fine(eyecli: Call, data: Path) -> None:
    assert prepare(eyecli, data, "--split", "kfold:4").ref == "prepared/gaze@v1"


@pytest.mark.parametrize("column", ["subject", "target_x", "target_y", "left", "right"])
def test_a_missing_column_is_named(eyecli: Call, data: Path, column: str) -> None:
    change_table(data, lambda rows: [{k: v for k, v in r.items() if k != column} for r in rows])
    refused(prepare(eyecli, data), 3, "table.csv", f"column '{column}' is missing")


def test_a_misspelt_column_is_suggested(eyecli: Call, data: Path) -> None:
    text = (data / "table.csv").read_text()
    (data / "table.csv").write_text(text.replace("target_x", "traget_x", 1))
    done = prepare(eyecli, data)
    refused(done, 3, "column 'target_x' is missing")
    assert "did you mean 'traget_x'?" in done.complaint[1]


@pytest.mark.parametrize("text", ["left of the middle", "", "nan", "inf"])
def test_a_target_that_is_no_number_is_named(eyecli: Call, data: Path, text: str) -> None:
    def change(rows: Rows) -> Rows:
        rows[2]["target_y"] = text
        return rows

    change_table(data, change)
    refused(prepare(eyecli, data), 3, "table.csv: row 4: target_y", "is not a number")


def test_a_target_outside_the_screen_is_named(eyecli: Call, data: Path) -> None:
    def change(rows: Rows) -> Rows:
        rows[2]["target_x"] = "1400"
        return rows

    change_table(data, change)
    line = refused(
        prepare(eyecli, data, "--screen-px", "1366x768"), 3, "table.csv: row 4: target_", "1366x768"
    )
    assert "1400" in line
    assert "outside the screen" in line


def test_an_empty_subject_is_named(eyecli: Call, data: Path) -> None:
    def change(rows: Rows) -> Rows:
        rows[0]["subject"] = " "
        return rows

    change_table(data, change)
    refused(prepare(eyecli, data), 3, "row 2: subject is empty")


def test_a_missing_image_is_named(eyecli: Call, data: Path) -> None:
    (data / "left/s002_p003_f01.png").unlink()
    refused(prepare(eyecli, data), 3, "table.csv: row ", "left/s002_p003_f01.png", "is not in")


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_unreadable_image_is_named(eyecli: Call, data: Path, content: bytes | None) -> None:
    path = data / "right/s001_p002_f01.png"
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    source = eyecli("fetch", "path", data).ref
    # In a process of its own: OpenCV, too, has something to say about broken images.
    done = eyecli_process("preprocess", "gaze", source, "--split", "kfold:4", cwd=data.parent)
    refused(done, 3, str(path), "row000003, right", "not a readable image")
    assert not (data.parent / "eyecli-workspace/prepared").exists()


def test_several_problems_are_counted_and_listed_by_a_dry_run(eyecli: Call, data: Path) -> None:
    change_table(data, lambda rows: [r | {"target_x": "x"} for r in rows])
    refused(prepare(eyecli, data), 3, "row 2", "(and 15 more problems)")
    done = eyecli("preprocess", "gaze", "--dry-run")
    assert "16 problems" in done.out
    assert done.out.count("target_x 'x' is not a number") == 16


def test_a_table_that_is_no_text_is_refused(eyecli: Call, data: Path) -> None:
    (data / "table.csv").write_bytes(b"\xff\xfe\x00\x01binary")
    refused(prepare(eyecli, data), 3, "table.csv", "not UTF-8")


@pytest.mark.parametrize("text", ["", "left,right,subject,target_x,target_y\n"])
def test_an_empty_table_is_refused(eyecli: Call, data: Path, text: str) -> None:
    (data / "table.csv").write_text(text)
    refused(prepare(eyecli, data), 3, "data")


def test_one_subject_only_cannot_be_split(eyecli: Call, data: Path) -> None:
    def change(rows: Rows) -> Rows:
        return [row | {"subject": "eve", "point": str(n)} for n, row in enumerate(rows)]

    change_table(data, change)
    done = prepare(eyecli, data)
    refused(done, 3, "one subject only cannot be split")
    assert "--group none" in done.complaint[1]


def test_too_few_groups_are_counted(eyecli: Call, data: Path) -> None:
    refused(prepare(eyecli, data, "--split", "kfold:9"), 3, "at least 9 groups, there are 4")


def test_the_same_picture_of_two_subjects_is_a_leak(eyecli: Call, data: Path) -> None:
    shutil.copy(data / "left/s001_p001_f01.png", data / "left/s003_p001_f01.png")
    done = prepare(eyecli, data, "--split", "kfold:4")
    refused(done, 4, "table.csv: row 2 ~ row 10 (identical file)")
    done = prepare(eyecli, data, "--split", "kfold:4", "--unsafe-split", "a test")
    assert done.code == 0


@pytest.mark.parametrize(
    "words",
    [("--split", "fold:3"), ("--eye-size", "5"), ("--screen-px", "wide"), ("--unit", "inch"),
     ("--group", "session")],
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_a_usage_error(
    eyecli: Call, data: Path, words: tuple[str, str]
) -> None:
    refused(prepare(eyecli, data, *words), 2, words[0])


@pytest.fixture
def crops(data: Path, tmp_path: Path) -> Path:
    """Return a folder of eye crops: the pictures of one person, named by their targets."""
    for side in ("left", "right"):
        (tmp_path / "crops" / side).mkdir(parents=True)
        for number, path in enumerate(sorted((data / side).iterdir())):
            shutil.copy(path, tmp_path / "crops" / side / f"{number * 50}_{number * 20}.png")
    return tmp_path / "crops"


def test_crops_without_subjects_need_the_users_consent(eyecli: Call, crops: Path) -> None:
    done = prepare(eyecli, crops)
    refused(done, 4, "16 of 16 samples have no subject")
    assert "--group none" in done.complaint[1]
    assert prepare(eyecli, crops, "--group", "none").code == 0
    assert '"subject_independent": false' in eyecli("workspace", "show", "split/gaze").out


def test_the_missing_eye_of_a_pair_is_named(eyecli: Call, crops: Path) -> None:
    (crops / "left/50_20.png").unlink()
    refused(prepare(eyecli, crops, "--group", "none"), 3, "right/50_20.png", "no left eye of 50_20")


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_folder_that_is_not_there_is_refused(eyecli: Call, more: tuple[str, ...]) -> None:
    refused(eyecli("fetch", "path", "/nowhere", *more), 3, "/nowhere: no such folder")


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_folder_of_no_known_layout_is_refused(
    eyecli: Call, tmp_path: Path, more: tuple[str, ...]
) -> None:
    (tmp_path / "notes").mkdir()
    refused(eyecli("fetch", "path", "notes", *more), 3, "no files")
    (tmp_path / "notes/a.txt").touch()
    refused(eyecli("fetch", "path", "notes", *more), 3, "none of the known layouts", "a.txt")
    refused(eyecli("fetch", "path", "notes", "--layout", "image-tabel", *more), 2, "image-tabel")


def test_without_a_workspace_the_way_to_one_is_said(eyecli: Call) -> None:
    done = eyecli("train", "gaze")
    refused(done, 3, "no workspace at")
    assert "eyecli fetch" in done.complaint[1]
    assert not Path("eyecli-workspace").exists()


def test_an_unknown_source_is_named(eyecli: Call, data: Path) -> None:
    prepare(eyecli, data, "--split", "kfold:4")
    refused(eyecli("preprocess", "gaze", "source/gaze@v7"), 3, "no version v7 of source/gaze")
    done = eyecli("preprocess", "gaze", "source/gase")
    refused(done, 3, "no artifact source/gase")
    assert "did you mean 'source/gaze'?" in done.complaint[1]
    refused(eyecli("evaluate", "report/gaze"), 3, "no artifact report/gaze")


def test_data_that_changed_since_they_were_fetched_are_refused(eyecli: Call, data: Path) -> None:
    source = eyecli("fetch", "path", data).ref
    (data / "left/s001_p001_f01.png").write_bytes(b"other")
    done = eyecli("preprocess", "gaze", source)
    refused(done, 3, "1 files changed, first left/s001_p001_f01.png")
    assert f"eyecli fetch path {data}" in done.complaint[1]


def test_embeddings_of_another_model_are_refused(copy: Chain, eyecli: Call) -> None:
    path = copy.folder / "other.csv"
    write_embeddings(copy.root, path, model="ab" * 32)
    done = eyecli("calibrate", "user", path, "--fold", "0", "--workspace", copy.root)
    refused(done, 3, "other.csv", "come from model abababababab")
    done = eyecli("calibrate", "user", copy.folder / "embeddings.csv", "--fold", "1",
                  "--workspace", copy.root)  # fmt: skip
    refused(done, 3, "the model to calibrate is")


def test_calibration_data_that_are_not_there_are_refused(copy: Chain, eyecli: Call) -> None:
    place = ("--fold", "0", "--workspace", copy.root)
    refused(eyecli("calibrate", "user", "nowhere.csv", *place), 3, "nowhere.csv: no such file")
    refused(eyecli("calibrate", "user", "nowhere.npz", *place), 3, "nowhere.npz")


@pytest.mark.parametrize("make", [False, True])
def test_what_is_no_package_is_not_checked(eyecli: Call, tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "x.mlpackage").mkdir()
        (tmp_path / "x.mlpackage/Manifest.json").write_text("{}")
    refused(eyecli("check-ane", "x.mlpackage"), 3, "x.mlpackage is not a Core ML package")


def test_edited_predictions_are_not_evaluated(copy: Chain, eyecli: Call) -> None:
    place = ("--workspace", str(copy.root))
    path = copy.root / "predictions/gaze/v0001/predictions.csv"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    refused(eyecli("evaluate", "--force", *place), 3, str(path), "content changed")


def test_ls_names_a_damaged_manifest_and_lists_the_others(copy: Chain, eyecli: Call) -> None:
    path = copy.root / "report/gaze/v0001/manifest.json"
    path.chmod(0o644)
    path.write_text("{")
    done = eyecli("workspace", "ls", "--workspace", str(copy.root))
    assert done.code == 0
    assert "model/gaze@v1" in done.out and "report/gaze@v1" not in done.out
    assert str(path) in done.err


def test_a_damaged_artifact_is_named_by_verify(copy: Chain, eyecli: Call) -> None:
    place = ("--workspace", copy.root)
    assert eyecli("workspace", "verify", *place).code == 0
    path = copy.root / "model/gaze/v0001/fold-002/model.weights.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    refused(eyecli("workspace", "verify", *place), 3, str(path), "content changed")
    refused(eyecli("workspace", "verify", "model/gaze", *place), 3, str(path))
    assert eyecli("workspace", "verify", "report/gaze", *place).code == 0


@pytest.fixture
def read_only(copy: Chain) -> Iterator[Path]:
    """Return a workspace without permission to write."""
    folders = [copy.root, *(path for path in copy.root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield copy.root
    for folder in folders:
        folder.chmod(0o755)


def without_privileges(*words: str) -> Done:
    """Run a command without root's right to write everywhere."""
    command = [sys.executable, "-m", "eyecli", *words]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root, and no setpriv to give up its privileges")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_read_only_workspace_can_be_read(read_only: Path) -> None:
    assert (
        "model/gaze@v1" in without_privileges("workspace", "ls", "--workspace", str(read_only)).out
    )
    done = without_privileges("workspace", "verify", "--workspace", str(read_only))
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "--calibration-points", "2"),
        ("check-ane", "--force"),
        ("workspace", "alias", "model/gaze", "production"),
        ("fetch", "sample", "gaze-eyes", "--subjects", "1", "--points", "1", "--frames", "1"),
    ],
)
def test_a_read_only_workspace_is_not_written(read_only: Path, words: tuple[str, ...]) -> None:
    done = without_privileges(*words, "--workspace", str(read_only))
    refused(done, 1, str(read_only), "Permission denied")
    assert "--workspace" in done.complaint[1]


@pytest.mark.parametrize(("field", "value"), [("subject", "s\0s1"), ("session", "1\r"),
                                              ("point", "p\x1b[2J")])  # fmt: skip
def test_control_characters_are_refused(eyecli: Call, data: Path, field: str, value: str) -> None:
    def change(rows: Rows) -> Rows:
        rows[1][field] = value
        return rows

    change_table(data, change)
    # A line break in a cell moves the line number, not the name of the field.
    refused(prepare(eyecli, data), 3, "table.csv: row ", f": {field} ", "control characters")


@pytest.mark.parametrize("text", ["1e300", "-1e9", "1_000", "١٢"])
def test_numbers_beyond_any_screen_are_refused(eyecli: Call, data: Path, text: str) -> None:
    def change(rows: Rows) -> Rows:
        rows[0]["target_x"] = text
        return rows

    change_table(data, change)
    refused(prepare(eyecli, data), 3, "row 2: target_x", text)


def test_pixels_are_not_taken_for_centimetres(eyecli: Call, data: Path) -> None:
    done = prepare(eyecli, data, "--unit", "cm", "--screen-cm", "34.4x19.3")
    refused(done, 3, "cannot be cm")


def test_an_empty_reference_is_no_default(chain: Chain, eyecli: Call) -> None:
    for words in (("preprocess", "gaze", ""), ("train", "gaze", ""), ("evaluate", "")):
        refused(eyecli(*words, "--workspace", str(chain.root)), 2, "an empty argument")


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("train gaze --epochs 1 --force", "split/gaze/v0001/split.json"),
        ("train gaze --epochs 1 --force", "prepared/gaze/v0001/index.csv"),
        ("export coreml --fold 0 --force", "model/gaze/v0001/fold-000/facts.json"),
    ],
)
def test_edited_inputs_are_not_used(copy: Chain, eyecli: Call, stage: str, path: str) -> None:
    changed = copy.root / path
    changed.chmod(0o644)
    changed.write_bytes(changed.read_bytes().replace(b"1", b"2", 1))
    done = eyecli(*stage.split(), "--workspace", str(copy.root))
    refused(done, 3, str(changed), "content changed")


def test_a_workspace_in_the_data_is_not_data(data: Path) -> None:
    place = ("--workspace", "ws")
    assert eyecli_process("fetch", "path", "../data", *place, cwd=data).code == 0
    done = eyecli_process("preprocess", "gaze", "--split", "kfold:4", *place, cwd=data)
    assert done.code == 0, done.err


def test_a_workspace_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    name = os.fsdecode(b"x\xff")
    done = eyecli_process("fetch", "sample", "gaze-eyes", "--workspace", name, cwd=tmp_path)
    refused(done, 2, "is not UTF-8")
    assert not list(tmp_path.iterdir())


def test_calibration_samples_in_another_unit_are_refused(
    chain: Chain, eyecli: Call, tmp_path: Path
) -> None:
    path = tmp_path / "cm.csv"
    write_embeddings(chain.root, path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},unit", *(f"{line},cm" for line in lines[1:])]) + "\n")
    done = eyecli("calibrate", "user", path, "--fold", "0", "--workspace", str(chain.root))
    refused(done, 3, "unit is cm", "predicts px")


@pytest.mark.parametrize("size", [127, 129])
def test_embeddings_of_another_size_than_the_models(
    chain: Chain, eyecli: Call, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "other.csv"
    write_embeddings(chain.root, path)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [f"embedding_{i}" for i in range(size)]
    with path.open("w", newline="") as stream:
        rest = [name for name in rows[0] if not name.startswith("embedding_")]
        writer = csv.DictWriter(stream, [*names, *rest], extrasaction="ignore", restval="0.5")
        writer.writeheader()
        writer.writerows(rows)
    done = eyecli("calibrate", "user", path, "--fold", "0", "--workspace", str(chain.root))
    refused(done, 3, f"other.csv: an embedding of {size} values", "has 128")


@pytest.mark.parametrize("content", [b"", "a,b\n".encode("utf-16")])
def test_a_table_that_cannot_be_read_is_named_and_not_its_neighbour(
    chain: Chain, eyecli: Call, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    (tmp_path / "gaze.csv").write_text("timestamp,x,y\n0,1,2\n16,1,2\n")
    done = eyecli("calibrate", "user", tmp_path / "mine.csv", "--fold", "0",
                  "--workspace", str(chain.root))  # fmt: skip
    refused(done, 3, "mine.csv")
    assert "gaze.csv" not in done.err


def test_stdout_that_is_full_is_not_the_workspace(copy: Chain) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "eyecli", "workspace", "ls"],
            cwd=copy.folder, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert "the result could not be written to stdout: No space left" in done.stderr
    assert "the disk is full" not in done.stderr


def test_a_negative_number_of_calibration_points(chain: Chain, eyecli: Call) -> None:
    done = eyecli("evaluate", "--calibration-points", "-4", "--workspace", str(chain.root))
    refused(done, 2, "--calibration-points -4")


def test_text_of_a_run_does_not_reach_the_terminal_raw(copy: Chain, eyecli: Call) -> None:
    path = next(copy.root.glob("runs/*/fold-000/run.json"))
    run = json.loads(path.read_bytes())
    path.write_text(json.dumps(run | {"error": "\x1b[2J", "command": "a\nb\x9b"}))
    (path.parent / "metrics.jsonl").write_text('{"epoch": "\x1b[2J"}\n')
    name, place = path.parent.relative_to(copy.root / "runs"), ("--workspace", copy.root)
    shown = [eyecli("runs", *words, *place).out for words in
             (("ls",), ("show", name), ("tail", name))]  # fmt: skip
    assert all(r"\x1b[2J" in out for out in shown) and r"a\nb\x9b" in shown[1]
    assert not {"\x1b", "\x9b"} & set("".join(shown))
    path.write_text("{")
    done = eyecli("runs", "show", name, *place)
    refused(done, 3, "run.json: damaged run")
    assert "writes this file anew" in done.err
    refused(eyecli("runs", "stop", "", *place), 2, "run: an empty argument")
