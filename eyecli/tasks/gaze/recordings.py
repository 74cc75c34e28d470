"""The sessions that face videos were recorded in: how much of them was lost, at which rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eyecli.data.prepared import SESSIONS, Prepared
from eyecli.errors import DataError
from eyecli.evaluation.bootstrap import mean_interval
from eyecli.evaluation.findings import Metric
from eyecli.signals.quality import data_loss, effective_rate
from eyecli.tasks.gaze.breakdown import named

if TYPE_CHECKING:
    import pandas as pd

KEY = ["subject", "session"]


def sessions_of_rows(sessions: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the session of every row of the table, in its order.

    Raises
    ------
    DataError
        If a session is not there, or there twice.
    """
    import pandas as pd

    known = pd.MultiIndex.from_frame(sessions[KEY])
    if known.has_duplicates:
        raise DataError(f"{SESSIONS} has a session twice", "eyecli workspace verify")
    found = known.get_indexer(pd.MultiIndex.from_frame(table[KEY]))
    if (found < 0).any():
        raise DataError(
            f"{SESSIONS} lacks the sessions of {(found < 0).sum()} rows", "eyecli workspace verify"
        )
    return sessions.iloc[found].reset_index(drop=True)


def recording_metrics(sessions: pd.DataFrame, table: pd.DataFrame) -> list[Metric]:
    """Data loss and effective rate of the table's subjects, over all and per device.

    Of each subject all sessions are taken together; then every subject counts the same.

    Parameters
    ----------
    sessions
        All sessions of the data.
    table
        The rows that are judged: their subjects count, with all their sessions.
    """
    mine = sessions[sessions["subject"].isin(set(table["subject"]))]
    metrics = _over_subjects(mine, "subjects")
    for group, rows in named(mine, "device").items():
        metrics += _over_subjects(mine.iloc[rows], group)
    return metrics


def _over_subjects(sessions: pd.DataFrame, group: str) -> list[Metric]:
    seconds = sessions["shown"] / sessions["rate_hz"]
    sums = sessions.assign(seconds=seconds).groupby("subject", sort=True)[
        ["kept", "shown", "seconds"]
    ].sum()  # fmt: skip
    figures = {
        "data_loss_share": data_loss(sums["kept"].to_numpy(), sums["shown"].to_numpy()),
        "effective_rate_hz": effective_rate(sums["kept"].to_numpy(), sums["seconds"].to_numpy()),
    }
    metrics = []
    for name, values in figures.items():
        known = ~np.isnan(values)
        if known.any():
            subjects = sums.index.to_numpy(str)[known]
            low, high = mean_interval(values[known], subjects) or (None, None)
            mean = float(values[known].mean())
            metrics.append(Metric("recordings", name, group, mean, low, high, len(subjects)))
    return metrics


def recording_notes(sessions: pd.DataFrame, prepared: Prepared) -> list[str]:
    """Say how loss and rate are meant, and who is not in them."""
    notes = [
        "Data loss: share of the frames shown a settled stimulus that became no sample (no face, "
        "or a blink). Effective rate: samples a second of that time. Both are means over the test "
        "subjects (Holmqvist et al. 2012)."
    ]
    nobody = len(set(sessions["subject"]) - set(prepared.index["subject"]))
    if nobody:
        notes.append(
            f"{nobody} of the subjects recorded have no usable frame: they are in no part, and "
            "their loss is in no figure."
        )
    return notes
