"""``workspace diff|export|import|gc|rehash`` as a user types them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Chain
from shell import Done, environment, eyecli_process

Call = Callable[..., Done]
SAMPLE = ("fetch", "sample", "gaze-eyes", "--subjects", "1", "--points", "1")


def refused(done: Done, code: int, *words: str) -> None:
    assert done.code == code, done.err
    assert done.complaint[0].startswith("error: ")
    assert len(done.complaint) <= 2
    for word in words:
        assert word in done.err


@pytest.fixture
def two(eyecli: Call) -> list[str]:
    """Publish two sources that differ."""
    return [eyecli(*SAMPLE, "--frames", n).ref for n in (1, 2)]


def test_diff_prints_lines_and_says_so_on_demand(eyecli: Call, two: list[str]) -> None:
    done = eyecli("workspace", "diff", *two)
    assert done.code == 0
    folders = [line for line in done.out.splitlines() if line.startswith("params.folder: ")]
    assert len(folders) == 1 and "gaze-eyes-1-1-1-0 -> " in folders[0]
    assert "summary.files: " in done.out
    assert eyecli("workspace", "diff", *two, "--exit-code").code == 4
    same = eyecli("workspace", "diff", two[0], two[0], "--exit-code", "--json")
    assert (same.code, json.loads(same.out)["same"]) == (0, True)
    document = json.loads(eyecli("workspace", "diff", *two, "--json").out)
    assert {"section": "summary", "key": "files", "old": 4, "new": 6} in document["differences"]


def test_a_tar_goes_to_another_place(eyecli: Call, two: list[str]) -> None:
    eyecli("workspace", "alias", two[0], "first")
    done = eyecli("workspace", "export", *two, "a b 'ä.tar")
    assert done.ref == "a b 'ä.tar"
    assert "source/gaze@v1: the list of its files, not the files themselves" in done.err
    refused(eyecli("workspace", "export", *two, "a b 'ä.tar"), 2, "is there already", "--force")
    assert eyecli("workspace", "export", *two, "a b 'ä.tar", "--force").code == 0
    place = ("--workspace", "other 'ö place")
    done = eyecli("workspace", "import", "a b 'ä.tar", "--dry-run", *place)
    refused(done, 3, "no workspace at")
    done = eyecli("workspace", "import", "a b 'ä.tar", *place)
    assert done.out.splitlines() == two
    assert "source/gaze@first -> source/gaze@v1" in done.err
    rows = json.loads(eyecli("workspace", "import", "a b 'ä.tar", "--json", *place).out)
    assert [(row["ref"], row["new"]) for row in rows] == [(ref, False) for ref in two]
    assert eyecli("workspace", "verify", *place).out == "2 artifacts whole\n"


def test_what_cannot_be_exported_or_imported_is_said(eyecli: Call, two: list[str]) -> None:
    refused(eyecli("workspace", "export", "x.tar"), 2, "Missing argument")
    refused(eyecli("workspace", "export", two[0], "no/x.tar"), 2, "no: no such folder")
    refused(eyecli("workspace", "export", "source/gaze@v9", "x.tar"), 3, "no version v9")
    shutil.copytree("eyecli-workspace/source/gaze/v0001", "copy")
    refused(eyecli("workspace", "export", "copy", "x.tar"), 2, "is not in this workspace")
    assert not Path("x.tar").exists()
    refused(eyecli("workspace", "import", "x.tar"), 3, "x.tar: no such file")
    Path("x.tar").write_bytes(b"PK" * 600)
    refused(eyecli("workspace", "import", "x.tar"), 3, "x.tar: no tar, cut off, or damaged")


def test_a_tar_does_not_go_among_the_artifacts(eyecli: Call, two: list[str]) -> None:
    for folder in ("source/gaze/v0001", "source", "tmp", "runs"):
        path = Path("eyecli-workspace", folder)
        path.mkdir(exist_ok=True)
        refused(eyecli("workspace", "export", two[0], path / "x.tar"), 2, "among what")
    assert eyecli("workspace", "export", two[0], "eyecli-workspace/x.tar").code == 0
    assert eyecli("workspace", "verify").code == 0


def test_what_is_damaged_is_not_compared_and_can_be_removed(eyecli: Call, two: list[str]) -> None:
    folder = Path("eyecli-workspace/source/gaze/v0001")
    changed = next(p for p in folder.iterdir() if p.name not in ("manifest.json", "SHA256SUMS"))
    changed.chmod(0o644)
    changed.write_bytes(changed.read_bytes() + b" ")
    for refs in (two, two[::-1]):
        refused(eyecli("workspace", "diff", *refs), 3, f"{changed}: content changed")
    assert eyecli(*SAMPLE, "--frames", "1", "--force").ref == "source/gaze@v3"
    done = eyecli("workspace", "verify")
    refused(done, 3, "1 damaged files in 1 of 3 artifacts")
    way = done.complaint[1].rpartition("then: ")[2]
    assert way.endswith("source/gaze/v0001")
    subprocess.run(shlex.split(way), check=True)
    assert eyecli("workspace", "verify").code == 0


def test_the_way_out_of_a_damaged_manifest_helps(eyecli: Call, two: list[str]) -> None:
    Path("eyecli-workspace/source/gaze/v0002").rename("eyecli-workspace/source/gaze/v0007")
    manifest = Path("eyecli-workspace/source/gaze/v0007/manifest.json")
    manifest.chmod(0o644)
    for content in (b"{}", b'{"a": ' + b"[" * 100_000):
        manifest.write_bytes(content)
        done = eyecli("preprocess", "gaze")
        refused(done, 3, "manifest.json: damaged manifest", "run `eyecli fetch path FOLDER` again")
    subprocess.run(shlex.split(done.complaint[1].rpartition("again: ")[2]), check=True)
    assert eyecli("workspace", "path", "source/gaze").out.endswith("v0001\n")
    assert eyecli(*SAMPLE, "--frames", "2").ref == "source/gaze@v2"


def test_text_of_manifests_does_not_reach_the_terminal_raw(eyecli: Call, two: list[str]) -> None:
    manifest = Path("eyecli-workspace/source/gaze/v0001/manifest.json")
    manifest.chmod(0o644)
    manifest.write_text(re.sub('"ended":"[^"]*"', r'"ended":"\\u001b[2J"', manifest.read_text()))
    done = eyecli("workspace", "ls")
    assert done.code == 0 and r"\x1b[2J" in done.out and "\x1b" not in done.out


def test_gc_lists_and_removes(eyecli: Call, two: list[str]) -> None:
    left = Path("eyecli-workspace/tmp/left")
    left.mkdir()
    (left / "half").write_bytes(bytes(100))
    assert eyecli("workspace", "gc").out == ""
    done = eyecli("workspace", "gc", "--grace", "0", "--keep", "1", "--dry-run")
    assert done.out.splitlines()[0].startswith("source/gaze/v0001  old version  ")
    assert "tmp/left  unfinished work  100" in done.out
    assert left.exists() and "would be freed" in done.err
    done = eyecli("workspace", "gc", "--grace", "0", "--keep", "1", "--json")
    paths = [row["path"] for row in json.loads(done.out)["removed"]]
    assert paths[:2] == ["source/gaze/v0001", "tmp/left"]
    assert json.loads(done.out)["bytes"] > 100
    refused(eyecli("workspace", "path", two[0]), 3, "removed by `workspace gc`")
    assert eyecli("workspace", "verify").out == "1 artifacts whole\n"
    refused(eyecli("workspace", "gc", "--grace", "soon"), 2, "--grace 'soon' is no length of time")
    refused(eyecli("workspace", "gc", "--keep", "0"), 2, "--keep 0 is below 1")


def test_rehash_names_what_changed_in_secret(eyecli: Call, two: list[str]) -> None:
    folder = Path("eyecli-workspace/samples/gaze-eyes-1-1-1-0").absolute()
    path = folder / "provenance.json"
    stat = path.stat()
    path.write_bytes(b" " * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert eyecli("workspace", "rehash", folder.relative_to(Path.cwd())).out == f"{path}\n"
    shutil.rmtree(folder)
    done = eyecli("workspace", "rehash")
    assert (done.code, done.out) == (0, "")
    assert f"{folder} is gone" in done.err
    refused(eyecli("workspace", "rehash", folder), 3, "no such folder")


@pytest.mark.parametrize("content", ['{"format":2}', '{"format":'])
def test_the_format_is_checked_first(eyecli: Call, two: list[str], content: str) -> None:
    Path("eyecli-workspace/format.json").write_text(content)
    word = "update eyecli" if "2" in content else "damaged"
    for words in (("ls",), ("gc",), ("export", *two, "x.tar"), ("import", "x.tar")):
        refused(eyecli("workspace", *words), 3, "format.json", word)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no mount allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("what", ["export", "import"])
def test_a_full_disk_leaves_nothing_half(
    eyecli: Call, tmp_path: Path, disk: Path, what: str
) -> None:
    # A source is the list of its files: long names make it large.
    folder = tmp_path / "data" / ("x" * 200) / ("y" * 200)
    folder.mkdir(parents=True)
    for n in range(1000):
        (folder / f"{'z' * 200}{n}_1_2.png").write_bytes(b"1")
    fetch = ("fetch", "path", "data", "--layout", "image-table", "--force")
    refs = [eyecli(*fetch).ref for _ in range(4)]
    tar = disk / "x.tar" if what == "export" else tmp_path / "x.tar"
    done = eyecli("workspace", "export", *refs, tar)
    if what == "export":
        refused(done, 1, f"{tar}: the disk is full; nothing was written")
        assert list(disk.iterdir()) == []
        return
    assert tar.stat().st_size > 2 * 2**20
    done = eyecli("workspace", "import", tar, "--workspace", disk)
    refused(done, 1, "the disk is full; nothing was published")
    assert sorted(path.name for path in disk.iterdir()) == ["format.json", "tmp"]
    assert list((disk / "tmp").iterdir()) == []


def test_a_folder_that_may_not_be_written_is_named(eyecli: Call, two: list[str]) -> None:
    folder = Path("locked")
    folder.mkdir(mode=0o555)
    command = [sys.executable, "-m", "eyecli", "workspace", "export", two[0], "locked/x.tar"]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root, and no setpriv to give up its privileges")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    complaint = "locked/x.tar: Permission denied; nothing was written"
    refused(Done(done.returncode, done.stdout, done.stderr), 1, complaint)


def test_a_plain_locale_and_a_clock_set_back_change_nothing(tmp_path: Path) -> None:
    env = environment({"LC_ALL": "C", "LANG": "C"})
    place = ("--workspace", "wörk 'place")

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "eyecli", *words, *place]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    assert run(*SAMPLE, "--frames", "1") == "source/gaze@v1\n"
    assert run(*SAMPLE, "--frames", "2") == "source/gaze@v2\n"
    tomorrow = time.time() + 86400
    for path in (tmp_path / "wörk 'place").rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    assert run("workspace", "export", "source/gaze", "ä b.tar") == "ä b.tar\n"
    # All of it looks younger than now.
    assert run("workspace", "gc", "--grace", "0", "--keep", "1") == ""
    assert run("workspace", "import", "ä b.tar") == "source/gaze@v2\n"
    assert "wörk 'place/samples" in run("workspace", "diff", "source/gaze@v1", "source/gaze")
    assert run("workspace", "rehash") == ""
    assert run("workspace", "verify") == "2 artifacts whole\n"


def test_a_model_can_be_evaluated_where_it_was_imported(chain: Chain, tmp_path: Path) -> None:
    tar, place = tmp_path / "model.tar", ("--workspace", tmp_path / "ws")
    done = eyecli_process("workspace", "export", "model/gaze", tar, cwd=chain.folder)
    assert done.code == 0, done.err
    assert eyecli_process("workspace", "import", tar, *place, cwd=tmp_path).ref == "model/gaze@v1"
    done = eyecli_process("evaluate", "--dry-run", *place, cwd=tmp_path)
    assert done.ref == "would evaluate model/gaze@v1 on prepared/gaze@v1, split/gaze@v1"
    here, there = (
        eyecli_process("workspace", "lineage", "model/gaze", *where, cwd=chain.folder).out
        for where in (place, ())
    )
    assert here == there
