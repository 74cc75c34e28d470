"""Calibration samples from images: a frozen model's embeddings of a user's crops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.calibration.samples import Samples
from eyecli.data.plan import refuse_problems
from eyecli.data.raw import Raw
from eyecli.errors import DataError
from eyecli.progress import track
from eyecli.sources.source import Source
from eyecli.training.backend import load_keras
from eyecli.training.model import load_fold, network_digest, read_facts
from eyecli.workspace.store import Artifact, staging

BATCH = 64


@dataclass(frozen=True)
class Network:
    """A fold of a model, loaded: the task's tools, its facts, arrays to outputs, its digest."""

    tools: Any
    facts: dict[str, Any]
    run: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
    digest: str


def load_network(model: Artifact, partition: int, trainer: Callable[[], Any]) -> Network:
    """Load a fold.

    Parameters
    ----------
    model, partition
        The model and its fold.
    trainer
        Gives the task's scaling and its table of outputs.
    """
    keras = load_keras()
    network = load_fold(model, partition)

    def run(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = network(arrays, training=False)
        return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}

    return Network(trainer(), read_facts(model, partition), run, network_digest(model, partition))


def embed(source: Source, raw: Raw, network: Network) -> list[Samples]:
    """Run a frozen model over images.

    Parameters
    ----------
    source, raw
        The images, and what the task found in them.
    network
        The model.

    Returns
    -------
    list of Samples
        One a subject, in order of first appearance.

    Raises
    ------
    DataError
        If an image cannot be read, or the model looks at others.
    """
    refuse_problems(raw.problems)
    tools, facts = network.tools, network.facts
    names = tools.names(facts)
    lacking = [name for name in names if name not in raw.specs]
    if lacking:
        raise DataError(f"{source.folder}: no {', '.join(lacking)}, which the model looks at")
    batches = []
    for start in track(range(0, len(raw.table), BATCH), "embed"):
        rows = [
            raw.convert(position, source.read)
            for position in range(start, min(start + BATCH, len(raw.table)))
        ]
        stored = {name: np.stack([row[name] for row in rows]) for name in names}
        batches.append(network.run(tools.scale(stored, facts)))
    outputs = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    columns, kept = tools.tabulate(outputs, facts)
    base = np.stack([columns["pred_x"], columns["pred_y"]], axis=1)
    target = np.array([(row["target_x"], row["target_y"]) for row in raw.table], dtype=float)
    point = np.array([point_id(row) for row in raw.table])
    return [
        Samples(
            kept["embedding"][mine], base[mine], target[mine], point[mine],
            unit=raw.setup["unit"], model=network.digest, user=user or None,
        )
        for user, mine in rows_of_users(raw).items()
    ]  # fmt: skip


def point_id(row: Mapping[str, Any]) -> str:
    """Return the id of a sample's calibration point: sessions number theirs anew."""
    return f"{row['session']}/{row['point']}".lstrip("/")


def rows_of_users(raw: Raw) -> dict[str, list[int]]:
    """Return subject ('' if unknown) to positions in the table, in order of first appearance."""
    found: dict[str, list[int]] = {}
    for position, row in enumerate(raw.table):
        found.setdefault(str(row["subject"]), []).append(position)
    return found


def look(root: Path, source: Source, raw: Raw, network: Network) -> tuple[Samples | None, Raw]:
    """Run a frozen model over the images of one user, extracted first where they must be.

    Parameters
    ----------
    root
        The workspace; what is extracted lies in its ``tmp/`` meanwhile.
    source, raw
        The images, and what the task found in them.
    network
        The model.

    Returns
    -------
    samples : Samples or None
        None if no sample is left.
    raw : Raw
        The samples looked at; arrays that were extracted are gone.

    Raises
    ------
    DataError
        If something cannot be read.
    """
    refuse_problems(raw.problems)
    if raw.extract is None:
        return _only_user(source, raw, network), raw
    with staging(root) as folder:
        final = raw.extract(folder)
        return _only_user(source, final, network), final


def _only_user(source: Source, raw: Raw, network: Network) -> Samples | None:
    if not raw.table:
        return None
    (samples,) = embed(source, raw, network)
    return samples
