"""Near-duplicates from `prepare` to the audits of splits and of two prepared sets."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from planted import CHANGES, photographs, stored

from eyecli.data.arrays import ArraySpec
from eyecli.data.audit import audit_between, audit_split
from eyecli.data.fields import Layout
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import check_source, prepare
from eyecli.data.prepared import open_prepared, read_split
from eyecli.data.raw import Raw, Read
from eyecli.errors import CheckError
from eyecli.sources.source import Source, fetch_path
from eyecli.workspace.store import families, open_workspace

SIDE = 128
LAYOUTS = {"images": ("gaze", Layout("images", lambda names: True, ()))}


def read_raw(source: Source, settings: object, side: int = SIDE) -> Raw:
    names = list(source.digests)

    def convert(position: int, read: Read) -> dict[str, np.ndarray]:
        content = np.frombuffer(read(names[position]), np.uint8)
        return {"image": stored(cv2.imdecode(content, cv2.IMREAD_COLOR), side)}

    table = [{"sample": name, "subject": name} for name in names]
    return Raw(table, [[n] for n in names], {"image": ArraySpec((side, side, 3), "uint8")}, convert,
               {}, [])  # fmt: skip


def test_a_set_augmented_before_a_random_split_is_refused_with_pairs_named(tmp_path: Path) -> None:
    """As published sets are: turned and mirrored versions, each with an id of its own."""
    (tmp_path / "raw").mkdir()
    photos = [stored(p, 256) for p in photographs()[:5]]
    ways = ("turn 90", "turn 120", "turn 180", "turn 270", "mirror")
    versions = photos + [CHANGES[way](p) for way in ways for p in photos]
    for n, pixels in enumerate(versions):
        cv2.imwrite(str(tmp_path / "raw" / f"{n:02}-{n % 5}.png"), pixels)
    root = open_workspace(tmp_path / "workspace", create=True)
    source = fetch_path(root, tmp_path / "raw", LAYOUTS).artifact
    with pytest.raises(CheckError, match=r"leaks between the parts of the split") as caught:
        prepare(root, "gaze", source, read_raw, SplitSettings(), SplitSettings())
    assert caught.value.exit_code == 4 and families(root) == ["source/gaze"]
    named = re.findall(r"\d+-(\d)\.png ~ \d+-(\d)\.png \(near-duplicate", str(caught.value))
    assert named and all(a == b for a, b in named), "pairs of one photograph only"
    lines = check_source(root, source, read_raw, SplitSettings(), SplitSettings())
    assert lines[1] == "1 problems" and "near-duplicate image" in lines[2], "a dry run knows it too"
    settings = SplitSettings(unsafe_split="augmented before we got it")
    assert check_source(root, source, read_raw, settings, settings)[1:] == ["0 problems"]
    _, split = prepare(root, "gaze", source, read_raw, SplitSettings(), settings)
    plan = read_split(split.artifact)
    assert not plan.subject_independent and "augmented before we got it" in str(plan.reason)
    assert split.artifact.manifest.flags["subject_independent"] is False


def test_a_copy_is_refused_accepted_and_found_again(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    photos = [stored(p, 256) for p in photographs()[:6]]
    for n, pixels in enumerate([*photos, CHANGES["mirror"](photos[2])]):
        cv2.imwrite(str(tmp_path / "raw" / f"{n}.png"), pixels)
    root = open_workspace(tmp_path / "workspace", create=True)
    source = fetch_path(root, tmp_path / "raw", LAYOUTS).artifact
    scheme = "leave-one-group-out"
    with pytest.raises(CheckError, match=r"1 leaks .*2\.png ~ 6\.png \(near-dup.*mirrored, score"):
        prepare(root, "gaze", source, read_raw, SplitSettings(), SplitSettings(scheme))
    assert families(root) == ["source/gaze"]
    settings = SplitSettings(scheme, unsafe_split="known")
    made, split = prepare(root, "gaze", source, read_raw, SplitSettings(), settings)
    data = open_prepared(made.artifact)
    assert [leak.second for leak in audit_split(data, read_split(split.artifact))] == ["6.png"]
    between = audit_between(data, np.arange(4), data, np.array([3, 5, 6]))
    assert [(leak.first, leak.second, leak.why[:9]) for leak in between] == [
        ("2.png", "6.png", "near-dupl"),
        ("3.png", "3.png", "identical"),
    ]


def test_of_small_images_only_equal_ones_are_found_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "raw").mkdir()
    photos = [stored(p, 48) for p in photographs()[:6]]
    for n, pixels in enumerate([*photos, photos[2][:, ::-1]]):
        cv2.imwrite(str(tmp_path / "raw" / f"{n}.png"), pixels)
    root = open_workspace(tmp_path / "workspace", create=True)
    source = fetch_path(root, tmp_path / "raw", LAYOUTS).artifact
    small = partial(read_raw, side=48)
    settings = SplitSettings("leave-one-group-out")
    note = "near-duplicate images were not looked for (images of 48 px)"
    with pytest.raises(
        CheckError, match=r"1 leaks .*2\.png ~ 6\.png \(near-dup.*mirrored, score 1"
    ):
        prepare(root, "gaze", source, small, settings, settings)
    lines = check_source(root, source, small, settings, settings)
    assert lines[1] == "1 problems" and "2.png ~ 6.png" in lines[2] and note in caplog.text
    caplog.clear()
    _, split = prepare(root, "gaze", source, small, settings, replace(settings, unsafe_split="x"))
    assert split.artifact.manifest.summary["note"] == note and note in caplog.text
    assert f"- {note}\n" in (split.artifact.path / "card.md").read_text()
