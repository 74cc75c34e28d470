"""Training one fold: found, resumed or begun, by one process at a time."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.prepared import Prepared, groups_and_parts, open_prepared, read_split
from eyecli.data.split import Split
from eyecli.errors import UsageError
from eyecli.progress import Beat
from eyecli.training import checkpoint
from eyecli.training.backend import load_keras, make_deterministic
from eyecli.training.features import kept_outputs
from eyecli.training.folds import fold_work, in_workspace, run_folder, train_command
from eyecli.training.interrupt import interruptible
from eyecli.training.model import fold_folder
from eyecli.training.settings import TrainSettings
from eyecli.weights.artifact import open_weights
from eyecli.workspace.lease import BusyError
from eyecli.workspace.leftovers import CACHE
from eyecli.workspace.memo import Work, memo_key, recall
from eyecli.workspace.runs import METRICS, Run, running
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    from eyecli.training.stage import Outputs, Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What the folds of one training share."""

    root: Path
    work: Work
    trainer: Callable[[], Trainer]
    prepared: Artifact
    split: Artifact
    settings: TrainSettings
    refit_of: Artifact | None

    @property
    def command(self) -> str:
        """The line that trains it, but for the workspace."""
        if self.refit_of:
            return f"eyecli export coreml {self.refit_of.ref} --refit-all"
        return train_command(self.work.task, self.prepared, self.split, self.settings)


def train_all(job: Job, count: int, force: bool) -> list[Artifact]:
    """Train all folds; those that other processes are at come last.

    Returns
    -------
    list of Artifact
        A fold a partition, in their order.

    Raises
    ------
    BusyError
        If one of them is still busy when all others are there.
    """
    folds: dict[int, Artifact] = {}
    for last_round in (False, True):
        for partition in sorted(set(range(count)) - folds.keys()):
            try:
                folds[partition] = train_fold(job, partition, force).artifact
            except BusyError as busy:
                if last_round:
                    raise
                log.info("%s", busy.message)
    return [folds[partition] for partition in range(count)]


def train_fold(job: Job, partition: int, force: bool) -> Outcome:
    """Train one fold in its own folder of ``runs/``, or find it.

    Parameters
    ----------
    job, partition
        The training, and which of its folds.
    force
        Train it from the start even if it is there.

    Raises
    ------
    BusyError
        If another process is at it.
    RetryError
        If it was stopped, with a checkpoint.
    """
    work = fold_work(job.work, partition)
    found = None if force else recall(job.root, work)
    if found:
        log.info("%s: already there (train, fold %d)", found.ref, partition)
        return Outcome(found, cached=True)
    plan = read_split(job.split)
    label = f"fold {partition} of {len(plan.partitions)}"
    runs = fold_folder(run_folder(job.root, job.work), partition)
    alone = f" --fold {partition}" if job.settings.fold == partition else ""
    run = Run(
        command=in_workspace(job.root, job.command + alone), stage=work.stage, task=work.task,
        key=memo_key(work), inputs={"prepared": job.prepared.ref, "split": job.split.ref},
        fold=partition, folds=len(plan.partitions),
    )  # fmt: skip

    with running(runs, run, f"{run.task} {label}") as beat, interruptible():
        if force:
            checkpoint.remove(runs)

        def build(folder: Path) -> Built:
            load_keras()
            facts = _fit_fold(
                job.trainer(), open_prepared(job.prepared), plan, partition, job.settings,
                _weights_file(job), fold_folder(folder, partition), runs, label, beat, run.key,
                job.root / CACHE,
            )  # fmt: skip
            return Built(summary={**facts, "command": job.command})

        outcome = run_stage(job.root, work, build, force=force)
        checkpoint.remove(runs)
        return outcome


def _weights_file(job: Job) -> Path | None:
    weights = job.work.inputs.get("weights")
    return open_weights(job.root, weights.ref)[1] if isinstance(weights, Artifact) else None


def _fit_fold(
    trainer: Trainer,
    prepared: Prepared,
    split: Split,
    partition: int,
    settings: TrainSettings,
    weights: Path | None,
    target: Path,
    runs: Path,
    label: str,
    beat: Callable[[Beat], None],
    identity: str,
    cache: Path,
) -> dict[str, Any]:
    from eyecli.training.fit import fit, predict
    from eyecli.training.model import save_fold

    # The names of layers must not depend on a network before, perhaps of a training that failed.
    load_keras().utils.clear_session(free_memory=True)
    # Every fold gets its own weights and its own order, the same whichever folds are trained.
    make_deterministic((settings.seed * 1000 + partition) % 2**32)
    groups, part = groups_and_parts(prepared, split, partition)
    train_rows, val_rows = np.flatnonzero(part == "train"), np.flatnonzero(part == "val")
    learner = trainer.learner(prepared, train_rows, settings)
    warm = {}
    if weights:
        if learner.start is None:
            raise UsageError(f"--weights: {label} has no backbone that takes weights")
        warm = {"pretrained": learner.start(weights)}
    if learner.closed:
        history: list[Any] = []
    else:
        history = fit(learner, prepared.arrays, train_rows, val_rows, settings, runs, label, beat,
                      identity)  # fmt: skip

    def run(rows: np.ndarray, view: int = 0) -> Outputs:
        if learner.closed:
            return kept_outputs(cache, learner, prepared, rows, view)
        return predict(learner.model, prepared.arrays, learner.names, rows, learner.scale,
                       views=learner.test_views)  # fmt: skip

    rows = np.flatnonzero(part != "test")
    facts = trainer.finish(learner, prepared, rows, groups[rows], run, settings)
    save_fold(target, learner.model, facts)
    # Not a copy of the file in runs/, which another process that took over may be writing.
    lines = [json.dumps(metrics) + "\n" for metrics in history]
    (target / METRICS).write_text("".join(lines))
    trained = sum(math.prod(each.shape) for each in learner.model.trainable_variables)
    return {
        "parameters": int(learner.model.count_params()), "trained": trained,
        "train": len(train_rows), "val": len(val_rows),
    } | warm  # fmt: skip
