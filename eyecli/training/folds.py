"""Folds as artifacts of their own, merged into a model when all are there."""

from __future__ import annotations

import errno
import logging
import shlex
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from eyecli.data.prepared import open_prepared, read_split
from eyecli.errors import DataError
from eyecli.evaluation.study import About, weights_line
from eyecli.training.card import write_model_card
from eyecli.training.model import MODEL, ModelFile, fold_folder
from eyecli.training.settings import TrainSettings
from eyecli.workspace.lease import lease
from eyecli.workspace.lineage import input_of
from eyecli.workspace.memo import Work, memo_key, recall
from eyecli.workspace.references import resolve
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact, families, load, versions
from eyecli.workspace.verify import require_whole

log = logging.getLogger(__name__)

# The name of what is trained on all groups, so that `@latest` stays what can be evaluated.
REFIT = "refit"


def model_work(
    task: str,
    prepared: Artifact,
    split: Artifact,
    settings: TrainSettings,
    name: str | None = None,
    weights: Artifact | None = None,
) -> Work:
    """Return what identifies the training of all folds of a split."""
    inputs = {"prepared": prepared, "split": split}
    inputs |= {"weights": weights} if weights else {}
    return Work("train", "model", task, name, settings.result_params(), inputs, settings.seed)


def fold_work(work: Work, partition: int) -> Work:
    """Return what identifies the training of one fold."""
    return replace(work, kind="fold", params={**work.params, "partition": partition})


def run_folder(root: Path, work: Work) -> Path:
    """Where the work in progress of a model's folds is."""
    name = "-".join(part for part in (work.stage, work.task, work.name) if part)
    return root / "runs" / f"{name}-{memo_key(work)[:12]}"


def missing_folds(root: Path, work: Work, count: int) -> list[int]:
    """Return the partitions that are not trained yet."""
    return [i for i in range(count) if recall(root, fold_work(work, i)) is None]


def merge_folds(
    root: Path,
    work: Work,
    folds: list[Artifact],
    about: Callable[[], About],
    summary: dict[str, Any],
    *,
    force: bool = False,
) -> Outcome:
    """Make the model of all folds of a split, by hard links.

    Parameters
    ----------
    root
        The workspace.
    work
        That of the model.
    folds
        One artifact a partition, in their order.
    about
        Gives what the task says of itself, for the model card.
    summary
        Facts to add to the manifest.
    force
        Merge again even if it is there. If it is there with other folds, that is done anyway.

    Raises
    ------
    DataError
        If a fold is damaged.
    """
    prepared, split = work.inputs["prepared"], work.inputs["split"]
    assert isinstance(prepared, Artifact) and isinstance(split, Artifact)

    def build(folder: Path) -> Built:
        for partition, fold in enumerate(folds):
            require_whole(fold)
            shutil.copytree(
                fold_folder(fold.path, partition), fold_folder(folder, partition),
                copy_function=_link,
            )  # fmt: skip
        shared = ModelFile(open_prepared(prepared).setup, list(range(len(folds))))
        (folder / MODEL).write_bytes(msgspec.json.encode(shared, order="deterministic") + b"\n")
        first = {key: value for key, value in folds[0].manifest.summary.items() if key != "command"}
        write_model_card(
            root, folder, about(), prepared, split, work.params, first["parameters"],
            shared.partitions, weights_line(root, folds[0]), first.get("trained"),
        )  # fmt: skip
        names = [fold.ref for fold in folds]
        return Built(summary={**first, **summary, "partitions": len(folds), "folds": names})

    # Jobs that finish the last folds together take turns: the second finds what the first made.
    with lease(run_folder(root, work), f"the merge of {len(folds)} folds", wait=True):
        found = None if force else recall(root, work)
        changed = found is not None and not all(
            fold.manifest.files.items() <= found.manifest.files.items() for fold in folds
        )
        return run_stage(root, work, build, force=force or changed)


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError as error:
        # Another file system, one without links, or a file with too many of them.
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(source, target)


def train_command(task: str, prepared: Artifact, split: Artifact, settings: TrainSettings) -> str:
    """Return the line that trains this split with these settings, but for the workspace."""
    words = ["eyecli", "train", task, prepared.ref, "--split", split.ref]
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        if value == entry.default or entry.name == "fold":
            continue
        flag = (entry.metadata["names"] or (f"--{entry.name.replace('_', '-')}",))[0]
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, str(value)]
    return shlex.join(words)


def in_workspace(root: Path, command: str) -> str:
    """Return a line that can be typed anywhere."""
    return f"{command} --workspace {shlex.quote(str(root.absolute()))}"


