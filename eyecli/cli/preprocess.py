"""``eyecli preprocess``: raw data to prepared arrays and an audited split."""

from __future__ import annotations

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.cli.options import Reference
from eyecli.data.prepare import SplitSettings, check_source, prepare
from eyecli.data.table_settings import TableSettings
from eyecli.tasks.base import NAMES, Task, load_task
from eyecli.workspace.references import resolve

app = group("Raw data to prepared arrays and a split.")


def _register(task: Task) -> None:
    @command(
        app,
        task.name,
        settings=(task.preprocess, SplitSettings, TableSettings),
        help=f"{task.title}: read, check, crop, store and split by subject.\n\n"
        "Prints the prepared artifact; its split is published beside it.",
    )
    def preprocess(
        shell: Shell,
        settings: object,
        split: SplitSettings,
        table: TableSettings,
        source: Reference = None,
    ) -> Result:
        root = shell.open()
        artifact = resolve(root, source, "source", task.name)
        shell.say_input(source, artifact.ref)
        if shell.dry_run:
            lines = check_source(root, artifact, task.read_raw, settings, split, table)
            # Two lines of counts, then the problems.
            found = {"source": artifact.ref, "lines": lines}
            return Result(lines, found, exit_code=3 if len(lines) > 2 else 0)
        prepared, made = prepare(
            root, task.name, artifact, task.read_raw, settings, split, table, force=shell.force
        )
        shell.say(f"split: {made.artifact.ref}")
        return published(prepared)


for _name in NAMES:
    _register(load_task(_name))
