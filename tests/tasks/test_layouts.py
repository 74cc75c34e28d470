"""The layouts of all tasks: no data are two of them, and real data are what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout_cases import recognised
from real_data import real_data

from eyecli.data.fields import example
from eyecli.sources.layouts import find_layout
from eyecli.tasks.base import RAW, all_layouts, layouts_of
from eyecli.tasks.gaze.fields import CAPTURE_EXAMPLE

KNOWN = {
    "dr/idrid": "dr-table", "oct/tvhl": "oct-table", "oct/kermany": "kermany",
    "gaze/eye_crops": "eye-crops", "scanpath/radio": "scanpath-csv",
    "scanpath/image_viewing": "scanpath-csv", "scanpath/animals": "scanpath-csv",
    "volume/eyepy_testdata": "oct-volumes", "volume/heidelberg_vol": "oct-volumes",
    "volume/eyepy_testdata/heyex_xml": "oct-volumes",
    "volume/eyepy_testdata/heyex_vol": "oct-volumes",
}  # fmt: skip


def test_no_two_layouts_have_one_name() -> None:
    assert len(all_layouts()) == sum(len(layouts_of(task)) for task in RAW)


@pytest.mark.parametrize("name", all_layouts())
def test_every_layout_has_fields_and_an_example(name: str) -> None:
    layout = all_layouts()[name][1]
    assert layout.fields and layout.meaning and layout.files and example(layout).endswith("\n")
    assert {field.name for field in layout.fields} >= set(layout.minimal)


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (CAPTURE_EXAMPLE.splitlines(), "gazecapture"),
        ([f"gazecapture/{name}" for name in CAPTURE_EXAMPLE.splitlines()], "gazecapture"),
        (["left/1_2.bmp", "right/1_2.bmp"], "eye-crops"),
        (["p01.mp4", "p01.json"], "face-sessions"),
        ({"t.csv": "who,gx,gy,file\n", "a.png": ""}, "image-table"),
    ],
)
def test_gaze_is_recognised(tmp_path: Path, files: list[str], layout: str) -> None:
    found = recognised(tmp_path, files)
    assert (found.task, found.layout, list(found.unused)) == ("gaze", layout, [])


@pytest.mark.parametrize(("folder", "layout"), KNOWN.items())
def test_real_data_are_what_they_are(tmp_path: Path, folder: str, layout: str) -> None:
    assert find_layout(real_data(folder), all_layouts(), tmp_path).layout == layout
