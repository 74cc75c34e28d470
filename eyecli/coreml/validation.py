"""Validation samples on which an export is compared with its Keras model."""

from __future__ import annotations

from typing import Any

import numpy as np

from eyecli.coreml.judgement import COMMONEST
from eyecli.coreml.parity import predicted, reference
from eyecli.data.prepared import groups_and_parts, open_prepared, read_split
from eyecli.errors import CheckError
from eyecli.workspace.store import Artifact

# Of a classifier: so many samples are looked at for each that is chosen.
CANDIDATES = 8


def validation_samples(
    prepared: Artifact,
    split: Artifact,
    partition: int,
    names: list[str],
    count: int,
    network: Any,
    contract: Any,
) -> dict[str, np.ndarray]:
    """Take validation samples of a fold, as an application would; of a classifier, of every class.

    Parameters
    ----------
    prepared, split, partition
        The data and the fold.
    names
        Arrays, by the names of the model's inputs.
    count
        How many at most.
    network, contract
        The Keras model and the contract of its export.

    Returns
    -------
    dict of str to numpy.ndarray
        (n, ...) float32, channels last; box values are one pixel with channels.

    Raises
    ------
    CheckError
        If there are fewer than two.
    """
    data, plan = open_prepared(prepared), read_split(split)
    _, part = groups_and_parts(data, plan, partition)
    rows = np.flatnonzero(part == "val")
    if len(rows) < 2:
        raise CheckError(
            f"{split.ref}: fold {partition} has {len(rows)} validation samples, two are needed to "
            "compare Core ML with Keras",
            "nothing was published; train on more data",
        )
    classes = [name for name, entry in contract.outputs.items() if entry.classes]

    def take(chosen: np.ndarray) -> dict[str, np.ndarray]:
        stored = {name: data.arrays.take(name, chosen) for name in names}
        shown = contract.shown(stored) if contract.shown else stored
        return {name: values.astype(np.float32) for name, values in shown.items()}

    if not classes:
        return take(_spread(rows, count))
    rows = _spread(rows, count * CANDIDATES)
    logits = reference(network, contract, take(rows))[classes[0]]
    return take(rows[np.sort(balanced(predicted(logits), count))])


def balanced(classes: np.ndarray, count: int) -> np.ndarray:
    """Choose positions class by class in turn; none becomes commoner than parity allows.

    Parameters
    ----------
    classes
        (n,) class of every candidate.
    count
        How many to choose at most.

    Returns
    -------
    numpy.ndarray
        Positions in `classes`, each at most once.
    """
    rank = np.zeros(len(classes), int)
    for name in np.unique(classes):
        where = np.flatnonzero(classes == name)
        rank[where] = np.arange(len(where))
    chosen = np.lexsort((classes, rank))[:count]
    names, counts = np.unique(classes[chosen], return_counts=True)
    common, others = names[counts.argmax()], len(chosen) - counts.max()
    if not others or counts.max() <= COMMONEST * len(chosen):
        return chosen
    # Few samples of several classes say more than many of one.
    most = int(others * COMMONEST / (1 - COMMONEST) + 1e-9)
    return chosen[(classes[chosen] != common) | (rank[chosen] < most)]


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
