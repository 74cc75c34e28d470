"""Predict data that a model has nothing to do with, after making sure of that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.audit import audit_between, refuse_leaks
from eyecli.data.prepared import (
    Prepared,
    groups_and_parts,
    open_prepared,
    read_split,
    write_table,
)
from eyecli.data.spellings import spelling_key
from eyecli.errors import CheckError, DataError, UsageError
from eyecli.training.backend import load_keras
from eyecli.training.gallery import explain_some
from eyecli.training.model import choose_fold, load_fold, read_facts, read_model
from eyecli.training.stage import PREDICTIONS, Trainer, predictions, trained_files
from eyecli.workspace.lineage import input_of
from eyecli.workspace.memo import Work
from eyecli.workspace.references import resolve
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import pandas as pd


def predict_external(
    root: Path,
    trainer: Callable[[], Trainer],
    model: Artifact,
    on: Artifact,
    partition: int,
    *,
    other_people: str = "",
    force: bool = False,
) -> Outcome:
    """Predict every row of other prepared data with one fold: all of them are test rows.

    Parameters
    ----------
    root
        The workspace.
    trainer
        Gives what the task supplies.
    model, partition
        The model and the fold that predicts.
    on
        The other data.
    other_people
        Why equal subject ids are not the same people; empty if they may be.

    Raises
    ------
    CheckError
        If the fold was trained on one of the files, on the same photograph under another name, or
        on a subject of the same id.
    DataError
        If the data were prepared in another way; the field is named.
    """
    params = {"fold": partition, "external": True, "other_people": other_people}
    work = Work(
        "predict", "predictions", model.manifest.task, None, params, {"model": model, "on": on}
    )

    def build(folder: Path) -> Built:
        data = open_prepared(on)
        require_unseen(root, model, partition, data, other_people)
        load_keras()
        tools = trainer()
        require_same_setup(read_model(model).setup, data, model.ref, tools.MAY_DIFFER)
        from eyecli.training.fit import predict

        facts = read_facts(model, partition)
        names = tools.names(facts)
        require_arrays(open_prepared(input_of(root, model, "prepared")), data, names, model.ref)
        require_no_copies(root, model, partition, data)
        rows = np.arange(len(data.index))
        outputs = predict(
            load_fold(model, partition), data.arrays, names, rows,
            partial(tools.scale, facts=facts), views=facts.get("test_views", 1),
        )  # fmt: skip
        table = data.index.drop(columns=["files"])
        table.insert(0, "partition", partition)
        table.insert(1, "repeat", 0)
        table.insert(2, "part", "test")
        table.insert(3, "group", groups_of(table))
        columns, kept = tools.tabulate(outputs, facts, table)
        table = table.assign(**columns)
        write_table(folder / PREDICTIONS, table)
        explain_some(folder, tools, data, table, kept["embedding"], model)
        for name, values in kept.items():
            np.save(folder / f"{name}.npy", values, allow_pickle=False)
        return Built(summary={"rows": len(table), "fold": partition, "other_people": other_people})

    return run_stage(root, work, build, force=force)


def groups_of(table: pd.DataFrame) -> pd.Series:
    """Return the subject of every row; a sample without one is a group of its own."""
    # A sample may be called as the subject of another.
    return table["subject"].where(table["subject"] != "", "sample " + table["sample"])


def require_unseen(
    root: Path, model: Artifact, partition: int, data: Prepared, other_people: str
) -> None:
    """Refuse files and subjects that the fold was trained or validated on.

    Raises
    ------
    CheckError
        With counts; equal subject ids are accepted with a reason, files never.
    """
    known = trained_files(root, model, partition)
    shared = [
        sample
        for sample, files in zip(data.index["sample"], data.index["files"], strict=True)
        if known & set(files.split())
    ]
    if shared:
        raise CheckError(
            f"{len(shared)} of {len(data.index)} samples of {data.artifact.ref} have a file that "
            f"fold {partition} of {model.ref} was trained on, first {shared[0]}: no external data",
            "prepare data that the model has not seen, or name another fold with --fold",
        )
    trained, part = _trained(root, model, partition)
    tested = set(data.index["subject"]) - {""}
    # Spelt in another way, it may still be the same person.
    fitted = {spelling_key(subject) for subject in set(trained.index["subject"][part != "test"])}
    people = [subject for subject in tested if spelling_key(subject) in fitted]
    if people and not other_people:
        raise CheckError(
            f"{len(people)} of {len(tested)} subject ids of {data.artifact.ref} are among those "
            f"that fold {partition} of {model.ref} was trained on",
            "if these are other people with the same ids, say so with --other-people 'REASON'",
        )


def require_no_copies(root: Path, model: Artifact, partition: int, data: Prepared) -> None:
    """Refuse the photographs that the fold was trained or validated on, under whatever names.

    Raises
    ------
    CheckError
        Naming the first pairs.
    """
    trained, part = _trained(root, model, partition)
    leaks = audit_between(trained, np.flatnonzero(part != "test"), data, np.arange(len(data.index)))
    refuse_leaks(
        leaks,
        f"between what fold {partition} of {model.ref} was trained on and {data.artifact.ref}",
        "prepare data without them, or name another fold with --fold",
    )


def _trained(root: Path, model: Artifact, partition: int) -> tuple[Prepared, np.ndarray]:
    """Return what a model was trained on, and the part of every sample in one fold."""
    trained = open_prepared(input_of(root, model, "prepared"))
    split = read_split(input_of(root, model, "split"))
    return trained, groups_and_parts(trained, split, partition)[1]


def require_same_setup(
    setup: dict[str, Any], data: Prepared, model: str, may_differ: tuple[str, ...]
) -> None:
    """Refuse data prepared with another unit, size or screen than the model's.

    A field that one of the two does not know is no difference.

    Raises
    ------
    DataError
        Naming the field.
    """
    for field in sorted(setup.keys() - set(may_differ)):
        mine, theirs = setup[field], data.setup.get(field)
        if mine and theirs and mine != theirs:
            raise DataError(
                f"{data.artifact.ref} was prepared with {field} {theirs}, {model} was trained with "
                f"{field} {mine}",
                f"preprocess it with --{field.replace('_', '-')} as for the model",
            )


def require_arrays(trained: Prepared, data: Prepared, names: list[str], model: str) -> None:
    """Refuse data without the arrays that the model reads, or of another shape.

    Raises
    ------
    DataError
        Naming the array.
    """
    for name in names:
        if name not in data.arrays.names:
            raise DataError(
                f"{data.artifact.ref} has no array '{name}', which {model} reads",
                f"it has: {', '.join(data.arrays.names)}",
            )
        mine, theirs = trained.arrays.spec(name), data.arrays.spec(name)
        if mine != theirs:
            raise DataError(
                f"{data.artifact.ref}: {name} is {theirs.shape} {theirs.dtype}, {model} was "
                f"trained on {mine.shape} {mine.dtype}",
                "preprocess it with the same sizes",
            )


def external_data(
    root: Path, text: str | None, model: Artifact, fold: int, other_people: str
) -> Artifact | None:
    """Return the prepared data that ``--on`` names; None without it.

    Raises
    ------
    UsageError
        If a flag was given that has a meaning for external data only, or a fold must be named.
    DataError
        If there are no such data, or they are another task's.
    """
    if text is None:
        for flag, given in (("--fold", fold != -1), ("--other-people", other_people)):
            if given:
                raise UsageError(f"{flag} is for other data", "name them with --on PREPARED")
        return None
    choose_fold(model, fold)
    return resolve(root, text, "prepared", model.manifest.task)


def predictions_for(
    root: Path, task: Any, model: Artifact, on: Artifact | None, fold: int, other_people: str
) -> Artifact:
    """Return a model's predictions of what it has not seen, or of other data.

    Parameters
    ----------
    task
        The task: its `learning` module is imported if there is something to predict.
    """
    trainer = task.module(task.learning)
    if on is None:
        prepared, split = (input_of(root, model, role) for role in ("prepared", "split"))
        return predictions(root, trainer, model, prepared, split).artifact
    # One line, whatever was typed: it becomes part of the report.
    reason = " ".join(other_people.split())
    return predict_external(
        root, trainer, model, on, choose_fold(model, fold), other_people=reason
    ).artifact
