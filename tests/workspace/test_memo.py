"""The same work finds its result, other work does not; what is inherited from the inputs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from making import make

import eyecli
from eyecli.errors import DataError
from eyecli.workspace.memo import Work, memo_key, recall
from eyecli.workspace.stage import Built
from eyecli.workspace.store import open_workspace

BASE: dict[str, Any] = {
    "params": {"size": 1, "mode": "a"},
    "inputs": {"data": ("x.csv", "ab" * 32)},
    "seed": 3,
}
KEY = """
from eyecli.workspace.memo import Work, memo_key
print(memo_key(Work("test", "model", "gaze")))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


def test_the_same_work_is_found_in_another_order_of_parameters(root: Path) -> None:
    first = make(root, **BASE)
    again = make(root, **BASE | {"params": {"mode": "a", "size": 1}})
    assert (first.cached, again.cached) == (False, True)
    assert again.artifact == first.artifact


@pytest.mark.parametrize(
    "other",
    [
        {"params": {"size": 2, "mode": "a"}},
        {"params": {"size": 1}},
        {"inputs": {"data": ("x.csv", "cd" * 32)}},
        {"inputs": {"table": ("x.csv", "ab" * 32)}},
        {"seed": 4},
        {"seed": None},
        {"stage": "other"},
        {"name": "eve"},
        {"kind": "head"},
    ],
)
def test_other_work_is_not_found(root: Path, other: dict[str, Any]) -> None:
    make(root, **BASE)
    assert not make(root, **BASE | other).cached


def test_where_an_input_lies_does_not_matter(root: Path) -> None:
    make(root, **BASE)
    assert make(root, **BASE | {"inputs": {"data": ("/moved/x.csv", "ab" * 32)}}).cached


def test_an_input_artifact_counts_by_its_content(root: Path) -> None:
    first = make(root, {"x": b"1"}, kind="prepared").artifact
    same = make(root, {"x": b"1"}, kind="prepared", force=True).artifact
    other = make(root, {"x": b"2"}, kind="prepared", force=True).artifact
    make(root, inputs={"prepared": first})
    assert make(root, inputs={"prepared": same}).cached
    assert not make(root, inputs={"prepared": other}).cached


def test_force_does_it_again_and_the_newer_result_counts(root: Path) -> None:
    make(root, {"x": b"1"})
    forced = make(root, {"x": b"2"}, force=True)
    assert make(root, {"x": b"1"}).artifact == forced.artifact


def test_other_code_does_it_again(tmp_path: Path) -> None:
    copy = tmp_path / "eyecli"
    shutil.copytree(Path(eyecli.__file__).parent, copy, ignore=shutil.ignore_patterns("*.pyc"))

    def key() -> str:
        command = [sys.executable, "-c", KEY]
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True,
                              text=True, check=True)  # fmt: skip
        return done.stdout

    before = key()
    assert before == memo_key(Work("test", "model", "gaze")) + "\n"
    with (copy / "ane/rules_of_tomorrow.py").open("w") as stream:
        stream.write("# new\n")
    added = key()
    with (copy / "errors.py").open("a") as stream:
        stream.write("# changed\n")
    assert len({before, added, key()}) == 3


@pytest.mark.parametrize("content", [b"", b"{}", b'{"ref":"\xff"}', b'{"ref":"a/b","digest":""}'])
def test_a_damaged_memo_only_costs_time(root: Path, content: bytes) -> None:
    make(root, **BASE)
    (path,) = (path for path in (root / "memo").rglob("*") if path.is_file())
    path.write_bytes(content)
    assert not make(root, **BASE).cached
    assert make(root, **BASE).cached


def test_a_deleted_artifact_is_made_again(root: Path) -> None:
    path = make(root, **BASE).artifact.path
    shutil.rmtree(path)
    assert not make(root, **BASE).cached


def test_a_damaged_manifest_is_not_returned(root: Path) -> None:
    manifest = make(root, **BASE).artifact.path / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(b'{"schema":"\xff')
    again = make(root, **BASE)
    assert (again.cached, again.artifact.ref) == (False, "model/gaze@v2")


def change(file: Path, content: bytes) -> None:
    """Write another content of the same length, later than the artifact was published."""
    file.chmod(0o644)
    file.write_bytes(content)
    later = file.parent.stat().st_mtime_ns + 10**9
    os.utime(file, ns=(later, later))


def test_a_result_whose_file_was_changed_is_refused(root: Path) -> None:
    first = make(root, **BASE)
    file = first.artifact.path / "data.bin"
    content = file.read_bytes()
    change(file, content)  # written anew, but the same
    assert make(root, **BASE).cached
    change(file, bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(DataError, match="content changed") as caught:
        make(root, **BASE)
    assert "make it again" in str(caught.value.hint)
    assert not make(root, force=True, **BASE).cached


def test_a_result_of_what_was_changed_is_not_returned(root: Path) -> None:
    source = make(root, params={"part": "input"}).artifact
    make(root, inputs={"data": source})
    content = (source.path / "data.bin").read_bytes()
    change(source.path / "data.bin", bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(DataError, match="content changed"):
        make(root, inputs={"data": source})


def test_a_version_that_was_replaced_is_not_returned(root: Path) -> None:
    first = make(root, {"x": b"1"}, params={"a": 1}).artifact
    shutil.rmtree(first.path)
    other = make(root, {"x": b"2"}, params={"a": 2}).artifact
    assert other.ref == first.ref
    assert recall(root, Work("test", "model", "gaze", params={"a": 1})) is None


def test_what_is_not_subject_independent_stays_so(root: Path) -> None:
    split = make(root, kind="split", built=Built(flags={"subject_independent": False})).artifact
    clean = make(root, {"x": b"2"}, kind="split", params={"n": 2},
                 built=Built(flags={"subject_independent": True})).artifact  # fmt: skip
    for inputs in ({"a": split, "b": clean}, {"a": clean, "b": split}):
        flags = make(root, inputs=inputs, built=Built(flags={"subject_independent": True}))
        assert flags.artifact.manifest.flags == {"subject_independent": False}
    flags = make(root, inputs={"b": clean}, built=Built(flags={"synthetic": True}))
    assert flags.artifact.manifest.flags == {"subject_independent": True, "synthetic": True}


def test_synthetic_data_stay_synthetic(root: Path) -> None:
    real = make(root, {"x": b"1"}, kind="source", built=Built(flags={"synthetic": False})).artifact
    fake = make(root, {"x": b"2"}, kind="source", params={"n": 2},
                built=Built(flags={"synthetic": True})).artifact  # fmt: skip
    for inputs in ({"a": real, "b": fake}, {"a": fake, "b": real}):
        assert make(root, inputs=inputs).artifact.manifest.flags["synthetic"] is True


def test_licences_are_the_union_of_all_inputs(root: Path) -> None:
    one = make(root, {"x": b"1"}, kind="source", built=Built(licences=["CC-BY", "MIT"])).artifact
    two = make(root, {"x": b"2"}, kind="head", built=Built(licences=["MIT", "DUA-7"])).artifact
    made = make(root, inputs={"a": one, "b": two, "c": ("f", "00")}, built=Built(licences=["X"]))
    assert made.artifact.manifest.licences == ["CC-BY", "DUA-7", "MIT", "X"]
