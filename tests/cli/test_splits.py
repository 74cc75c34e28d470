"""Splits for life, as a user meets them: a second site, a published split, a grown table."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from shell import Done

from eyecli.data.prepared import read_split
from eyecli.workspace.references import resolve

Call = Callable[..., Done]
Rows = list[dict[str, str]]
ROOT = Path("eyecli-workspace")
PARTS = {"s001": "train", "s002": "train", "s003": "dev", "s004": "test"}


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from eyecli.cli.main import run

    folder = tmp_path_factory.mktemp("sample")
    words = "fetch sample gaze --subjects 4 --points 2 --frames 1 --workspace"
    assert run([*words.split(), str(folder / "workspace")]) == 0
    (made,) = (folder / "workspace" / "samples").iterdir()
    return Path(made)


def site(sample: Path, folder: Path, change: Callable[[Rows], Rows], negative: bool = False) -> str:
    """Copy the sample with a changed table; the people of another site have other eyes."""
    shutil.copytree(sample, folder)
    with (folder / "table.csv").open(newline="") as stream:
        rows = change(list(csv.DictReader(stream)))
    with (folder / "table.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for path in folder.rglob("*.png") if negative else ():
        path.chmod(0o644)
        cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    return str(folder)


def published(rows: Rows) -> Rows:
    return [row | {"set": PARTS[row["subject"]], "day": str(n % 2)} for n, row in enumerate(rows)]


@pytest.fixture
def one(sample: Path, eyecli: Call, tmp_path: Path) -> str:
    return eyecli("fetch", "path", site(sample, tmp_path / "one", published), "--name", "one").ref


@pytest.fixture
def two(sample: Path, eyecli: Call, tmp_path: Path) -> str:
    folder = site(sample, tmp_path / "two", published, negative=True)
    return eyecli("fetch", "path", folder, "--name", "two").ref


def refused(done: Done, code: int, *words: str) -> None:
    assert (done.code, done.out) == (code, ""), done.err
    assert 1 <= len(done.complaint) <= 2, done.err
    for word in words:
        assert word in "\n".join(done.complaint)
    assert not (ROOT / "prepared").exists() and not (ROOT / "split").exists()


def test_a_published_split_and_a_second_site(eyecli: Call, one: str, two: str) -> None:
    assert eyecli("preprocess", "gaze", one, "--split-column", "set").code == 0
    first = read_split(resolve(ROOT, "split/gaze@v1"))
    assert (first.partitions[0].test, first.partitions[0].val) == (["s004"], ["s003"])
    words = ("preprocess", "gaze", two, one, "--split-from", "split/gaze@v1")
    done = eyecli(*words)
    assert done.code == 4 and "4 subject ids occur in more than one" in done.complaint[0]
    assert eyecli(*words, "--distinct-subjects", "--dry-run").code == 0
    done = eyecli(*words, "--distinct-subjects")
    assert done.ref == "prepared/gaze@v2" and done.err.count("4 groups stay, 4 are new") == 1
    (partition,) = read_split(resolve(ROOT, "split/gaze@v2")).partitions
    assert "one/s004" in partition.test and "one/s003" in partition.val
    # A training on the grown data cannot use the old split by mistake.
    done = eyecli("train", "gaze", "--split", "split/gaze@v1", "--dry-run")
    assert done.code == 3 and "--split-from" in done.complaint[1]
    assert "split/gaze@v2" in eyecli("train", "gaze", "--dry-run").out
    again = eyecli("train", "gaze", "prepared/gaze@v1", "--split", "split/gaze@v1", "--dry-run")
    assert again.code == 0


def test_a_published_split_that_divides_people_needs_a_reason(eyecli: Call, one: str) -> None:
    words = ("preprocess", "gaze", one, "--split-column", "day")
    refused(eyecli(*words), 4, "4 subjects in two parts of the published split 'day': s001, s002")
    refused(eyecli(*words, "--unsafe-split", " "), 2, "--unsafe-split needs a reason")
    done = eyecli(*words, "--unsafe-split", "as in the paper")
    assert done.code == 0 and done.err.count("as in the paper") == 1, done.err
    split = resolve(ROOT, "split/gaze")
    assert split.manifest.flags["subject_independent"] is False
    assert split.manifest.summary["reason"].endswith(": as in the paper")
    assert "**no**" in (split.path / "card.md").read_text()


def test_bad_words_get_a_line_and_a_way_out(eyecli: Call, one: str, two: str) -> None:
    start = ("preprocess", "gaze", one)
    refused(eyecli(*start, "--split-column", "sett"), 3, "column 'sett' is missing", "'set'?")
    refused(
        eyecli(*start, "--split-column", "target_x"), 3, "row000002: --split-column target_x: '"
    )
    refused(eyecli(*start, "--split-from", "split/gaze"), 3, "no artifact split/gaze")
    refused(eyecli(*start, one), 2, "are the same data")
    refused(eyecli(*start, ""), 2, "an empty reference")
    refused(eyecli(*start, two, "--same-subjects", "--distinct-subjects"), 2, "contradict")


def test_one_of_another_task_is_named(eyecli: Call, one: str, two: str) -> None:
    manifest = ROOT / two.replace("@v1", "/v0001") / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text().replace('"task":"gaze"', '"task":"oct"'))
    refused(eyecli("preprocess", "gaze", one, two), 3, two, "source/oct")


def test_a_wrong_value_is_named_with_its_row(sample: Path, eyecli: Call, tmp_path: Path) -> None:
    def spoil(rows: Rows) -> Rows:
        return [row | {"set": "" if n == 3 else "tset" if n == 5 else "train"}
                for n, row in enumerate(rows)]  # fmt: skip

    source = eyecli("fetch", "path", site(sample, tmp_path / "bad", spoil)).ref
    done = eyecli("preprocess", "gaze", source, "--split-column", "set")
    refused(done, 3, "row000005: --split-column set: nothing", "(and 1 more problems)")
    done = eyecli("preprocess", "gaze", source, "--split-column", "set", "--dry-run")
    assert done.code == 3 and "row000007" in done.out and "'tset'" in done.out
