"""Bring the predictions of several models onto the same rows, or refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.data.split import Split
from eyecli.errors import DataError
from eyecli.evaluation.headline import Sampling
from eyecli.evaluation.units import units_of
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Judged:
    """A model and the rows by which it is judged.

    Attributes
    ----------
    model, prepared, split
        The artifacts; the data and the split are those of its training.
    data, plan
        The same, read.
    table
        Judged rows of its predictions.
    digests
        Sample to the sha256 of its files, in the data the rows are of.
    """

    model: Artifact
    prepared: Artifact
    split: Artifact
    data: Prepared
    plan: Split
    table: pd.DataFrame
    digests: dict[str, str]


def sampling_of(table: pd.DataFrame) -> Sampling:
    """Subject (or sample) of every row, and 1 / k for each of the k rows of a sample."""
    names, owner = np.unique(units_of(table).owners, return_inverse=True)
    times = table.groupby("sample")["sample"].transform("size")
    return Sampling(owner, 1 / times.to_numpy(float), len(names))


def require_same_rows(judged: Sequence[Judged], truth: Sequence[str]) -> None:
    """Refuse models that were judged by other samples, groups, subjects or truths than the first.

    Several rows of one sample (repeats of a split) are no difference.

    Parameters
    ----------
    judged
        The models.
    truth
        Columns that hold the truth.

    Raises
    ------
    DataError
        With counts.
    """
    first = judged[0]
    mine = _samples(first.table)
    for other in judged[1:]:
        theirs = _samples(other.table)
        shared = mine.index.intersection(theirs.index)
        # The same id is the same sample only if it is made of the same files.
        both = shared[[first.digests[name] == other.digests[name] for name in shared]]
        if len(both) < max(len(mine), len(theirs)):
            raise DataError(
                f"{other.model.ref} has other test rows than {first.model.ref}: {len(both)} "
                f"samples in both, {len(mine) - len(both)} only in {first.model.ref}, "
                f"{len(theirs) - len(both)} only in {other.model.ref}",
                "compare models of the same split, or on other data with --on PREPARED",
            )
        for column in ("group", "subject", *truth):
            differs = mine.loc[both, column] != theirs.loc[both, column]
            if differs.any():
                raise DataError(
                    f"{int(differs.sum())} of {len(both)} samples have another {column} in "
                    f"{other.model.ref} than in {first.model.ref}, first {both[differs][0]}",
                    "prepare both with the same settings and split them by the same groups",
                )


def _samples(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop_duplicates("sample").set_index("sample").sort_index()
