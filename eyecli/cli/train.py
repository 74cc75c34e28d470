"""``eyecli train``: prepared arrays to a model and its predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.cli.options import Reference
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import require_fit, split_prepared
from eyecli.data.split import parse_scheme
from eyecli.tasks.base import NAMES, Task, load_task
from eyecli.training.settings import TrainSettings
from eyecli.training.stage import train
from eyecli.workspace.references import resolve
from eyecli.workspace.splits import chosen_split
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
        chosen, scheme = _choose_split(root, data, split)
        if shell.dry_run:
            what = f"a new split {scheme} like {chosen.ref}" if scheme else chosen.ref
            line = f"would train on {data.ref} with {what}"
            return Result([line], {"prepared": data.ref, "split": chosen.ref, "scheme": scheme})
        if scheme:
            chosen = _split_anew(root, data, chosen, scheme, settings.seed)
        shell.say(f"split: {chosen.ref} ({chosen.manifest.summary['scheme']})")
        model, predicted = train(
            root, task.name, task.module(task.learning), data, chosen, settings, force=shell.force
        )
        shell.say(f"predictions: {predicted.artifact.ref}")
        return published(model)


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
