"""The train stage: every fold of a split, one model of them, the predictions it leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from eyecli.data.prepared import Prepared, groups_and_parts, open_prepared, read_split, write_table
from eyecli.data.split import Split
from eyecli.errors import UsageError
from eyecli.evaluation.study import About
from eyecli.training.backend import load_keras
from eyecli.training.features import outputs_by_kept
from eyecli.training.fold import Job, train_all, train_fold
from eyecli.training.folds import (
    REFIT,
    fold_work,
    merge_folds,
    missing_folds,
    model_work,
)
from eyecli.training.gallery import explain_some
from eyecli.training.interrupt import interruptible
from eyecli.training.model import load_fold, read_facts, read_model
from eyecli.training.settings import TrainSettings
from eyecli.workspace.leftovers import CACHE
from eyecli.workspace.lineage import input_of
from eyecli.workspace.memo import Work, recall
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import pandas as pd

    from eyecli.training.fit import Learner

log = logging.getLogger(__name__)

PREDICTIONS = "predictions.csv"
Outputs = dict[str, np.ndarray]


class Trainer(Protocol):
    """What a task supplies to train, a module or an object.

    Attributes
    ----------
    ABOUT
        What the task says of itself, for the model card.
    MAY_DIFFER
        Fields of the setup that the data of an external validation need not share.
    """

    ABOUT: About
    MAY_DIFFER: tuple[str, ...]

    def learner(self, prepared: Prepared, train: np.ndarray, settings: Any) -> Learner:
        """Build the network and scale the targets by the train rows."""

    def finish(
        self,
        learner: Learner,
        prepared: Prepared,
        rows: np.ndarray,
        groups: np.ndarray,
        run: Callable[[np.ndarray], Outputs],
        settings: Any,
    ) -> dict[str, Any]:
        """Refit what has a closed form on the rows that are not test; return the fold's facts."""

    def names(self, facts: dict[str, Any]) -> list[str]:
        """Return the stored arrays that a fold reads."""

    def scale(self, arrays: Outputs, facts: dict[str, Any]) -> Outputs:
        """Turn stored arrays into the model's inputs, as the fold with these facts does."""

    def tabulate(
        self, outputs: Outputs, facts: dict[str, Any], table: pd.DataFrame | None = None
    ) -> tuple[dict[str, np.ndarray], Outputs]:
        """Turn outputs into columns, in the target's unit, and arrays to keep beside them.

        The table has the rows of the index that the outputs are of, with their ``group``.
        """


def train(
    root: Path,
    task: str,
    trainer: Callable[[], Trainer],
    prepared: Artifact,
    split: Artifact,
    settings: TrainSettings,
    *,
    force: bool = False,
    refit_of: Artifact | None = None,
    weights: Artifact | None = None,
) -> tuple[Outcome, Outcome]:
    """Train every fold of a split, merge them and predict what each has not seen.

    Folds that are there already, from an earlier run or another job, are not trained again.

    Parameters
    ----------
    root, task
        The workspace and the task's name.
    trainer
        Gives what the task supplies; called only if there is something to train.
    prepared, split
        The data.
    settings
        The task's settings; `fold` plays no part.
    force
        Train again even if it is there.
    refit_of
        The cross-validated model of which this is the refit on all groups.
    weights
        The pretrained weights to start from.

    Returns
    -------
    model, predictions : Outcome

    Raises
    ------
    RetryError
        If a signal or the time limit stopped it, with a checkpoint.
    BusyError
        If another process trains one of the folds; all others are done then.
    CheckError
        If the pretrained weights are not those of the network.
    """
    name = REFIT if refit_of else None
    work = model_work(task, prepared, split, settings, name, weights)
    found = None if force else recall(root, work)
    with interruptible():
        if found:
            log.info("%s: already there (train)", found.ref)
            model = Outcome(found, cached=True)
        else:
            job = Job(root, work, trainer, prepared, split, settings, refit_of)
            folds = train_all(job, len(read_split(split).partitions), force)
            model = merge_folds(
                root, work, folds, lambda: trainer().ABOUT, _refit_facts(refit_of), force=force
            )
        return model, predictions(root, trainer, model.artifact, prepared, split, force=force)


def _refit_facts(model: Artifact | None) -> dict[str, Any]:
    return {"refit_of": model.ref, "refit_of_digest": model.manifest.digest} if model else {}


