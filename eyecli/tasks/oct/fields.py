"""The raw layouts of OCT B-scans with a finding: how they are recognised, and their fields."""

from __future__ import annotations

from eyecli.data.classes import IMAGE, LATERALITY, PARTS, class_folders, images, mostly
from eyecli.data.fields import Field, Layout
from eyecli.data.tables import find_table, has_columns
from eyecli.sources.layouts import Listing

KERMANY = r"(?:.*/)?(CNV|DME|DRUSEN|NORMAL)/\1-\d+-\d+\.(?:jpe?g|png)"
OCTID = r"(?:.*/)?(?:AMRD|CSR|DR|MH|NORMAL)/[^/]+\.(?:jpe?g|png)"
OCTID_CLASSES = {"amrd", "csr", "dr", "mh", "normal"}
# Folders that tell by their names that OCT is in them.
FINDINGS = {"amd", "armd", "cnv", "csc", "dme", "drusen", "erm", "no", "rao", "rvo", "vid",
            *OCTID_CLASSES}  # fmt: skip

SUBJECT = Field("subject", "text", "whose eye it is; a person's scans are never split", "p01",
                aliases=("patient",))  # fmt: skip
PATH = Field("path", "path", "B-scan", "images/p01.png", needed=True, aliases=("file",))
LABEL = Field("label", "text", "finding", "DME", needed=True, aliases=("class",))
TABLE_FIELDS = (
    PATH, LABEL, SUBJECT,
    Field("laterality", "choice", "which eye of its owner", "OD", choices=LATERALITY,
          aliases=("eye",)),
)  # fmt: skip
PART = Field("part", "choice", "part of the published split, whose patients overlap", "train",
             choices=PARTS, named=True)  # fmt: skip
KERMANY_FIELDS = (
    PART,
    Field("label", "choice", "finding, twice: the folder, and in the name", "CNV", needed=True,
          choices={name.lower(): name for name in ("CNV", "DME", "DRUSEN", "NORMAL")}, named=True),
    Field("subject", "text", "whose eye it is; a person's scans are never split", "53018",
          needed=True, named=True),
    Field("scan", "number", "number of the scan", "1", named=True),
)  # fmt: skip
OCTID_FIELDS = (
    Field("label", "choice", "finding: the folder", "AMRD", needed=True,
          choices={name: name.upper() for name in sorted(OCTID_CLASSES)}, named=True),
    Field("scan", "text", "number of the scan; the person is not known", "1", needed=True,
          named=True),
)  # fmt: skip
FOLDER_FIELDS = (
    Field("label", "text", "finding: the folder", "normal", needed=True, named=True),
    Field("path", "path", "B-scan", "a.png", needed=True, named=True),
)  # fmt: skip


def is_kermany(listing: Listing) -> bool:
    """``CNV/CNV-<patient>-<n>.jpeg`` and so on, however deep."""
    return bool(images(listing)) and mostly(listing, KERMANY)


def is_octid(listing: Listing) -> bool:
    """Folders with the names of OCTID's classes, two at least, and no other."""
    found = class_folders(listing)
    return found <= OCTID_CLASSES and len(found) > 1 and bool(found & {"amrd", "csr", "mh"})


def is_table(listing: Listing) -> bool:
    """A table that names B-scans and their findings."""
    return bool(images(listing)) and has_columns(listing, (PATH, LABEL))


def is_class_folders(listing: Listing) -> bool:
    """A folder for each finding, two at least, under names that OCT data sets have."""
    found = class_folders(listing)
    return find_table(listing) is None and found <= FINDINGS and len(found) > 1


LAYOUTS = {
    "kermany": Layout(
        "B-scans of Kermany et al. 2018: CNV, DME, DRUSEN and NORMAL, named with the patient",
        is_kermany,
        KERMANY_FIELDS,
        filename="{part}/{label}/{label}-{subject}-{scan}.jpeg",
        files=KERMANY,
    ),
    "octid": Layout(
        "B-scans of OCTID: folders AMRD, CSR, DR, MH and NORMAL",
        is_octid,
        OCTID_FIELDS,
        filename="{label}/{label} ({scan}).jpeg",
        files=OCTID,
    ),
    "oct-table": Layout(
        "a table with a row a B-scan: its path and finding",
        is_table,
        TABLE_FIELDS,
        minimal=("path", "label"),
        files=rf"[^/]+\.csv|{IMAGE}",
    ),
    "oct-class-folders": Layout(
        "a folder for each finding, with B-scans; recognised by the usual names, any with --layout",
        is_class_folders,
        FOLDER_FIELDS,
        sample="normal/a.png\ndrusen/b.png\n",
        files=rf"(?:.*/)?[^/]+/{IMAGE}",
        general=True,
    ),
}
