"""What the bootstrap resamples: subjects where they are known, whatever a split was drawn by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from eyecli.evaluation.bootstrap import QUANTILE_REPLICATES, REPLICATES

if TYPE_CHECKING:
    import pandas as pd

# With fewer, percentile intervals are known to be too narrow.
FEW = 10


@dataclass(frozen=True)
class Units:
    """The independent units of a table of predictions.

    Attributes
    ----------
    kind
        What they are.
    owners
        (n,) unit of every row.
    number
        How many there are.
    """

    kind: Literal["subjects", "samples"]
    owners: np.ndarray
    number: int


def units_of(table: pd.DataFrame) -> Units:
    """Return the subjects, or the samples where the subject of any row is unknown.

    Several predictions of one sample have one owner. The groups of a split do not count: where a
    leak was accepted they are single samples, though people are known.
    """
    kind: Literal["subjects", "samples"] = "subjects" if table["subject"].all() else "samples"
    owners = table[kind.removesuffix("s")].to_numpy(str)
    return Units(kind, owners, len(np.unique(owners)))


def unit_notes(table: pd.DataFrame, units: Units) -> list[str]:
    """Say where intervals are too narrow: over samples, or over few people."""
    notes = []
    if units.kind == "samples":
        unknown = int((table["subject"] == "").sum())
        notes.append(
            f"Subjects are unknown for {unknown} of {len(table)} rows: intervals are over samples, "
            "and too narrow if samples of one person are alike."
        )
    if units.number < FEW:
        notes.append(
            f"{units.number} {units.kind} only: with fewer than {FEW}, intervals are too narrow."
        )
    return notes


def intervals_in_words(units: Units) -> str:
    """Describe the intervals for the methods of a paper."""
    unknown = (
        "; subjects are unknown, so that intervals are too narrow if samples of one person are "
        "alike"
        if units.kind == "samples"
        else ""
    )
    return (
        f"Intervals are 95 % percentile intervals of {REPLICATES:,} bootstrap replicates "
        f"({QUANTILE_REPLICATES:,} for medians and percentiles) over {units.kind} (Efron 1979; "
        f"Field and Welsh 2007){unknown}."
    )
