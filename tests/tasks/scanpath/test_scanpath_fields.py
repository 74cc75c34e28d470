"""Recordings of gaze over time are recognised by what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout_cases import recognised

from eyecli.errors import DataError
from eyecli.tasks.scanpath.fields import is_recording

RADIO = "timestamp,smoothx,smoothy,rawx,rawy,fixation\n" + "1,2.5,3,4,5,0\n" * 9
PATHS = "1476622980550\tG\t-745\t12\tGazeData TS:14\n" * 9
ANIMALS = "1476622980550,1127,788\n" * 9
EMBEDDINGS = "embedding_0,embedding_1,target_x,target_y\n" + "1,2,3,4\n" * 9


@pytest.mark.parametrize(
    "files",
    [
        {"raw/S_1.csv": RADIO, "raw/L_2.csv": RADIO, "labels.csv": "path,label\nraw/S_1.csv,S\n"},
        {"bus_10.csv": PATHS, "kot_11.csv": PATHS},
        {"A10.csv": ANIMALS, "A11.csv": ANIMALS, "animal-11.jpg": ""},
        {"one.csv": RADIO},
        {"data.tsv": "time_ms\tx\ty\n" + "0\t1\t2\n" * 9},
    ],
)
def test_recordings_are_recognised(tmp_path: Path, files: dict[str, str]) -> None:
    found = recognised(tmp_path, files)
    assert (found.task, found.layout) == ("scanpath", "scanpath-csv")
    assert list(found.unused) == [name for name in files if name.endswith(".jpg")]


def test_other_tables_of_numbers_are_not(tmp_path: Path) -> None:
    assert not is_recording(EMBEDDINGS.encode())
    assert not is_recording(b"")
    with pytest.raises(DataError, match="none of the known layouts"):
        recognised(tmp_path, {"a.csv": EMBEDDINGS, "b.csv": EMBEDDINGS})


def test_an_image_table_is_not_one(tmp_path: Path) -> None:
    table = "subject,target_x,target_y,left,right\n" + "1,2,3,l.png,r.png\n" * 9
    files = {"table.csv": table, "l.png": "", "r.png": ""}
    assert recognised(tmp_path, files).layout == "image-table"
