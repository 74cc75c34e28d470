"""``eyecli train``: prepared arrays to a model and its predictions."""

from __future__ import annotations

from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.cli.options import Reference
from eyecli.data.prepare import SplitSettings, split_prepared
from eyecli.data.split import parse_scheme
from eyecli.tasks.base import NAMES, Task, load_task
from eyecli.training.settings import TrainSettings
from eyecli.training.stage import train
from eyecli.workspace.references import resolve
from eyecli.workspace.splits import latest_split
from eyecli.workspace.store import Artifact

app = group("Prepared arrays to a model and predictions.")


def _register(task: Task) -> None:
    @command(
        app,
        task.name,
        settings=(task.train,),
        help=f"{task.title}: train a model for every partition of the split.\n\n"
        "Prints the model; predictions of what each fold has not seen are published beside it.",
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
    ) -> Result:
        root = shell.open()
        data = resolve(root, prepared, "prepared", task.name)
        shell.say_input(prepared, data.ref)
        chosen = _choose_split(shell, data, split, settings.seed)
        if shell.dry_run:
            line = f"would train on {data.ref} with {chosen.ref}"
            return Result([line], {"prepared": data.ref, "split": chosen.ref})
        model, predicted = train(
            root, task.name, task.module(task.learning), data, chosen, settings, force=shell.force
        )
        shell.say(f"predictions: {predicted.artifact.ref}")
        return published(model)


def _choose_split(shell: Shell, prepared: Artifact, text: str | None, seed: int) -> Artifact:
    """Return the split named, or made anew by a scheme with the earlier split's grouping."""
    root = shell.open()
    if text and ("/" in text or text.startswith("@")):
        split = resolve(root, text, "split", prepared.manifest.task)
    else:
        split = latest_split(root, prepared)
        if text:
            parse_scheme(text)
            earlier = split.manifest.params
            settings = SplitSettings(text, earlier["group"], seed, earlier["unsafe_split"])
            split = split_prepared(root, prepared, settings).artifact
    shell.say(f"split: {split.ref} ({split.manifest.summary['scheme']})")
    return split


for _name in NAMES:
    _register(load_task(_name))
