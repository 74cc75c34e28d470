"""Tables of rendered people: changed targets, made-up predictions."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from eyecli.data.prepared import INDEX, Prepared, open_prepared, write_table
from eyecli.data.split import Split


def with_index(prepared: Prepared, index: pd.DataFrame, folder: Path) -> Prepared:
    """The same arrays with another table."""
    shutil.copytree(prepared.artifact.path, folder)
    (folder / INDEX).chmod(0o644)
    write_table(folder / INDEX, index)
    return open_prepared(replace(prepared.artifact, path=folder))


def predicted(prepared: Prepared, split: Split, noise: float = 60.0) -> pd.DataFrame:
    """A table of test predictions: the truth, a shift of each person, and noise."""
    rng = np.random.default_rng(0)
    tables = []
    for number, partition in enumerate(split.partitions):
        rows = prepared.index[prepared.index["subject"].isin(partition.test)]
        tables.append(rows.assign(partition=number, repeat=0, part="test", group=rows["subject"]))
    table = pd.concat(tables, ignore_index=True)
    shift = {subject: rng.normal(0, 150, 2) for subject in sorted(set(table["subject"]))}
    away = np.array([shift[s] for s in table["subject"]]) + rng.normal(0, noise, (len(table), 2))
    return table.assign(
        pred_x=table["target_x"] + away[:, 0], pred_y=table["target_y"] + away[:, 1]
    )


def embedding_of(table: pd.DataFrame, dims: int = 6) -> np.ndarray:
    rng = np.random.default_rng(1)
    mixed = table[["target_x", "target_y"]].to_numpy() @ rng.normal(size=(2, dims)) / 500
    return mixed + 0.05 * rng.normal(size=mixed.shape)


def people(points: int = 12, frames: int = 3, noise: float = 15.0) -> pd.DataFrame:
    """Three people with a large shift each, every point in several frames."""
    rng = np.random.default_rng(2)
    rows = []
    for number, (subject, shift) in enumerate(
        [("ann", (200, 0)), ("bob", (-150, 80)), ("cho", (0, -190))]
    ):
        for point in range(points):
            target = rng.uniform((0, 0), (1300, 700)).round()
            for frame in range(frames):
                gaze = target + shift + rng.normal(0, noise, 2)
                rows.append((number % 2, f"{subject}{point}{frame}", subject, subject, "1",
                             f"p{point}", *target, *gaze))  # fmt: skip
    columns = ["partition", "sample", "group", "subject", "session", "point", "target_x",
               "target_y", "pred_x", "pred_y"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
