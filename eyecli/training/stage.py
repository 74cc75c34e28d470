"""The train stage: every partition of a split, then the predictions it leaves behind."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from eyecli.data.prepared import Prepared, groups_and_parts, open_prepared, read_split, write_table
from eyecli.data.split import Split
from eyecli.errors import UsageError
from eyecli.evaluation.study import About
from eyecli.training.backend import load_keras, make_deterministic
from eyecli.training.card import write_model_card
from eyecli.training.interrupt import interruptible
from eyecli.training.model import MODEL, ModelFile, fold_folder, load_fold, read_facts, read_model
from eyecli.training.settings import TrainSettings
from eyecli.workspace.lineage import input_of
from eyecli.workspace.memo import Work, memo_key
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

    def scale(self, arrays: Outputs) -> Outputs:
        """Turn stored arrays into the model's inputs."""

    def tabulate(
        self, outputs: Outputs, facts: dict[str, Any]
    ) -> tuple[dict[str, np.ndarray], Outputs]:
        """Turn outputs into columns, in the target's unit, and arrays to keep beside them."""


def train(
    root: Path,
    task: str,
    trainer: Callable[[], Trainer],
    prepared: Artifact,
    split: Artifact,
    settings: TrainSettings,
    *,
    force: bool = False,
) -> tuple[Outcome, Outcome]:
    """Train a model for every partition of a split and predict what each has not seen.

    Parameters
    ----------
    root, task
        The workspace and the task's name.
    trainer
        Gives what the task supplies; called only if there is something to train.
    prepared, split
        The data.
    settings
        The task's settings.

    Returns
    -------
    model, predictions : Outcome

    Raises
    ------
    UsageError
        If `settings.fold` is not a partition of the split.
    """
    plan = read_split(split)
    if not -1 <= settings.fold < len(plan.partitions):
        raise UsageError(
            f"--fold {settings.fold}: {split.ref} has the folds 0 to {len(plan.partitions) - 1}"
        )
    inputs = {"prepared": prepared, "split": split}
    work = Work("train", "model", task, None, asdict(settings), inputs, settings.seed)

    def build(folder: Path) -> Built:
        data = open_prepared(prepared)
        # A folder a process: two jobs with the same work must not write into one journal.
        job = f"{socket.gethostname()}-{os.getpid()}"
        runs = root / "runs" / f"train-{task}-{memo_key(work)[:12]}" / job
        runs.mkdir(parents=True, exist_ok=True)
        chosen = range(len(plan.partitions)) if settings.fold == -1 else [settings.fold]
        load_keras()
        tools = trainer()
        summary = [
            _train_fold(tools, data, plan, partition, settings, folder, runs)
            for partition in chosen
        ]
        shared = ModelFile(data.setup, list(chosen))
        (folder / MODEL).write_bytes(msgspec.json.encode(shared, order="deterministic") + b"\n")
        write_model_card(
            root, folder, tools.ABOUT, prepared, split, asdict(settings), summary[0]["parameters"],
            list(chosen),
        )  # fmt: skip
        return Built(summary={"partitions": len(chosen), **summary[0]})

    with interruptible():
        model = run_stage(root, work, build, force=force)
    return model, predictions(root, trainer, model.artifact, prepared, split, force=force)


def _train_fold(
    trainer: Trainer,
    prepared: Prepared,
    split: Split,
    partition: int,
    settings: TrainSettings,
    folder: Path,
    runs: Path,
) -> dict[str, Any]:
    from eyecli.training.fit import fit, predict
    from eyecli.training.model import save_fold

    # Every fold gets its own weights and its own order, the same whichever folds are trained.
    make_deterministic((settings.seed * 1000 + partition) % 2**32)
    groups, part = groups_and_parts(prepared, split, partition)
    train_rows, val_rows = np.flatnonzero(part == "train"), np.flatnonzero(part == "val")
    learner = trainer.learner(prepared, train_rows, settings)
    journal = runs / f"metrics-{partition:03d}.jsonl"
    journal.unlink(missing_ok=True)
    label = f"fold {partition} of {len(split.partitions)}"
    fit(learner, prepared.arrays, train_rows, val_rows, settings, journal, label)

    def run(rows: np.ndarray) -> Outputs:
        return predict(learner.model, prepared.arrays, learner.names, rows, learner.scale)

    rows = np.flatnonzero(part != "test")
    facts = trainer.finish(learner, prepared, rows, groups[rows], run, settings)
    target = fold_folder(folder, partition)
    save_fold(target, learner.model, facts)
    shutil.copy(journal, target / "metrics.jsonl")
    parameters = int(learner.model.count_params())
    load_keras().utils.clear_session(free_memory=True)
    return {"parameters": parameters, "train": len(train_rows), "val": len(val_rows)}


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
    work = Work("predict", "predictions", model.manifest.task, None, {}, inputs)

    def build(folder: Path) -> Built:
        import pandas as pd

        load_keras()
        data, plan, tools = open_prepared(prepared), read_split(split), trainer()
        tables, arrays = [], []
        for partition in read_model(model).partitions:
            table, kept = _predict_fold(tools, data, plan, model, partition)
            tables.append(table)
            arrays.append(kept)
        write_table(folder / PREDICTIONS, pd.concat(tables, ignore_index=True))
        for name in arrays[0]:
            stacked = np.concatenate([kept[name] for kept in arrays])
            np.save(folder / f"{name}.npy", stacked, allow_pickle=False)
        return Built(summary={"rows": sum(len(table) for table in tables)})

    return run_stage(root, work, build, force=force)


def _predict_fold(
    trainer: Trainer, prepared: Prepared, split: Split, model: Artifact, partition: int
) -> tuple[pd.DataFrame, Outputs]:
    from eyecli.training.fit import predict

    groups, part = groups_and_parts(prepared, split, partition)
    rows = np.flatnonzero(part != "train")
    facts = read_facts(model, partition)
    network = load_fold(model, partition)
    outputs = predict(network, prepared.arrays, trainer.names(facts), rows, trainer.scale)
    columns, kept = trainer.tabulate(outputs, facts)
    table = prepared.index.iloc[rows].drop(columns=["files"]).reset_index(drop=True)
    table.insert(0, "partition", partition)
    table.insert(1, "repeat", split.partitions[partition].repeat)
    table.insert(2, "part", part[rows])
    table.insert(3, "group", groups[rows])
    return table.assign(**columns), kept


def trained_files(root: Path, model: Artifact, partition: int) -> set[str]:
    """Return the sha256 of every file that a fold was trained or validated on."""
    prepared = open_prepared(input_of(root, model, "prepared"))
    split = read_split(input_of(root, model, "split"))
    _, part = groups_and_parts(prepared, split, partition)
    return {digest for files in prepared.index["files"][part != "test"] for digest in files.split()}
