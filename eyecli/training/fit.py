"""The one fit function of all tasks: it stops and goes on at any batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from eyecli.data.arrays import Arrays
from eyecli.data.loader import Augment, Loader, Row
from eyecli.errors import UsageError
from eyecli.progress import Beat
from eyecli.training.checkpoint import Metrics
from eyecli.training.interrupt import held
from eyecli.training.loop import Run
from eyecli.training.settings import TrainSettings
from eyecli.training.symmetries import turned

# Samples, and numbers of stored arrays, that inference takes at once at most.
BATCH, HELD = 64, 2**22


@dataclass(frozen=True)
class Learner:
    """What a task supplies to train one model.

    Attributes
    ----------
    model
        The network, untrained.
    names
        The stored arrays it reads.
    targets
        Output name to (n, ...) targets of all samples, scaled by what the train part says.
    losses
        Output name to loss.
    scale
        From stored arrays to the model's inputs.
    augment
        Scales one training sample, with random changes.
    facts
        What was fitted on the train part and inference must know; kept with the model.
    closed
        Whether nothing is trained step by step: `finish` fits what there is, on the outputs of a
        network that stays as it started.
    view
        Of a network that stays as it started: changes one sample, for further rows that `finish`
        fits on.
    train
        Rows that it is trained on, where `finish` must tell them from validation rows.
    chances
        From an epoch to the chance of each train row to be drawn in it; None shows each once.
    coarser
        From the network to one that shares its trained layers, takes the same inputs and looks
        at half their resolution: what is trained in the first half of the epochs. None for the
        network itself.
    test_views
        Symmetries that outputs are averaged over, see `predict`.
    start
        Fills the network from a file of pretrained weights and returns the facts of that for the
        manifest; None where the network takes none.
    """

    model: keras.Model
    names: list[str]
    targets: Mapping[str, np.ndarray]
    losses: Mapping[str, Any]
    scale: Callable[[Row], Row]
    augment: Augment
    facts: dict[str, Any] = field(default_factory=dict)
    start: Callable[[Path], dict[str, Any]] | None = None
    closed: bool = False
    view: Augment | None = None
    train: np.ndarray | None = None
    chances: Callable[[int], np.ndarray] | None = None
    coarser: Callable[[keras.Model], keras.Model] | None = None
    test_views: int = 1


def fit(
    learner: Learner,
    arrays: Arrays,
    train: np.ndarray,
    val: np.ndarray,
    settings: TrainSettings,
    folder: Path,
    label: str,
    beat: Callable[[Beat], None],
    identity: str,
) -> list[Metrics]:
    """Train a model in place, or go on with a training that was stopped.

    On CPU the weights are the same to the bit, whether it was stopped or not.

    Parameters
    ----------
    learner
        What the task supplies, as new.
    arrays
        The prepared arrays.
    train, val
        Row numbers; validation rows are only watched, and choose the epoch that is kept if the
        settings say so.
    settings
        Epochs, batch size, rate, seed.
    folder
        This training's own: the metrics of every epoch, and checkpoints. The last one, of the end,
        stays for the caller to remove when the result is safe: fitting again gives it at once.
    label
        What to call this run in the log.
    beat
        Called after every batch.
    identity
        Digest of all that decides the result; only its own checkpoints are taken up.

    Returns
    -------
    list of dict
        What ``metrics.jsonl`` in the folder says: a dict an epoch.

    Raises
    ------
    UsageError
        If the best epoch is wanted and there are no validation rows, or all batches together are
        too few for one update.
    RetryError
        If a signal or the time limit stopped it; a checkpoint is there.
    KeyboardInterrupt
        If Ctrl-C did; a checkpoint is there.
    EyecliError
        If the loss stops being a number.
    """
    if settings.keeps_best and not len(val):
        raise UsageError(
            f"{label}: --keep best and --patience need validation rows, and there are none",
            "split with a validation part, or keep the last epoch",
        )
    losses = {name: learner.losses.get(name) for name in learner.model.output_names}
    batches = Loader(arrays, learner.names, train, learner.scale, settings.batch_size,
                     learner.targets, learner.augment, settings.seed, learner.chances)  # fmt: skip
    watched = Loader(arrays, learner.names, val, learner.scale, settings.batch_size,
                     learner.targets)  # fmt: skip
    count = settings.epochs * len(batches)
    if settings.accumulate > count:
        raise UsageError(
            f"{label}: --accumulate {settings.accumulate} is more than the {count} batches of the "
            "whole training: the weights would never change",
            f"use {count} or less",
        )
    run = Run(learner.model, losses, batches, watched, settings, folder, label, beat, identity,
              learner.coarser)  # fmt: skip
    run.resume()
    with held():
        run.loop()
    return run.at.history


def predict(
    model: keras.Model, arrays: Arrays, names: list[str], rows: np.ndarray,
    scale: Callable[[Row], Row], batch_size: int | None = None, views: int = 1,
    graph: bool = False,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Run a model over rows.

    Parameters
    ----------
    views
        So many symmetries of pictures are shown and the outputs averaged, see
        `symmetries.turned`; 1 shows them as they are.
    graph
        Run the network as one graph: seconds to begin with, two thirds of the time afterwards.

    Returns
    -------
    dict
        Output name to (len(rows), ...) float32.
    """
    if views > 1:
        shown = [
            predict(model, arrays, names, rows, _turning(scale, view), batch_size, graph=graph)
            for view in range(views)
        ]
        return {name: np.mean([each[name] for each in shown], axis=0) for name in shown[0]}
    # All maps of a batch are held at once, a hundred times its pixels or more.
    row = sum(math.prod(arrays.spec(name).shape) for name in names)
    loader = Loader(arrays, names, rows, scale, batch_size or max(1, min(BATCH, HELD // row)))
    run = model.predict_on_batch if graph else partial(model, training=False)
    batches = [run(loader.batch(i)[0]) for i in range(len(loader))]
    return {
        name: np.concatenate([keras.ops.convert_to_numpy(batch[name]) for batch in batches])
        for name in batches[0]
    }


def _turning(scale: Callable[[Row], Row], view: int) -> Callable[[Row], Row]:
    return lambda stored: turned(scale(stored), view)
