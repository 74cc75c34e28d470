"""``eyecli train``: prepared arrays to a model and its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.cli.options import Reference
from eyecli.data.plan import SplitSettings
from eyecli.data.prepared import open_prepared, read_split
from eyecli.data.split import parse_scheme
from eyecli.data.split_stage import require_fit, split_prepared
from eyecli.errors import EyecliError
from eyecli.tasks.base import NAMES, Task, load_task
from eyecli.training.folds import line_for, name_folds, state
from eyecli.training.settings import TrainSettings
from eyecli.training.stage import require_fold, train, train_part
from eyecli.training.sweep import Setting, each, grid, worst
from eyecli.weights.artifact import open_weights
from eyecli.workspace.references import resolve
from eyecli.workspace.splits import chosen_split
from eyecli.workspace.stage import Outcome
from eyecli.workspace.store import Artifact

app = group("Prepared arrays to a model and predictions.")


def _register(task: Task) -> None:
    @command(
        app,
        task.name,
        settings=(task.train,),
        help=f"{task.title}: train a model for every partition of the split.\n\n"
        "Prints the model; predictions of what each fold has not seen are published beside it. "
        "With --fold prints the fold, and the model once all folds are there.",
    )
    def train_task(
        shell: Shell,
        settings: TrainSettings,
        prepared: Reference = None,
        split: Annotated[
            str | None,
            typer.Option(
                help="A split's reference, or a scheme (kfold:5x5, leave-one-group-out): another "
                "split of the same data. That of the preparation by default."
            ),
        ] = None,
        seeds: Annotated[
            str | None,
            typer.Option(help="Train once with every seed of first..last, such as 0..4."),
        ] = None,
        sweep: Annotated[
            list[str] | None,
            typer.Option(
                metavar="KEY=a,b",
                help="Train once with every value of a setting, such as learning-rate=1e-3,3e-3; "
                "may be repeated for a grid.",
            ),
        ] = None,
    ) -> Result:
        root = shell.open()
        data = resolve(root, prepared, "prepared", task.name)
        shell.say_input(prepared, data.ref)
        chosen, scheme = _choose_split(root, data, split)
        wanted = grid(settings, seeds, sweep or [], shell.typed)
        for one in wanted:
            task.check_train(one.settings, open_prepared(data), read_split(chosen))
            if one.settings.fold != -1 and not scheme:
                require_fold(chosen, one.settings.fold)
        # All of them before the first training: a cluster's node cannot fetch what is missing.
        weights = {one.settings.start: _weights(shell, root, one.settings.start) for one in wanted}
        if shell.dry_run:
            return _plan(root, task, data, chosen, scheme, wanted, weights)
        if scheme:
            # One split for all seeds: what is compared is tested on the same rows.
            chosen = _split_anew(root, data, chosen, scheme, settings.seed)
        shell.say(f"split: {chosen.ref} ({chosen.manifest.summary['scheme']})")

        def run(one: TrainSettings) -> Outcome:
            return _train(shell, root, task, data, chosen, one, weights[one.start])

        results = each(wanted, run)
        models = [one.artifact.ref for one in results if isinstance(one, Outcome)]
        if seeds and len(models) > 1 and settings.fold == -1:
            shell.say(f"mean and spread over the seeds: eyecli compare {' '.join(models)}")
        return _report(wanted, results)


def _weights(shell: Shell, root: Path, name: str | None) -> Artifact | None:
    if name is None:
        return None
    found, _ = open_weights(root, name)
    shell.say(f"weights: {found.ref} (its file: sha256 {found.manifest.summary['sha256'][:12]})")
    return found


def _train(
    shell: Shell,
    root: Path,
    task: Task,
    data: Artifact,
    split: Artifact,
    settings: TrainSettings,
    weights: Artifact | None,
) -> Outcome:
    trainer = task.module(task.learning)
    if settings.fold != -1:
        made, missing = train_part(
            root, task.name, trainer, data, split, settings, force=shell.force, weights=weights
        )
        if missing:
            shell.say(f"{made.artifact.ref}: {name_folds(missing)} of {split.ref} still missing")
            shell.say(f"to train: {line_for(root, made.artifact, missing)}")
        return made
    model, predicted = train(
        root, task.name, trainer, data, split, settings, force=shell.force, weights=weights
    )
    shell.say(f"predictions: {predicted.artifact.ref}")
    return model


def _report(wanted: list[Setting], results: list[Outcome | EyecliError]) -> Result:
    made = [found for found in results if isinstance(found, Outcome)]
    failed = [found for found in results if isinstance(found, EyecliError)]
    if not made:
        raise next(error for error in failed if error.exit_code == worst(failed))
    result = published(*made, exit_code=worst(failed))
    if len(wanted) == 1:
        return result
    documents = result.document if isinstance(result.document, list) else [result.document]
    errors: list[Any] = [{"ok": False, "error": error.message} for error in failed]
    return Result(result.lines, documents + errors, result.exit_code)


def _plan(
    root: Path,
    task: Task,
    prepared: Artifact,
    split: Artifact,
    scheme: str | None,
    wanted: list[Setting],
    weights: Mapping[str | None, Artifact | None],
) -> Result:
    """Say what would be trained, and what of it is there."""
    what = f"a new split {scheme} like {split.ref}" if scheme else split.ref
    lines = [f"would train on {prepared.ref} with {what}"]
    rows = []
    for one in wanted:
        warm = weights[one.settings.start]
        found = "" if scheme else state(root, task.name, prepared, split, one.settings, warm)
        rows.append({"label": one.label, "state": found})
        if found or one.label:
            lines.append(": ".join(part for part in (one.label, found) if part))
    document = {"prepared": prepared.ref, "split": split.ref, "scheme": scheme, "trainings": rows}
    return Result(lines, document)


def _choose_split(root: Path, prepared: Artifact, text: str | None) -> tuple[Artifact, str | None]:
    """Return the split named, or the latest and the scheme by which to make another."""
    if text and ("/" in text or text.startswith("@")):
        found = resolve(root, text, "split", prepared.manifest.task)
        require_fit(prepared, found)
        return found, None
    if text:
        parse_scheme(text)
    return chosen_split(root, prepared), text


def _split_anew(root: Path, prepared: Artifact, like: Artifact, scheme: str, seed: int) -> Artifact:
    """Make another split with an earlier one's grouping."""
    earlier = like.manifest.params
    settings = SplitSettings(scheme, earlier["group"], seed, earlier["unsafe_split"] or None)
    return split_prepared(root, prepared, settings).artifact


for _name in NAMES:
    _register(load_task(_name))
