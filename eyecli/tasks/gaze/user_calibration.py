"""Calibration of test users on some of their points: what it gains, and whom it harms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from eyecli.calibration.head import apply_head
from eyecli.calibration.samples import Samples
from eyecli.calibration.select import select
from eyecli.data.prepared import Prepared
from eyecli.evaluation.bootstrap import mean_interval
from eyecli.evaluation.findings import Metric
from eyecli.tasks.gaze.breakdown import subject_means
from eyecli.tasks.gaze.fields import GAZE, TARGETS
from eyecli.tasks.gaze.screens import Screens

if TYPE_CHECKING:
    import pandas as pd

AFTER = "after calibration"
BEFORE = "before calibration"
# A user whose mean error grows by more than this was harmed: cm, or where cm are not known a share
# of the screen's diagonal.
HARM_CM = 0.1
HARM_SHARE = 0.01


def calibrate_users(
    table: pd.DataFrame, embedding: np.ndarray, prepared: Prepared, points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Calibrate every test subject on a few points and predict the frames of the others.

    Rows of unknown subjects are left out: nobody knows whose points would calibrate whom.

    Returns
    -------
    rows : ndarray, shape (m,)
        Rows of the table whose point did not calibrate.
    prediction : ndarray, shape (m, 2)
        Calibrated predictions of those rows.
    """
    base = table[list(GAZE)].to_numpy(float)
    target = table[list(TARGETS)].to_numpy(float)
    rows: list[np.ndarray] = []
    predictions: list[np.ndarray] = []
    users = table.groupby(["partition", "subject"], sort=True).ngroup().to_numpy(int)
    for number in range(users.max() + 1):
        user = np.flatnonzero(users == number)
        if not table["subject"].iloc[user[0]]:
            continue
        names = (table["session"] + "/" + table["point"]).to_numpy(str)[user]
        chosen = spread_points(names, target[user], points)
        calibrates = np.isin(names, chosen)
        if not calibrates.any() or calibrates.all():
            continue
        fit, held = user[calibrates], user[~calibrates]
        samples = Samples(embedding[fit], base[fit], target[fit], names[calibrates],
                          unit=prepared.setup["unit"])  # fmt: skip
        head = select(samples).head
        rows.append(held)
        predictions.append(apply_head(head, base[held], embedding[held]))
    if not rows:
        return np.empty(0, int), np.empty((0, 2))
    return np.concatenate(rows), np.concatenate(predictions)


def not_calibrated(table: pd.DataFrame, points: int) -> str:
    """Say how many people `calibrate_users` leaves out, and why; '' if nobody is, or all should be.

    No subject is named: the sentence goes to logs.
    """
    if points < 1:
        return ""
    known = table[table["subject"] != ""]
    said = []
    if len(known) < len(table):
        said.append(f"{len(table) - len(known)} of {len(table)} rows are of unknown subjects")
    names = known["session"] + "/" + known["point"]
    counts = names.groupby([known["partition"], known["subject"]]).nunique()
    few = counts[counts <= points]
    if len(few):
        people = few.index.get_level_values("subject").nunique()
        least, most = few.min(), few.max()
        have = f"{most}" if least == most else f"{least} to {most}"
        have += " point" if most == 1 else " points"
        said.append(
            f"{people} of {known['subject'].nunique()} subjects have {have} only, and "
            f"--calibration-points {points} leaves none to test them by (use fewer)"
        )
    return f"Not calibrated: {'; '.join(said)}." if said else ""


def spread_points(names: np.ndarray, target: np.ndarray, count: int) -> np.ndarray:
    """Choose points as a calibration pattern would: the most central, then ever the farthest.

    Farthest-point sampling (Gonzalez 1985); the errors of the predictions play no part.

    Parameters
    ----------
    names
        (n,) point of every frame.
    target
        (n, 2) its position.
    count
        How many points.

    Returns
    -------
    ndarray of str
        At most `count` names.
    """
    points, first = np.unique(names, return_index=True)
    if count < 1:
        return points[:0]
    xy = target[first]
    centre = (xy.min(axis=0) + xy.max(axis=0)) / 2
    chosen = [int(np.linalg.norm(xy - centre, axis=1).argmin())]
    distance = np.linalg.norm(xy - xy[chosen[0]], axis=1)
    while len(chosen) < min(count, len(points)):
        distance[chosen] = -1  # two points may be at the same place
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(xy - xy[chosen[-1]], axis=1))
    return points[chosen]


def users_made_worse(
    table: pd.DataFrame,
    before: Mapping[str, np.ndarray],
    after: Mapping[str, np.ndarray],
    screens: Screens,
) -> tuple[list[Metric], str]:
    """Count the users whose mean error on held-out points grew, and average what users gained.

    Parameters
    ----------
    table
        (n) held-out rows of known subjects.
    before, after
        Unit to (n,) errors before and after calibration.
    screens
        Of the rows.

    Returns
    -------
    metrics : list of Metric
        How many users are worse at all, and by more than a margin: 0.1 cm, or 1 % of the screen's
        diagonal where cm are not known, or none where the screen is not known either. The mean
        over users of the error's decrease in percent.
    note : str
        The same as a sentence; it names nobody.
    """
    unit = "cm" if "cm" in before else screens.unit
    users, old = subject_means(table, before[unit])
    _, new = subject_means(table, after[unit])
    grown = {"worse": (new > old, "at all")}
    if unit == "cm":
        grown[f"worse_by_{HARM_CM}_cm"] = (new > old + HARM_CM, f"by over {HARM_CM} cm")
    elif screens.px is not None:
        # One screen for all: without cm there are no sessions.
        margin = HARM_SHARE * np.hypot(*screens.px[0])
        words = f"by over 1 % of the screen's diagonal ({margin:.3g} px)"
        grown["worse_by_1_percent_of_screen"] = (new > old + margin, words)
    metrics, said = [], []
    for name, (worse, words) in grown.items():
        count, share = int(worse.sum()), float(worse.mean())
        low, high = mean_interval(worse, users) or (None, None)
        metrics.append(Metric(AFTER, f"{name}_users", "subjects", count, None, None, len(users)))
        metrics.append(Metric(AFTER, f"{name}_share", "subjects", share, low, high, len(users)))
        said.append(f"{count} ({100 * share:.3g} %) {words}")
    note = f"After calibration, of {len(users)} test users are worse: {', '.join(said)}"
    known = old > 0  # nobody gains on no error
    if known.any():
        gain = 100 * (1 - new[known] / old[known])
        low, high = mean_interval(gain, users[known]) or (None, None)
        mean = float(gain.mean())
        metrics.append(Metric(AFTER, "gain_mean_percent", "subjects", mean, low, high, len(gain)))
        bounds = "" if low is None else f" (95 % interval {low:.1f} to {high:.1f})"
        note += f"; the mean gain over users is {mean:.1f} %{bounds}"
    return metrics, f"{note}."
