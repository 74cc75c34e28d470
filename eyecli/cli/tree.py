"""The command tree: a table, so that help and dispatch import only what they need."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

import eyecli
from eyecli.cli.configuration import check_config

# command -> (module that defines `app`, one-line help, help panel)
COMMANDS = {
    "demo": ("eyecli.cli.demo", "Run the whole chain on a small generated sample.", "Start"),
    "fetch": ("eyecli.cli.fetch", "Bring raw data into the workspace.", "Stages"),
    "synthesize": ("eyecli.cli.synthesize", "Make data with exact labels.", "Stages"),
    "preprocess": ("eyecli.cli.preprocess", "Raw data to prepared arrays and a split.", "Stages"),
    "train": ("eyecli.cli.train", "Prepared arrays to a model and its predictions.", "Stages"),
    "calibrate": ("eyecli.cli.calibrate", "Fit a model to one user.", "Stages"),
    "export": ("eyecli.cli.export", "A model to a verified Core ML package.", "Stages"),
    "check-ane": ("eyecli.cli.check_ane", "Neural Engine verdict for every op.", "Stages"),
    "evaluate": ("eyecli.cli.evaluate", "Metrics, intervals, baselines, report.", "Stages"),
    "predict": ("eyecli.cli.predict", "Apply a model to new files.", "Stages"),
    "compare": ("eyecli.cli.compare", "Several models on the same test rows.", "Stages"),
    "push": ("eyecli.cli.push", "Copy artifacts to remote storage.", "Look after"),
    "workspace": (
        "eyecli.cli.workspace",
        "List, show, compare, move and clean up artifacts.",
        "Look after",
    ),
    "schema": ("eyecli.cli.schema", "Fields of raw layouts, with an example.", "Look after"),
    "config": ("eyecli.cli.config", "Show every setting and where it comes from.", "Look after"),
    "doctor": ("eyecli.cli.doctor", "Check the installation and the machine.", "Look after"),
    "runs": ("eyecli.cli.runs", "Trainings in progress: list, show, follow, stop.", "Look after"),
    "completions": ("eyecli.cli.completions", "Completion file of a shell.", "Look after"),
}


class LazyGroup(TyperGroup):
    """A group whose commands are imported when one of them is called, not to be listed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: D102
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: D102
        if cmd_name not in COMMANDS:
            return None
        module, help_text, panel = COMMANDS[cmd_name]
        if getattr(ctx, "listing", False):
            return TyperCommand(
                name=cmd_name, help=help_text, short_help=help_text, rich_help_panel=panel
            )
        command = typer.main.get_command(importlib.import_module(module).app)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: D102
        ctx.listing = True
        super().format_help(ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: D102
        # Typer names near commands in its error only for those it holds eagerly.
        self.commands = {name: TyperCommand(name) for name in COMMANDS}
        name, command, rest = super().resolve_command(ctx, args)
        if "--help" in rest:
            # Help is for those who are about to correct their files.
            ctx.default_map = {}
        elif name and name != "config" and ctx.obj:
            for line in check_config(ctx.obj["config"], command, (name,), COMMANDS):
                logging.getLogger("eyecli").warning("%s", line)
        return name, command, rest


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"eyecli {eyecli.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    help=eyecli.__doc__,
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 bad data, 4 a check said no, "
    "5 something is missing, 75 run the same command again, 130 Ctrl-C, 143 SIGTERM.",
)


@app.callback()
def _root(
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and exit.",
        callback=_version,
        is_eager=True,
        # Images of clusters set EYECLI_VERSION to say what they hold.
        allow_from_autoenv=False,
    ),
) -> None:
    """Hold the options of the root."""


def root_command() -> Any:
    """Return the command that dispatches to all others."""
    return typer.main.get_command(app)
