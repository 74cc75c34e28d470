"""The raw layout of OCT volumes with pressures: how it is recognised, and its fields."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from eyecli.data.classes import LATERALITY
from eyecli.data.fields import Field, Layout
from eyecli.data.tables import has_columns
from eyecli.sources.layouts import Listing

# Formats that hold nothing but scans, and those that may hold anything.
SCANS = r".*\.(?:nii|nii\.gz|vol|dcm|dicom)"
ARRAYS = r".*\.(?:npy|npz|pt|pth)"
# A Heidelberg export: an XML beside the pictures that it names.
EXPORT = r".*\.(?:xml|tiff?)"
PRESSURES = (-20.0, 200.0)

PATH = Field("path", "path", "volume, or folder of a DICOM or XML series", "scans/m01_1.nii.gz",
             needed=True, aliases=("file",))  # fmt: skip
ICP = Field("icp_mmhg", "number", "intracranial pressure during the scan", "12", "mmHg", True,
            aliases=("icp",), span=PRESSURES)  # fmt: skip
FIELDS = (
    Field("subject", "text", "whose eye it is; an individual's scans are never split", "m01",
          needed=True, aliases=("monkey_id", "patient")),
    PATH,
    Field("iop_mmhg", "number", "intraocular pressure during the scan", "15", "mmHg", True,
          aliases=("iop",), span=PRESSURES),
    ICP,
    Field("laterality", "choice", "which eye of its owner", "OD", choices=LATERALITY,
          aliases=("eye",)),
)  # fmt: skip


def is_volumes(listing: Listing) -> bool:
    """Volumes in a format for scans, or in any with a table of pressures."""
    found = [n for n in listing if re.fullmatch(f"{SCANS}|{ARRAYS}", n, re.I | re.S)]
    if any(re.fullmatch(SCANS, name, re.I | re.S) for name in found) or _exports(listing):
        return True
    return bool(found) and has_columns(listing, (PATH, ICP))


def _exports(listing: Listing) -> bool:
    folders: dict[str, set[str]] = {}
    for name in listing:
        path = PurePosixPath(name)
        folders.setdefault(str(path.parent), set()).add(path.suffix.lower())
    return any(".xml" in found and {".tif", ".tiff"} & found for found in folders.values())


LAYOUTS = {
    "oct-volumes": Layout(
        "OCT volumes (.npy, .npz, .nii, .nii.gz, .pt, .pth, Heidelberg .vol or .xml, DICOM) and a "
        "table of pressures",
        is_volumes,
        FIELDS,
        minimal=("subject", "path", "iop_mmhg", "icp_mmhg"),
        files=rf"[^/]+\.csv|{SCANS}|{ARRAYS}|{EXPORT}",
    ),
}