def find_model(
    root: Path, text: str | None, task: str | None = None, *, also: str | None = None
) -> Artifact:
    """Find the model that a reference names, see `references.resolve`.

    Parameters
    ----------
    root, text, task
        The workspace, the reference, and the task if only one will do.
    also
        Another kind that will do.

    Raises
    ------
    DataError
        If it is a fold, or there is no model but folds: the missing ones are named, with the
        line that trains them.
    """
    kind = "model" if text is None or text.startswith("@") else None
    try:
        artifact = resolve(root, text, kind, task)
    except DataError:
        fold = _fold_instead(root, text, task)
        if fold is None:
            raise
        raise _incomplete(root, fold) from None
    if artifact.manifest.kind == "fold":
        raise _incomplete(root, artifact)
    if artifact.manifest.kind == also:
        return artifact
    model = resolve(root, artifact.ref, "model", task)
    if text is None:
        _warn_of_newer_folds(root, model)
    return model


def _warn_of_newer_folds(root: Path, model: Artifact) -> None:
    """Say so if the latest model is older than the folds of one that is not whole yet."""
    family_ref = f"fold/{model.manifest.task}"
    known = versions(root, family_ref)
    with suppress(DataError):
        fold = load(root, family_ref, known[-1]) if known else None
        if fold and fold.manifest.ended > model.manifest.ended and not _model_of(root, fold):
            log.warning("WARNING: %s is older: %s", model.ref, _incomplete(root, fold).message)


def _fold_instead(root: Path, text: str | None, task: str | None) -> Artifact | None:
    """Return the latest fold of what was asked for, if there are folds and no model of it."""
    known = families(root)
    family = (text or "").partition("@")[0] or f"model/{task or ''}"
    if not family.startswith("model/") or any(ref.startswith(family) for ref in known):
        return None
    folds = [ref for ref in known if ref.startswith(f"fold/{family[len('model/') :]}")]
    return load(root, folds[0], versions(root, folds[0])[-1]) if folds else None


def _work_of(root: Path, fold: Artifact) -> Work:
    """Return the work of the model that a fold belongs to."""
    manifest = fold.manifest
    params = {key: value for key, value in manifest.params.items() if key != "partition"}
    inputs = {role: input_of(root, fold, role) for role in ("prepared", "split")}
    weights = weights_of(root, fold)
    inputs |= {"weights": weights} if weights else {}
    return Work("train", "model", manifest.task, manifest.name, params, inputs, manifest.seed)


def weights_of(root: Path, trained: Artifact) -> Artifact | None:
    """Return the pretrained weights that a fold or a model started from."""
    roles = {entry.role for entry in trained.manifest.inputs}
    return input_of(root, trained, "weights") if "weights" in roles else None


def _model_of(root: Path, fold: Artifact) -> Artifact | None:
    return recall(root, _work_of(root, fold))


def _incomplete(root: Path, fold: Artifact) -> DataError:
    """Say why a fold is no model, and which folds the model lacks."""
    model = _model_of(root, fold)
    if model:
        return DataError(f"{fold.ref} is one fold of {model.ref}", f"name {model.ref}")
    split = input_of(root, fold, "split")
    missing = missing_folds(root, _work_of(root, fold), len(read_split(split).partitions))
    if not missing:
        return DataError(
            f"{fold.ref} is one fold: all are there, but not merged",
            in_workspace(root, fold.manifest.summary["command"]),
        )
    verb = "is" if len(missing) == 1 else "are"
    return DataError(
        f"{fold.ref} is one fold: {name_folds(missing)} of {split.ref} {verb} missing",
        line_for(root, fold, missing),
    )


def line_for(root: Path, fold: Artifact, missing: list[int]) -> str:
    """Return the line that trains the folds that are missing beside one that is there."""
    command = in_workspace(root, fold.manifest.summary["command"])
    comment = "" if len(missing) == 1 else "  # or one a job:"
    return f"{command}{comment} --fold {missing[0]}"


def name_folds(partitions: list[int]) -> str:
    """``fold 2``, or ``folds 2, 4``."""
    return f"fold{'s' * (len(partitions) > 1)} {', '.join(map(str, partitions))}"


def state(
    root: Path,
    task: str,
    prepared: Artifact,
    split: Artifact,
    settings: TrainSettings,
    weights: Artifact | None = None,
) -> str:
    """Say what of a training is there: its model, some folds, or nothing."""
    work = model_work(task, prepared, split, settings, weights=weights)
    model = recall(root, work)
    if model:
        return f"there: {model.ref}"
    count = len(read_split(split).partitions)
    missing = missing_folds(root, work, count)
    if not missing:
        return "all folds there, to merge"
    if settings.fold == -1 or settings.fold in missing:
        chosen = missing if settings.fold == -1 else [settings.fold]
        return f"{name_folds(chosen)} of {count} to train"
    return f"fold {settings.fold} is there; {name_folds(missing)} of {count} to train"
