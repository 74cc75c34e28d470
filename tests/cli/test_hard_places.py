"""Full disks, odd clocks, odd locales, odd names: clear lines, nothing half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import CHAIN, Chain, write_embeddings
from shell import Done, eyecli_process

ODD = 'it\'s "a" $(touch x) \u00e9\u773c\n b'
# Nothing of it is UTF-8: neither the locale nor Python's own mode.
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def artifacts(root: Path) -> list[str]:
    """List the folders of all versions, and what lies in tmp."""
    return sorted(
        str(p.relative_to(root)) for p in (*root.glob("*/*/**/v[0-9]*"), *root.glob("tmp/*"))
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 24 MB in memory."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(command).returncode:
        pytest.skip("not allowed to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, left: int) -> None:
    """Write a file that leaves so many bytes."""
    with (folder / "ballast").open("wb") as stream:
        stream.write(b"\0" * (shutil.disk_usage(folder).free - left))
    assert shutil.disk_usage(folder).free <= left


@pytest.mark.parametrize("left", [pytest.param(0, marks=pytest.mark.slow), 48 * 1024])
@pytest.mark.parametrize("stage", CHAIN)
def test_a_full_disk_is_one_clear_line(
    chain: Chain, small_disk: Path, stage: str, left: int
) -> None:
    copied = Chain(small_disk / "copy", chain.done)
    shutil.copytree(chain.folder, copied.folder)
    before = artifacts(copied.root)
    fill(small_disk, left)
    options = ("--folder", "samples") if stage == "fetch" else ("--force",)
    done = eyecli_process(*CHAIN[stage].split(), *options, cwd=copied.folder)
    if done.code == 0 and left and stage in ("check-ane", "calibrate", "compare"):
        return  # What they write is small.
    assert (done.code, done.out) == (1, ""), done.err
    assert len(done.complaint) == 2, done.err
    assert "the disk is full; nothing was published" in done.complaint[0]
    assert "free some space" in done.complaint[1]
    assert artifacts(copied.root) == before
    (small_disk / "ballast").unlink()
    assert eyecli_process("workspace", "verify", cwd=copied.folder).code == 0


def test_times_in_the_future_are_no_obstacle(copy: Chain) -> None:
    """A clock that was set back: all that is there is newer than now."""
    future = time.time() + 86_400
    (sample,) = (copy.root / "samples").iterdir()
    for path in (*copy.root.rglob("*"), *sample.rglob("*")):
        os.utime(path, (future, future))
    for stage in ("preprocess", "evaluate", "check-ane", "calibrate"):
        again = copy.run(stage)
        assert again.out == copy.done[stage].out, again.err
        forced = eyecli_process(*CHAIN[stage].split(), "--force", cwd=copy.folder)
        assert forced.ref != again.ref
    assert eyecli_process("workspace", "verify", cwd=copy.folder).code == 0


@pytest.mark.parametrize("env", [{}, C_LOCALE], ids=["utf-8", "C"])
def test_odd_names_are_names(tmp_path: Path, env: dict[str, str]) -> None:
    folder, data = tmp_path / ODD, f"data of {ODD}"
    folder.mkdir()

    def run(*words: str) -> Done:
        place = ("--workspace", f"workspace of {ODD}")
        done = eyecli_process(*words, *place, cwd=folder, env=env)
        assert done.code == 0, done.err
        return done

    words = CHAIN["fetch"].split()
    assert run(*words, "--folder", data, "--name", "odd").ref == "source/gaze/odd@v1"
    assert run("preprocess", "gaze", "source/gaze/odd", "--split", "kfold:4").ref
    assert run("workspace", "verify").out == "3 artifacts whole\n"
    assert f"{folder}/workspace of {ODD}" in run("workspace", "path", "split/gaze").out
    # No shell has seen the names.
    assert not (folder / "x").exists() and len(list(folder.iterdir())) == 2
    lost = eyecli_process("fetch", "path", f"no {ODD}", cwd=folder, env=env)
    assert (lost.code, len(lost.complaint)) == (3, 2)
    assert "é眼\\n b: no such folder" in lost.complaint[0]


def test_a_chain_in_an_odd_folder_goes_on(chain: Chain, tmp_path: Path) -> None:
    copied = Chain(tmp_path / ODD, chain.done)
    shutil.copytree(chain.folder, copied.folder)
    for stage in ("evaluate", "check-ane", "calibrate"):
        done = eyecli_process(*CHAIN[stage].split(), "--force", cwd=copied.folder, env=C_LOCALE)
        assert done.ref.endswith("@v2")


@pytest.mark.slow
def test_the_whole_chain_in_an_odd_folder(tmp_path: Path) -> None:
    made = Chain(tmp_path / ODD, {})
    made.folder.mkdir()
    for stage in CHAIN:
        if stage == "calibrate":
            write_embeddings(made.root, made.folder / "embeddings.csv")
        done = eyecli_process(*CHAIN[stage].split(), cwd=made.folder, env=C_LOCALE)
        assert done.code == 0, done.err
    assert list((made.root / "tmp").iterdir()) == []
