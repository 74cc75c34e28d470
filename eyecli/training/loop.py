"""The training loop: Keras' own steps, one by one, so that it can stop and go on at any batch."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from eyecli.data.loader import Loader, Row
from eyecli.data.prefetch import prefetch
from eyecli.errors import EyecliError, RetryError
from eyecli.progress import Beat
from eyecli.training import checkpoint
from eyecli.training.checkpoint import Groups, Metrics, Position
from eyecli.training.interrupt import HINT, began, stop_error, stopped
from eyecli.training.precision import in_precision
from eyecli.training.schedules import optimizer
from eyecli.training.settings import TrainSettings, seconds
from eyecli.workspace.store import write_atomic

log = logging.getLogger(__name__)

JOURNAL = "metrics.jsonl"
LOG_SECONDS = 10.0
Batch = tuple[Row, Row]


class Run:
    """One training of one network.

    Parameters
    ----------
    model
        The network as the task has built it; the trained weights end up in it.
    losses
        Output name to loss, or None.
    train, val
        Batches to learn from and to watch.
    settings, folder, label, beat, identity
        As `eyecli.training.fit.fit` takes them.
    coarser
        As a learner has it: what it makes of the network is trained in the first half of the
        epochs, and never watched.
    """

    def __init__(
        self,
        model: keras.Model,
        losses: dict[str, Any],
        train: Loader,
        val: Loader,
        settings: TrainSettings,
        folder: Path,
        label: str,
        beat: Callable[[Beat], None],
        identity: str,
        coarser: Callable[[keras.Model], keras.Model] | None = None,
    ) -> None:
        self.target, self.train, self.val, self.settings = model, train, val, settings
        self.folder, self.label, self.beat = folder, label, beat
        # Another version or backend has other variables, and rounds in another way.
        self.identity = f"{identity} {keras.backend.backend()} keras {keras.__version__}"
        mixed = settings.precision != "float32"
        self.model = in_precision(model, settings.precision) if mixed else model
        self.optimizer = optimizer(settings, settings.epochs * len(train))
        self.model.compile(self.optimizer, loss=losses, auto_scale_loss=False)
        self.optimizer.build(self.model.trainable_variables)
        self.coarse = coarser(self.model) if coarser else None
        if self.coarse:
            _require_shared(self.model, self.coarse)
            self.coarse.compile(self.optimizer, loss=losses, auto_scale_loss=False)
        self.at = Position()
        self.best: list[np.ndarray] = []
        self.begun = began()
        self.waited = self.stepped = 0.0
        # A limit shorter than what it takes to go on would otherwise let it stand still for ever.
        self.moved = False

    def resume(self) -> None:
        """Trace the steps, then begin at the checkpoint if there is one, at the start if not."""
        state = self._state()
        # A trace depends on the shapes seen before it, and rounding on the trace: all are made
        # in one order, wherever the training goes on.
        steps = [(self.train, self.model.train_on_batch), (self.val, self.model.test_on_batch)]
        if self.coarse:
            steps.append((self.train, self.coarse.train_on_batch))
        for loader, step in steps:
            for number in (0, 0, len(loader) - 1) if len(loader) else ():
                step(*loader.batch(number))
        found = checkpoint.load(self.folder, self.identity, self._fits)
        if found:
            self.at, state = found
            log.info("%s: going on %s", self.label, self._where())
        assign(self.model.variables, state["model"])
        assign(self.optimizer.variables, state["optimizer"])
        self.best = state["best"]
        lines = [json.dumps(entry) + "\n" for entry in self.at.history]
        write_atomic(self.folder / JOURNAL, "".join(lines).encode())
        self.before = self.at.seconds
        self.started = self.saved = self.logged = time.monotonic()

    def loop(self) -> None:
        """Train to the end and leave the weights to keep in the task's network.

        Raises
        ------
        RetryError, KeyboardInterrupt
            If a signal or the time limit stopped it; a checkpoint is there.
        EyecliError
            If the loss stops being a number.
        """
        with closing(prefetch(self._jobs())) as source:
            while not self._done():
                self._epoch(source)
        if self.settings.keeps_best:
            assign(self.model.weights, self.best)
        else:
            self.optimizer.finalize_variable_values(self.model.trainable_variables)
        if self.model is not self.target:
            self.target.set_weights(self.model.get_weights())

    def _jobs(self) -> Iterator[Callable[[], Batch]]:
        """Every batch that is left, over all epochs."""
        first = self.at.batch
        for epoch in range(self.at.epoch, self.settings.epochs):
            for number in range(first, len(self.train)):
                yield partial(self.train.batch, number, epoch)
            first = 0

    def _done(self) -> bool:
        stale = 0 < self.settings.patience <= self.at.epoch - self.at.best
        return stale or self.at.epoch >= self.settings.epochs

    def _epoch(self, source: Iterator[Batch]) -> None:
        at = self.at
        coarse = self.coarse if at.epoch < self.settings.epochs // 2 else None
        network = coarse or self.model
        while at.batch < len(self.train):
            start = time.monotonic()
            inputs, targets = next(source)
            self.waited += time.monotonic() - start
            found = network.train_on_batch(inputs, targets, return_dict=True)
            at.samples += self._add(at.sums, found, targets)
            at.batch += 1
            self.moved = True
            self.stepped += time.monotonic() - start
            self.beat(self._sign())
            self._pause()
        metrics: Metrics = {key: value / at.samples for key, value in at.sums.items()}
        if len(self.val):
            metrics |= self._validate()
        at.history.append({"epoch": at.epoch + 1, **metrics})
        at.epoch, at.batch, at.sums, at.samples = at.epoch + 1, 0, {}, 0
        self.moved = True
        with (self.folder / JOURNAL).open("a") as stream:
            stream.write(json.dumps(at.history[-1]) + "\n")
        self._say(metrics)
        self._pause()

    def _validate(self) -> Metrics:
        """Watch the weights that would be kept, averaged or not, and note the best."""
        trained = values(self.model.trainable_variables) if self.settings.ema else []
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        sums: dict[str, float] = {}
        samples = 0
        jobs = (partial(self.val.batch, number) for number in range(len(self.val)))
        with closing(prefetch(jobs)) as source:
            for inputs, targets in source:
                found = self.model.test_on_batch(inputs, targets, return_dict=True)
                samples += self._add(sums, found, targets)
                if stopped() or self._late():
                    break
            else:
                loss = sums["loss"] / samples
                best = self.at.best
                if not best or loss < self.at.history[best - 1]["val_loss"]:
                    self.at.best = self.at.epoch + 1
                    self.best = values(self.model.weights) if self.settings.keeps_best else []
        if trained:
            assign(self.model.trainable_variables, trained)
        # Validation cut short is done again.
        self._pause()
        return {f"val_{key}": value / samples for key, value in sums.items()}

    def _add(self, sums: dict[str, float], found: dict[str, float], targets: Row) -> int:
        """Add a batch's means to the sums and return its size."""
        size = len(next(iter(targets.values())))
        for key, value in found.items():
            if not np.isfinite(value):
                raise EyecliError(
                    f"{self.label}: the loss is no longer a number in epoch {self.at.epoch + 1}",
                    "lower --learning-rate, or look for broken samples with preprocess --dry-run",
                )
            sums[key] = sums.get(key, 0.0) + size * float(value)
        return size

    def _pause(self) -> None:
        """Save if it is time to, and leave if a signal or the time limit says so."""
        late = self._late()
        if stopped() or late:
            self._save()
            where = f"{self.label}: checkpoint saved {self._where()}"
            if stopped():
                error = stop_error(where)
                if isinstance(error, KeyboardInterrupt):
                    log.info("%s; %s", where, HINT)
                raise error
            raise RetryError(f"{where}: --max-time {self.settings.max_time} is over", HINT)
        # The end is saved too: what follows a training can be cut short as well.
        if self._done() or time.monotonic() - self.saved >= 60 * self.settings.checkpoint_minutes:
            self._save()

    def _late(self) -> bool:
        limit = seconds(self.settings.max_time)
        over = 0 < limit <= time.monotonic() - self.begun
        return over and self.moved and not self._done()

    def _where(self) -> str:
        if self._done():
            return f"at the end, after {self.at.epoch} epochs"
        return f"in epoch {self.at.epoch + 1} after batch {self.at.batch} of {len(self.train)}"

    def _state(self) -> Groups:
        """Return every number that the next step depends on."""
        return {
            "model": values(self.model.variables),
            "optimizer": values(self.optimizer.variables),
            "best": self.best,
        }

    def _fits(self, at: Position, groups: Groups) -> bool:
        """Say whether a checkpoint can be a state of this training."""
        sizes = {name: _sizes(arrays) for name, arrays in groups.items()}
        best = _sizes(self.model.weights) if at.best and self.settings.keeps_best else []
        return (
            sizes
            == {
                "model": _sizes(self.model.variables),
                "optimizer": _sizes(self.optimizer.variables),
                "best": best,
            }
            and 0 <= at.best <= at.epoch == len(at.history) <= self.settings.epochs
            and 0 <= at.batch <= len(self.train)
            and (at.batch > 0) == (at.samples > 0) == bool(at.sums)
            and all(not at.best or "val_loss" in entry for entry in at.history)
        )

    def _save(self) -> None:
        self.at.seconds = self._seconds()
        checkpoint.save(self.folder, self.identity, self.at, self._state())
        self.saved = time.monotonic()

    def _seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    def _sign(self) -> Beat:
        at, epochs, batches = self.at, self.settings.epochs, len(self.train)
        done = at.epoch * batches + at.batch
        left = self._seconds() / done * (epochs * batches - done)
        return Beat(at.epoch + 1, epochs, at.batch, batches, left, self.waited / self.stepped)

    def _say(self, metrics: Metrics) -> None:
        at, now = self.at, time.monotonic()
        if now - self.logged < LOG_SECONDS and not self._done():
            return
        self.logged = now
        shown = " ".join(f"{key} {value:.4g}" for key, value in sorted(metrics.items()))
        left = self._seconds() / at.epoch * (self.settings.epochs - at.epoch)
        log.info("%s: epoch %d of %d, %s, %.0f s left, %.1f %% of the steps waiting for data",
                 self.label, at.epoch, self.settings.epochs, shown, 0 if self._done() else left,
                 100 * self.waited / max(self.stepped, 1e-9))  # fmt: skip


def values(variables: Sequence[Any]) -> list[np.ndarray]:
    """Copy the values of variables; NumPy's view would follow their next change."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: Sequence[Any], stored: Sequence[np.ndarray]) -> None:
    """Give variables the values that `values` has copied."""
    for variable, value in zip(variables, stored, strict=True):
        variable.assign(value)


def _require_shared(model: keras.Model, coarse: keras.Model) -> None:
    """Optimizers keep averages and moments by the order of the variables."""
    if [id(v) for v in model.trainable_variables] != [id(v) for v in coarse.trainable_variables]:
        raise EyecliError("the network at half resolution does not share the trained layers")


def _sizes(arrays: Iterable[Any]) -> list[tuple[int, ...]]:
    return [tuple(array.shape) for array in arrays]
