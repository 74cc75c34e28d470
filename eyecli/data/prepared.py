"""Prepared artifacts and splits, read back: what training and evaluation start from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.arrays import Arrays
from eyecli.data.split import Split, group_ids, parts_of
from eyecli.errors import DataError
from eyecli.workspace.manifest import read_json
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import pandas as pd

INDEX = "index.csv"
SETUP = "setup.json"
SPLIT = "split.json"
# Of recordings: a row a session.
SESSIONS = "sessions.csv"
# Its numbers that may be unknown.
OPTIONAL = ("distance_cm", "rate_hz", "lag_ms")
# What could have been a sample but was left out: file, place, reason.
LEFT_OUT = "dropped.csv"
# The same of samples that were kept, though something about them does not fit.
DOUBTFUL = "doubtful.csv"
# It shows people: unlike the card it is not to be passed on.
CONTACT_SHEET = "contact-sheet.jpg"
ARRAYS = "arrays"
# Columns of every index; tasks add theirs. `files` holds the sha256 of the sample's files.
COLUMNS = ("sample", "group", "files")


@dataclass(frozen=True)
class Prepared:
    """A prepared artifact.

    Attributes
    ----------
    artifact
        Where it is.
    setup
        What the task noted: input sizes, units, screen.
    """

    artifact: Artifact
    setup: dict[str, Any]

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row a sample, in the order of the arrays."""
        return read_table(self.artifact.path / INDEX)

    @cached_property
    def sessions(self) -> pd.DataFrame | None:
        """One row a recorded session; None for data without recordings."""
        return read_sessions(self.artifact.path)

    @cached_property
    def arrays(self) -> Arrays:
        """The arrays, one row a sample."""
        return Arrays(self.artifact.path / ARRAYS)


def open_prepared(artifact: Artifact) -> Prepared:
    """Read a prepared artifact; the index and the arrays only when they are used.

    Raises
    ------
    DataError
        If it is damaged.
    """
    return Prepared(artifact, read_json(artifact.path / SETUP, dict[str, Any], "setup"))


def read_split(artifact: Artifact) -> Split:
    """Read a split artifact.

    Raises
    ------
    DataError
        If it is damaged.
    """
    return read_json(artifact.path / SPLIT, Split, "split")


def groups_and_parts(
    prepared: Prepared, split: Split, partition: int
) -> tuple[np.ndarray, np.ndarray]:
    """Group and part of every sample in one partition, in the order of the index."""
    index = prepared.index
    groups = group_ids(list(index["sample"]), list(index["subject"]), split.group_by)
    return np.asarray(groups), parts_of(split, split.partitions[partition], groups)


def files_of_groups(prepared: Prepared, split: Split) -> dict[str, set[str]]:
    """Groups that have a file, by its sha256."""
    index = prepared.index
    groups = group_ids(list(index["sample"]), list(index["subject"]), split.group_by)
    owners: dict[str, set[str]] = {}
    for group, files in zip(groups, index["files"], strict=True):
        for digest in files.split():
            owners.setdefault(digest, set()).add(group)
    return owners


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV of an artifact: ids and names stay text (``007`` is no number).

    Raises
    ------
    DataError
        If it is missing or no CSV.
    """
    import pandas as pd

    text = (
        "sample",
        "group",
        "subject",
        "parent",
        "session",
        "device",
        "orientation",
        "point",
        "files",
        "part",
        "source",
        "device",
        "orientation",
    )
    try:
        return pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False,
                           na_values={}, float_precision="round_trip")  # fmt: skip
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: damaged table: {error}", "eyecli workspace verify") from error


def read_sessions(folder: Path) -> pd.DataFrame | None:
    """Read the table of sessions of prepared data; None for data without recordings.

    Raises
    ------
    DataError
        If it is damaged.
    """
    path = folder / SESSIONS
    if not path.is_file():
        return None
    import pandas as pd

    table = read_table(path)
    # A column with a blank is read as text, all of it.
    known = [name for name in OPTIONAL if name in table]
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in known})


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV of an artifact; floats so that they read back exactly."""
    table.to_csv(path, index=False, lineterminator="\n")
