"""The raw layout of gaze over time: how it is recognised, and its fields."""

from __future__ import annotations

import re

from eyecli.data.fields import NUMBER, Field, Layout
from eyecli.data.tables import find_table
from eyecli.signals.gaze_samples import BYTES, LOOKED_AT, SEPARATOR, SUFFIXES, is_gaze_samples
from eyecli.sources.layouts import Listing

FIELDS = (
    Field("time_ms", "number", "when the sample was taken", "1500", "ms", True,
          aliases=("timestamp", "time")),
    Field("x", "number", "gaze, from the left", "640", "px", True, aliases=("rawx", "smoothx")),
    Field("y", "number", "gaze, down from the top", "360", "px", True,
          aliases=("rawy", "smoothy")),
    Field("path", "path", "the recording, in a table of all of them", "raw/p01_cat.csv"),
    Field("label", "text", "what the recording shows, or who made it, in that table or in the "
          "file name", "cat"),
    Field("subject", "text", "who looks; a person's recordings are never split", "p01",
          aliases=("person", "participant")),
    Field("stimulus", "text", "what was looked at", "cat.png", aliases=("image",)),
)  # fmt: skip
EXAMPLE = """\
raw/p01_cat.csv:
  time_ms,x,y
  0,640,360
  17,642,361
labels.csv:
  path,label,subject
  raw/p01_cat.csv,cat,p01
"""


def is_recordings(listing: Listing) -> bool:
    """Tables of time and place, one a recording, more than all other files."""
    tables = [name for name in listing if name.lower().endswith(SUFFIXES)]
    if 2 * len(tables) <= len(listing.names):
        return False
    own = [name for name in tables if name != find_table(listing)] or tables
    looked_at = own[:LOOKED_AT]
    return 2 * sum(is_recording(listing.start(name, BYTES)) for name in looked_at) > len(looked_at)


def is_recording(start: bytes) -> bool:
    """Say whether a table holds gaze samples, and its header, if it has one, names time and place.

    Parameters
    ----------
    start
        The first bytes of the file.
    """
    if not is_gaze_samples(start):
        return False
    header = SEPARATOR.split(start.decode("utf-8-sig", "replace").splitlines()[0].lower())
    cells = [cell.strip(' "') for cell in header]
    if sum(bool(NUMBER.fullmatch(cell)) for cell in cells) > 1:
        return True
    timed = any(re.search(r"time|stamp|^ts?$|^ts?_|_ms$", cell) for cell in cells)
    return timed and all(any(re.search(rf"{axis}$|^{axis}", cell) for cell in cells)
                         for axis in "xy")  # fmt: skip


LAYOUTS = {
    "scanpath-csv": Layout(
        "gaze over time: a CSV a recording, and optionally a table labels.csv of them",
        is_recordings,
        FIELDS,
        sample=EXAMPLE,
        files=r".*\.(?:csv|tsv|txt)",
    ),
}
