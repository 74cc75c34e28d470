"""Photographs that were multiplied before the split, as EyeNet's were, are found and refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.data.prepared import read_split
from eyecli.errors import CheckError
from eyecli.sources.source import fetch_path
from eyecli.synthesis.fundus import write_fundus
from eyecli.tasks.base import all_layouts
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.settings import DrPreprocess
from eyecli.workspace.store import Artifact, open_workspace

SUBJECTS, TURNS = 8, (0, 90, 120, 180, 270)


def multiplied(folder: Path, root: Path, *, honest: bool) -> Artifact:
    """Write every photograph turned and mirrored, each under an id of its own or its patient's."""
    write_fundus(folder / "raw", SUBJECTS, 0)
    rows = ["path,grade,patient"]
    for path in sorted((folder / "raw").glob("*_left.jpeg")):
        pixels, patient = cv2.imread(str(path)), path.stem.partition("_")[0]
        middle = ((pixels.shape[1] - 1) / 2, (pixels.shape[0] - 1) / 2)
        turned = {
            str(angle): cv2.warpAffine(
                pixels, cv2.getRotationMatrix2D(middle, angle, 1), pixels.shape[1::-1]
            )
            for angle in TURNS
        }
        for name, copy in {**turned, "mirror": pixels[:, ::-1]}.items():
            file = f"{path.stem}_{name}.png"
            (folder / "all").mkdir(exist_ok=True)
            cv2.imwrite(str(folder / "all" / file), copy)
            rows.append(f"{file},{(int(patient) - 1) % 5},{patient if honest else Path(file).stem}")
    (folder / "all/labels.csv").write_text("\n".join(rows) + "\n")
    return fetch_path(root, folder / "all", all_layouts(), layout="dr-table").artifact


@pytest.mark.parametrize("honest", [False, True])
def test_copies_of_one_photograph_are_never_in_two_parts(tmp_path: Path, honest: bool) -> None:
    root = open_workspace(tmp_path / "workspace", create=True)
    source = multiplied(tmp_path, root, honest=honest)
    settings, split = DrPreprocess(size=128, processes=1), SplitSettings("kfold:3")
    if honest:
        _, made = prepare(root, "dr", source, read_raw, settings, split)
        assert read_split(made.artifact).subject_independent
        return
    with pytest.raises(CheckError, match=r"leaks .*: row \d+ ~ row \d+ \(.*image") as caught:
        prepare(root, "dr", source, read_raw, settings, split)
    assert caught.value.exit_code == 4
    assert not (root / "prepared").exists() and not (root / "split").exists()
