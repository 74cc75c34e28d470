"""Calibration samples from images: a frozen model's embeddings of a user's crops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from eyecli.calibration.samples import Samples
from eyecli.data.plan import refuse_problems
from eyecli.data.raw import Raw
from eyecli.progress import track
from eyecli.sources.source import Source
from eyecli.training.backend import load_keras
from eyecli.training.model import load_fold, network_digest, read_facts
from eyecli.workspace.store import Artifact

BATCH = 64


def embed(
    source: Source, raw: Raw, model: Artifact, partition: int, trainer: Callable[[], Any]
) -> list[Samples]:
    """Run a frozen model over a user's images.

    Parameters
    ----------
    source, raw
        The images, and what the task found in them.
    model, partition
        The model and its fold.
    trainer
        Gives the task's scaling and its table of outputs.

    Returns
    -------
    list of Samples
        One a subject, in order of first appearance.

    Raises
    ------
    DataError
        If an image cannot be read.
    """
    refuse_problems(raw.problems)
    keras = load_keras()
    tools, facts = trainer(), read_facts(model, partition)
    network = load_fold(model, partition)
    names = tools.names(facts)
    batches = []
    for start in track(range(0, len(raw.table), BATCH), "embed"):
        rows = [
            raw.convert(position, source.read)
            for position in range(start, min(start + BATCH, len(raw.table)))
        ]
        stored = {name: np.stack([row[name] for row in rows]) for name in names}
        outputs = network(tools.scale(stored), training=False)
        batches.append({k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()})
    outputs = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    columns, kept = tools.tabulate(outputs, facts)
    subjects = np.array([str(row["subject"]) for row in raw.table])
    base = np.stack([columns["pred_x"], columns["pred_y"]], axis=1)
    target = np.array([(row["target_x"], row["target_y"]) for row in raw.table], dtype=float)
    point = np.array([f"{row['session']}/{row['point']}".lstrip("/") for row in raw.table])
    digest = network_digest(model, partition)
    return [
        Samples(
            kept["embedding"][mine], base[mine], target[mine], point[mine],
            unit=raw.setup["unit"], model=digest, user=user or None,
        )
        for user in dict.fromkeys(subjects.tolist())
        for mine in [np.flatnonzero(subjects == user)]
    ]  # fmt: skip
