"""``eyecli schema``: what raw layouts hold, field by field."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell, command
from eyecli.errors import UsageError, suggest

app = typer.Typer(add_completion=False)


@command(app, "schema", makes=False)
def schema(
    shell: Shell,
    layout: Annotated[
        str | None, typer.Argument(help="A layout such as image-table; all are listed by default.")
    ] = None,
) -> Result:
    """Print the fields of a raw layout with meaning and unit, and a minimal example.

    Names of your own are mapped with `preprocess --columns OURS=YOURS,...`, and fields that are
    in file names with `--filename`.
    """
    from eyecli.data.fields import describe, document
    from eyecli.tasks.base import all_layouts

    layouts = all_layouts()
    if layout is None:
        found = [
            {"task": task, "layout": name, "meaning": entry.meaning}
            for name, (task, entry) in layouts.items()
        ]
        return Result(["\t".join(row.values()) for row in found], found)
    if layout not in layouts:
        raise UsageError(f"unknown layout '{layout}'", suggest(layout, layouts))
    task, entry = layouts[layout]
    facts: dict[str, Any] = {"task": task, "layout": layout} | document(entry)
    return Result(describe(task, layout, entry), facts)
