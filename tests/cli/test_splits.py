"""Splits for life, as a user meets them: a second site, a published split, a grown table."""

from __future__ import annotations

import csv
import json
import re
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
    words = "fetch sample gaze-eyes --subjects 4 --points 2 --frames 1 --workspace"
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
    refused(eyecli(*words), 4, "4 subjects in two parts of the published split 'day': ")
    refused(eyecli(*words, "--unsafe-split", " "), 2, "--unsafe-split needs a reason")
    done = eyecli(*words, "--unsafe-split", "as in the paper")
    assert done.code == 0 and done.err.count("as in the paper") == 1, done.err
    split = resolve(ROOT, "split/gaze")
    assert split.manifest.flags["subject_independent"] is False
    assert split.manifest.summary["reason"].endswith(": as in the paper")
    assert "**no**" in (split.path / "card.md").read_text()


def test_a_leaky_split_is_judged_by_people_and_says_what_was_seen(eyecli: Call, one: str) -> None:
    words = ("preprocess", "gaze", one, "--split-column", "day", "--unsafe-split", "as published")
    assert eyecli(*words).code == 0
    assert eyecli("train", "gaze", "--epochs", "1").code == 0
    done = eyecli("evaluate")
    assert done.ref == "report/gaze@v1", done.err
    assert "Not calibrated: 4 of 4 subjects have 1 point only" in done.err
    folder = resolve(ROOT, "report/gaze").path
    report = json.loads((folder / "report.json").read_text())
    assert report["resampled"] == "subjects" and report["groups"] == 8
    assert "4 subjects only: with fewer than 10, intervals are too narrow." in report["notes"]
    assert "had not seen" not in report["methods"] and "of 4 subjects" in report["methods"]
    assert "may have been trained on others of the same person" in report["methods"]
    compared = eyecli("compare", "--format", "csv")
    row = next(csv.DictReader(compared.out.splitlines()))
    assert (row["samples"], row["groups"]) == ("8", "4")
    first = (resolve(ROOT, "comparison/gaze").path / "comparison.txt").read_text().splitlines()[0]
    claim = next(words for words in ("does NOT beat", "is NOT shown to beat", "beats every")
                 if words in report["verdict"])  # fmt: skip
    assert claim.replace("beats every", "Every model beats every") in first
    (difference,) = (d for d in report["differences"] if d["against"] == "constant")
    assert float(row["value"]) == pytest.approx(difference["model"])
    mean = next(m for m in report["metrics"] if m["metric"] == "error_mean_px")
    assert (float(row["lo"]), float(row["hi"])) == pytest.approx((mean["lo"], mean["hi"]))


def test_bad_words_get_a_line_and_a_way_out(eyecli: Call, one: str, two: str) -> None:
    start = ("preprocess", "gaze", one)
    refused(eyecli(*start, "--split-column", "sett"), 3, "column 'sett' is missing", "'set'?")
    refused(eyecli(*start, "--split-column", "target_x"), 3, "row 2: --split-column target_x: '")
    refused(eyecli(*start, "--split-from", "split/gaze"), 3, "no artifact split/gaze")
    refused(eyecli(*start, one), 2, "are the same data")
    refused(eyecli(*start, ""), 2, "an empty argument")
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
    refused(done, 3, "row 5: --split-column set: nothing", "(and 1 more problems)")
    done = eyecli("preprocess", "gaze", source, "--split-column", "set", "--dry-run")
    assert done.code == 3 and "table.csv: row 7: " in done.out and "'tset'" in done.out


def test_people_are_not_named_where_they_straddle_or_change_names(
    eyecli: Call, one: str, sample: Path, tmp_path: Path
) -> None:
    done = eyecli("preprocess", "gaze", one, "--split-column", "day")
    refused(done, 4, "4 subjects in two parts", "table.csv: row 2 ~ row 3; ")
    assert not re.search(r"\bs00\d", done.err)
    assert eyecli("preprocess", "gaze", one, "--split", "leave-one-group-out").code == 0
    swap = {"s001": "s004", "s004": "s001"}
    folder = site(sample, tmp_path / "swapped", lambda rows: [
        row | {"subject": swap.get(row["subject"], row["subject"])} for row in rows
    ])  # fmt: skip
    swapped = eyecli("fetch", "path", folder).ref
    done = eyecli("preprocess", "gaze", swapped, "--split-from", "split/gaze")
    assert (done.code, done.out) == (4, "") and not re.search(r"\bs00\d", done.err)
    assert "2 groups have files that another group of split/gaze@v1 had" in done.complaint[0]


def test_one_person_in_two_spellings_is_refused(eyecli: Call, sample: Path, tmp_path: Path) -> None:
    folder = site(sample, tmp_path / "respelt", lambda rows: [
        row | {"subject": row["subject"].upper() if n == 3 else row["subject"]}
        for n, row in enumerate(rows)
    ])  # fmt: skip
    source = eyecli("fetch", "path", folder).ref
    done = eyecli("preprocess", "gaze", source)
    refused(done, 4, "1 pairs of subject ids differ in case", "table.csv: row 4 ~ row 5")
    assert not re.search(r"\bs00\d", done.err, re.I)
    lines = eyecli("preprocess", "gaze", source, "--dry-run")
    assert lines.code == 3 and "1 pairs of subject ids" in lines.out
    assert eyecli("preprocess", "gaze", source, "--unsafe-split", "two people").code == 0
    assert resolve(ROOT, "split/gaze").manifest.flags["subject_independent"] is False
