"""Gaze over time is told from tables of images, whatever its columns are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from eyecli.errors import DataError
from eyecli.signals.gaze_samples import is_gaze_samples, refuse_gaze_samples, start_of

GAZE = [
    "1476622980550,1127,788\n1476622980570,1128,782\n",
    "timestamp,smoothx,smoothy,fixation\n610288046,913.17,515.65,1\n610288063,913.3,516.2,1\n",
    "1461918849833\tG\t1567.3\t820.9\tGaze TS:4\n1461918849843\tG\t1570.7\t819.0\tGaze TS:5\n",
    "t;x;y\n0.0;1.5;-2\n0.002;1.5;-2.1\n",
]
IMAGES = [
    "subject,target_x,target_y,left,right\np01,640,360,l.png,r.png\n",
    "left,right,subject,session,target_x,target_y,point\nleft/a.png,right/a.png,1,1,640,360,1\n",
    "subject,x,y\np01,640,360\np02,640,360\n",
    "",
    "a,b\n",
]


@pytest.mark.parametrize("text", GAZE)
def test_rows_of_numbers_are_gaze(text: str) -> None:
    assert is_gaze_samples(text.encode())
    assert is_gaze_samples((text + text.splitlines()[1] * 2000).encode())


@pytest.mark.parametrize("text", IMAGES)
def test_a_table_of_images_or_of_too_little_is_not(text: str) -> None:
    assert not is_gaze_samples(text.encode())


def test_the_message_names_the_file_and_the_task(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\nraw/a.csv,S\n")
    (tmp_path / "a.csv").write_text(GAZE[0])
    names = [str(tmp_path / name) for name in ("note.md", "labels.csv", "a.csv")]
    with pytest.raises(DataError, match=r"a\.csv: gaze samples .* task scanpath"):
        refuse_gaze_samples(names, start_of)
    refuse_gaze_samples(names[:2], start_of)
