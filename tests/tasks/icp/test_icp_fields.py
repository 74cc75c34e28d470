"""Volumes are recognised by their format, or by the pressures beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout_cases import recognised

from eyecli.data.fields import example
from eyecli.errors import DataError
from eyecli.tasks.icp.fields import LAYOUTS

TABLE = example(LAYOUTS["oct-volumes"])


@pytest.mark.parametrize(
    "files",
    [
        {"t.csv": TABLE, "scans/m01_1.nii.gz": ""},
        {"t.csv": "monkey_id,file,iop,icp\n", "1.pt": "", "2.pt": ""},
        *({"t.csv": TABLE, f"scans/1{suffix}": ""} for suffix in (".npy", ".npz", ".pth", ".nii")),
        ["a.vol"], ["deep/a.dcm", "deep/b.dcm"], ["export/1.xml", "export/B1.tif"],
    ],
)  # fmt: skip
def test_volumes_are_recognised(tmp_path: Path, files: dict[str, str]) -> None:
    found = recognised(tmp_path, files)
    assert (found.task, found.layout, list(found.unused)) == ("icp", "oct-volumes", [])


@pytest.mark.parametrize(
    "files", [["1.npy", "2.npy"], ["a.xml", "a.jpg"], {"t.csv": "a,b\n", "1.npz": ""}]
)
def test_arrays_without_pressures_are_not(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(DataError, match="none of the known layouts"):
        recognised(tmp_path, files)