def train_part(
    root: Path,
    task: str,
    trainer: Callable[[], Trainer],
    prepared: Artifact,
    split: Artifact,
    settings: TrainSettings,
    *,
    force: bool = False,
    weights: Artifact | None = None,
) -> tuple[Outcome, list[int]]:
    """Train fold `settings.fold` of a split; the last one makes the model, as `train` does.

    Returns
    -------
    outcome : Outcome
        The model, or the fold if others are missing.
    missing : list of int
        The folds that are not there yet.

    Raises
    ------
    UsageError
        If the split has no such fold.
    BusyError
        If another process trains it.
    """
    count = require_fold(split, settings.fold)
    with interruptible():
        work = model_work(task, prepared, split, settings, weights=weights)
        model = None if force else recall(root, work)
        if model is None:
            job = Job(root, work, trainer, prepared, split, settings, None)
            fold = train_fold(job, settings.fold, force)
            # Of two jobs that end together at least one sees the fold of the other.
            missing = missing_folds(root, work, count)
            if missing:
                return fold, missing
            folds = [recall(root, fold_work(work, i)) for i in range(count)]
            merge_folds(root, work, [fold for fold in folds if fold], lambda: trainer().ABOUT, {})
        outcome, _ = train(root, task, trainer, prepared, split, settings, weights=weights)
        return outcome, []


def require_fold(split: Artifact, fold: int) -> int:
    """Return the number of folds of a split; raise `UsageError` if it has not this one."""
    count = len(read_split(split).partitions)
    if not 0 <= fold < count:
        raise UsageError(f"--fold {fold}: {split.ref} has the folds 0 to {count - 1}")
    return count


def predictions(
    root: Path,
    trainer: Callable[[], Trainer],
    model: Artifact,
    prepared: Artifact,
    split: Artifact,
    *,
    force: bool = False,
) -> Outcome:
    """Predict the validation and test rows of every fold: one row a sample and fold.

    Evaluation reads this and never needs the model again.
    """
    inputs = {"model": model, "prepared": prepared, "split": split}
    manifest = model.manifest
    work = Work("predict", "predictions", manifest.task, manifest.name, {}, inputs)

    def build(folder: Path) -> Built:
        import pandas as pd

        load_keras()
        data, plan, tools = open_prepared(prepared), read_split(split), trainer()
        tables, arrays = [], []
        for partition in read_model(model).partitions:
            table, kept = _predict_fold(root / CACHE, tools, data, plan, model, partition)
            tables.append(table)
            arrays.append(kept)
        joined = pd.concat(tables, ignore_index=True)
        write_table(folder / PREDICTIONS, joined)
        stacked = {name: np.concatenate([kept[name] for kept in arrays]) for name in arrays[0]}
        for name, values in stacked.items():
            np.save(folder / f"{name}.npy", values, allow_pickle=False)
        explain_some(folder, tools, data, joined, stacked["embedding"], model)
        return Built(summary={"rows": sum(len(table) for table in tables)})

    return run_stage(root, work, build, force=force)


def _predict_fold(
    cache: Path,
    trainer: Trainer,
    prepared: Prepared,
    split: Split,
    model: Artifact,
    partition: int,
) -> tuple[pd.DataFrame, Outputs]:
    groups, part = groups_and_parts(prepared, split, partition)
    rows = np.flatnonzero(part != "train")
    facts = read_facts(model, partition)
    outputs = _outputs(cache, trainer, prepared, model, partition, rows)
    table = prepared.index.iloc[rows].drop(columns=["files"]).reset_index(drop=True)
    table.insert(0, "partition", partition)
    table.insert(1, "repeat", split.partitions[partition].repeat)
    table.insert(2, "part", part[rows])
    table.insert(3, "group", groups[rows])
    columns, kept = trainer.tabulate(outputs, facts, table)
    return table.assign(**columns), kept


def _outputs(
    cache: Path,
    trainer: Trainer,
    prepared: Prepared,
    model: Artifact,
    partition: int,
    rows: np.ndarray,
) -> Outputs:
    """Run the network of a fold over rows; what a frozen backbone makes of them is kept."""
    from eyecli.training.fit import Learner, predict

    facts, network = read_facts(model, partition), load_fold(model, partition)
    names, views = trainer.names(facts), facts.get("test_views", 1)
    scale = partial(trainer.scale, facts=facts)
    if facts.get("closed"):
        frozen = Learner(network, names, {}, {}, scale, lambda sample, _: sample, test_views=views)
        return outputs_by_kept(cache, frozen, prepared, rows)
    return predict(network, prepared.arrays, names, rows, scale, views=views)


def trained_files(root: Path, model: Artifact, partition: int) -> set[str]:
    """Return the sha256 of every file that a fold was trained or validated on."""
    prepared = open_prepared(input_of(root, model, "prepared"))
    split = read_split(input_of(root, model, "split"))
    _, part = groups_and_parts(prepared, split, partition)
    return {digest for files in prepared.index["files"][part != "test"] for digest in files.split()}
