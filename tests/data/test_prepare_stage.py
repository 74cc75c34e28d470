"""The preprocess stage with a task of its own: every file is one number of one person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from eyecli.data.arrays import ArraySpec
from eyecli.data.fields import Layout
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import check_source, prepare
from eyecli.data.prepared import open_prepared, read_split, read_table, write_table
from eyecli.data.raw import Raw, Read
from eyecli.data.split_stage import split_prepared
from eyecli.errors import CheckError, DataError
from eyecli.sources.source import Source, fetch_path
from eyecli.workspace.splits import chosen_split
from eyecli.workspace.store import Artifact, families, open_workspace

LAYOUTS = {"numbers": ("gaze", Layout("numbers", lambda names: True, ()))}


@dataclass(frozen=True)
class Settings:
    """A task's settings."""

    problem: str = ""


def read_raw(source: Source, settings: Settings) -> Raw:
    """Files ``<subject>/<n>.txt``."""
    names = list(source.digests)

    def convert(position: int, read: Read) -> dict[str, np.ndarray]:
        try:
            return {"number": np.array([float(read(names[position]))], np.float32)}
        except ValueError:
            raise DataError(f"{names[position]}: not a number") from None

    table = [
        {"sample": name, "subject": name.split("/")[0].strip("_"), "target": position / 3}
        for position, name in enumerate(names)
    ]
    problems = [settings.problem] * 3 if settings.problem else []
    specs = {"number": ArraySpec((1,), "float32")}
    return Raw(table, [[name] for name in names], specs, convert, {"unit": "px"}, problems)


def fetch(folder: Path, **changes: str) -> tuple[Path, Artifact]:
    """Five people with three files each; `changes` replace files such as ``s0_1``."""
    for person in range(5):
        for n in range(3):
            path = folder / "raw" / f"s{person}" / f"{n}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(changes.get(f"s{person}_{n}", f"{10 * person + n}"))
    root = open_workspace(folder / "workspace", create=True)
    return root, fetch_path(root, folder / "raw", LAYOUTS).artifact


def made(root: Path, source: Artifact, task: Any = None, **split: str) -> tuple[Artifact, Artifact]:
    settings = SplitSettings(**{"split": "kfold:5"} | split)  # type: ignore[arg-type]
    prepared, parts = prepare(root, "gaze", source, read_raw, task or Settings(), settings)
    return prepared.artifact, parts.artifact


def test_arrays_index_and_split_are_published(tmp_path: Path) -> None:
    root, source = fetch(tmp_path)
    prepared, split = made(root, source)
    data, plan = open_prepared(prepared), read_split(split)
    assert list(data.index["sample"])[:4] == ["s0/0.txt", "s0/1.txt", "s0/2.txt", "s1/0.txt"]
    np.testing.assert_array_equal(
        data.arrays.take("number", range(15))[:, 0],
        [10 * p + n for p in range(5) for n in range(3)],
    )
    np.testing.assert_array_equal(data.index["target"], np.arange(15) / 3)
    digests = dict(zip(data.index["sample"], data.index["files"], strict=True))
    assert all(len(digest) == 64 for digest in digests.values())
    assert data.setup == {"unit": "px"} and plan.groups == [f"s{i}" for i in range(5)]
    assert (plan.scheme, plan.subject_independent) == ("kfold:5", True)
    assert split.manifest.inputs[0].digest == prepared.manifest.digest
    assert chosen_split(root, prepared) == split
    assert prepared.manifest.summary == {"samples": 15, "subjects": 5}


def test_a_leak_publishes_nothing_unless_accepted(tmp_path: Path) -> None:
    root, source = fetch(tmp_path, s3_1="10", s4_0="40.5")
    with pytest.raises(CheckError, match=r"1 leaks .*s1/0\.txt ~ s3/1\.txt"):
        made(root, source)
    assert families(root) == ["source/gaze"] and not any((root / "tmp").iterdir())
    prepared, split = made(root, source, unsafe_split="same lamp")
    assert split.manifest.flags["subject_independent"] is False
    assert split.manifest.summary["reason"] == "1 leaks accepted: same lamp"
    assert "subject_independent" not in prepared.manifest.flags, "the data are not to blame"


