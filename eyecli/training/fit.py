"""The one fit function of all tasks."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from eyecli.data.arrays import Arrays
from eyecli.data.loader import Augment, Loader, Row
from eyecli.errors import EyecliError
from eyecli.training.interrupt import SEEN
from eyecli.training.settings import TrainSettings

log = logging.getLogger(__name__)

# The rate climbs over this share of the steps, then falls to zero as a cosine.
WARMUP = 0.05
LOG_SECONDS = 10.0


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
    """

    model: keras.Model
    names: list[str]
    targets: Mapping[str, np.ndarray]
    losses: Mapping[str, Any]
    scale: Callable[[Row], Row]
    augment: Augment
    facts: dict[str, Any] = field(default_factory=dict)


class Journal(keras.callbacks.Callback):
    """Write every epoch to ``metrics.jsonl`` and, now and then, a line to the log."""

    def __init__(self, path: Path, epochs: int, label: str) -> None:
        super().__init__()
        self.path = path
        self.epochs = epochs
        self.label = label

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: D102
        self.started = self.last = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        values = {key: float(value) for key, value in (logs or {}).items()}
        if not all(np.isfinite(value) for value in values.values()):
            raise EyecliError(
                f"{self.label}: the loss is no longer a number in epoch {epoch + 1}",
                "lower --learning-rate, or look for broken samples with preprocess --dry-run",
            )
        with self.path.open("a") as stream:
            stream.write(json.dumps({"epoch": epoch + 1, **values}) + "\n")
        now = time.monotonic()
        if now - self.last >= LOG_SECONDS or epoch + 1 == self.epochs:
            left = (now - self.started) / (epoch + 1) * (self.epochs - epoch - 1)
            shown = " ".join(f"{key} {value:.4g}" for key, value in sorted(values.items()))
            log.info("%s: epoch %d of %d, %s, %.0f s left", self.label, epoch + 1, self.epochs,
                     shown, left)  # fmt: skip
            self.last = now


class StopOnInterrupt(keras.callbacks.Callback):
    """Leave the training at the next batch after a Ctrl-C that a library swallowed."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: D102
        if SEEN:
            raise KeyboardInterrupt


def fit(
    learner: Learner,
    arrays: Arrays,
    train: np.ndarray,
    val: np.ndarray,
    settings: TrainSettings,
    journal: Path,
    label: str,
) -> None:
    """Train a model in place.

    Parameters
    ----------
    learner
        What the task supplies.
    arrays
        The prepared arrays.
    train, val
        Row numbers; validation rows are only watched.
    settings
        Epochs, batch size, rate, seed.
    journal
        Where the metrics of every epoch go.
    label
        What to call this run in the log.

    Raises
    ------
    EyecliError
        If the loss stops being a number.
    """

    def loader(rows: np.ndarray, augment: Augment | None) -> Loader:
        return Loader(arrays, learner.names, rows, learner.scale, settings.batch_size,
                      learner.targets, augment, settings.seed)  # fmt: skip

    batches = loader(train, learner.augment)
    steps = settings.epochs * len(batches)
    warm = max(1, int(WARMUP * steps))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm), warmup_target=settings.learning_rate, warmup_steps=warm
    )
    losses = {name: learner.losses.get(name) for name in learner.model.output_names}
    learner.model.compile(keras.optimizers.Adam(rate), loss=losses)
    learner.model.fit(
        batches,
        validation_data=loader(val, None) if len(val) else None,
        epochs=settings.epochs,
        # Keras would draw the order of the batches from a generator of its own.
        shuffle=False,
        verbose=0,
        callbacks=[Journal(journal, settings.epochs, label), StopOnInterrupt()],
    )


def predict(
    model: keras.Model, arrays: Arrays, names: list[str], rows: np.ndarray,
    scale: Callable[[Row], Row], batch_size: int = 64,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Run a model over rows.

    Returns
    -------
    dict
        Output name to (len(rows), ...) float32.
    """
    loader = Loader(arrays, names, rows, scale, batch_size)
    batches = [model(loader[i][0], training=False) for i in range(len(loader))]
    return {
        name: np.concatenate([keras.ops.convert_to_numpy(batch[name]) for batch in batches])
        for name in batches[0]
    }
