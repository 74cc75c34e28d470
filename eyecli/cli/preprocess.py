"""``eyecli preprocess``: raw data to prepared arrays and an audited split."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import check_source, prepare
from eyecli.data.table_settings import TableSettings
from eyecli.data.unite import UniteSettings
from eyecli.errors import DataError
from eyecli.tasks.base import NAMES, Task, load_task
from eyecli.workspace.references import resolve

app = group("Raw data to prepared arrays and a split.")


def refuse_raw(text: str) -> None:
    """Say of raw data in the place of a source's reference how it becomes a source."""
    from eyecli.signals.gaze_samples import refuse_gaze_samples, start_of
    from eyecli.sources.archive import kind_of
    from eyecli.workspace.manifest import MANIFEST
    from eyecli.workspace.references import REFERENCE

    path = Path(text)
    is_artifact = path.name == MANIFEST or (path / MANIFEST).exists()
    if REFERENCE.fullmatch(text) or is_artifact or not path.exists():
        return
    if path.is_file():
        refuse_gaze_samples([text], start_of)
    folder = path if path.is_dir() or kind_of(path.name) else path.parent
    raise DataError(
        f"{text}: raw data, not a source",
        f"fetch it first: eyecli fetch path {shlex.quote(str(folder))}",
    )


def _register(task: Task) -> None:
    @command(
        app,
        task.name,
        settings=(task.preprocess, SplitSettings, UniteSettings, TableSettings),
        help=f"{task.title}: read, check, crop, store and split by subject.\n\n"
        "Several sources become one data set. Prints the prepared artifact; its split is "
        "published beside it.",
    )
    def preprocess(
        shell: Shell,
        settings: object,
        split: SplitSettings,
        unite: UniteSettings,
        table: TableSettings,
        sources: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[SOURCE]...",
                help="References (kind/task@vN, @alias), digests or paths; the latest by default.",
            ),
        ] = None,
    ) -> Result:
        root = shell.open()
        asked: list[str | None] = [*sources] if sources else [None]
        for given in sources or ():
            refuse_raw(given)
        artifacts = [resolve(root, text, "source", task.name) for text in asked]
        for text, found in zip(asked, artifacts, strict=True):
            shell.say_input(text, found.ref)
        artifact, *more = artifacts
        if shell.dry_run:
            lines = check_source(
                root, artifact, task.read_raw, settings, split, more=more, unite=unite, table=table
            )
            # Two lines of counts, then the problems.
            document = {"source": ", ".join(a.ref for a in artifacts), "lines": lines}
            return Result(lines, document, exit_code=3 if len(lines) > 2 else 0)
        prepared, made = prepare(
            root, task.name, artifact, task.read_raw, settings, split,
            more=more, unite=unite, table=table, force=shell.force,
        )  # fmt: skip
        shell.say(f"split: {made.artifact.ref}")
        return published(prepared)


for _name in NAMES:
    _register(load_task(_name))