def test_another_split_does_not_read_the_raw_data_again(tmp_path: Path) -> None:
    root, source = fetch(tmp_path)
    prepared, first = made(root, source)
    for path in (tmp_path / "raw").rglob("*.txt"):
        path.unlink()
    second = split_prepared(root, prepared, SplitSettings("leave-one-group-out", seed=4)).artifact
    assert second.ref == "split/gaze@v2" and read_split(second).seed == 4
    # It is not that of the preparation, which a bare `train` goes on using.
    assert chosen_split(root, prepared) == first and read_split(first).scheme == "kfold:5"
    with pytest.raises(CheckError, match="leaks"):
        fetched, other = fetch(tmp_path / "leak", s3_1="10")
        accepted, _ = made(fetched, other, unsafe_split="x")
        split_prepared(fetched, accepted, SplitSettings("leave-one-group-out"))


def test_problems_stop_it_with_the_first_and_their_number(tmp_path: Path) -> None:
    root, source = fetch(tmp_path)
    with pytest.raises(DataError, match=r"row 2: left is empty \(and 2 more problems\)"):
        made(root, source, Settings("table.csv: row 2: left is empty"))
    assert families(root) == ["source/gaze"]


def test_a_broken_file_publishes_nothing(tmp_path: Path) -> None:
    root, source = fetch(tmp_path, s2_2="broken", s3_0="too")
    with pytest.raises(DataError, match=r"s2/2\.txt: not a number"):
        made(root, source)
    assert families(root) == ["source/gaze"]
    lines = check_source(root, source, read_raw, Settings(), SplitSettings("kfold:5"))
    assert lines[0].startswith("layout numbers: 15 samples, 5 subjects, 15 files")
    assert lines[1:] == ["2 problems", "s2/2.txt: not a number", "s3/0.txt: not a number"]
    assert families(root) == ["source/gaze"], "a check writes nothing"


def test_a_check_says_what_the_split_would_say(tmp_path: Path) -> None:
    root, source = fetch(tmp_path, s3_1="10")
    lines = check_source(root, source, read_raw, Settings(), SplitSettings("kfold:5"))
    assert lines[1] == "1 problems" and "leaks between the parts" in lines[2]


def test_the_same_again_is_found(tmp_path: Path) -> None:
    root, source = fetch(tmp_path)
    first = made(root, source)
    assert made(root, source) == first
    made(root, source, split="holdout")
    assert made(root, source) == first
    assert chosen_split(root, first[0]) == first[1], "the split of the last preprocess"
    assert [a.ref for a in made(root, source, split="holdout")] == [
        "prepared/gaze@v1",
        "split/gaze@v2",
    ]


def test_ids_stay_text_and_numbers_exact(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=4) * 10.0 ** np.array([-300, -5, 0, 15])
    table = pd.DataFrame(
        {"sample": ["007", "1e5", "NA", "a,b"], "subject": ["", "nan", "1.0", 'q"'], "x": numbers}
    )
    write_table(tmp_path / "t.csv", table)
    back = read_table(tmp_path / "t.csv")
    assert list(back["sample"]) == list(table["sample"])
    assert list(back["subject"]) == list(table["subject"])
    np.testing.assert_array_equal(back["x"], numbers)


@pytest.mark.parametrize("name", ["setup.json", "index.csv", "arrays/arrays.json"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\0"])
def test_damage_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    root, source = fetch(tmp_path)
    prepared, _ = made(root, source)
    path = prepared.path / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=path.name.replace(".", r"\.")):
        data = open_prepared(prepared)
        data.index, data.arrays  # noqa: B018


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]"])
def test_a_damaged_split_is_named(tmp_path: Path, content: bytes | None) -> None:
    root, source = fetch(tmp_path)
    _, split = made(root, source)
    path = split.path / "split.json"
    assert msgspec.json.decode(path.read_bytes())["seed"] == 0
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"split\.json: damaged split"):
        read_split(split)
