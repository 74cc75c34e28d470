"""``eyecli config``: the settings in force, and where each comes from."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from eyecli.cli.configuration import (
    ELSEWHERE,
    check_config,
    origin_of,
    require_own_manifest,
)
from eyecli.cli.contract import Result, Shell, command, group
from eyecli.errors import UsageError, suggest

app = group("Show every setting and where it comes from.")


@command(app, "show", makes=False)
def show(
    shell: Shell,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="A command, such as train gaze; all of them."),
    ] = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each comes from.")] = False,
) -> Result:
    """Print every setting with its value, as TOML that --config reads.

    With --origin: the environment variable, the file and its key, or default.
    """
    from eyecli.cli.tree import COMMANDS, root_command

    root = root_command()
    top = typer.Context(
        root, info_name="eyecli", auto_envvar_prefix="EYECLI", default_map=shell.config.values
    )
    require_own_manifest(shell.config, tuple(words or ()))
    names = [words[0]] if words else list(COMMANDS)
    shown: dict[str, dict[str, dict[str, Any]]] = {}
    lines: list[str] = []
    for name in names:
        if name not in COMMANDS:
            raise UsageError(f"no command '{name}'", suggest(name, COMMANDS))
        node = root.get_command(top, name)
        for line in check_config(shell.config, node, (name,), COMMANDS):
            logging.getLogger("eyecli").warning("%s", line)
        for context in _leaves(typer.Context(node, info_name=name, parent=top), (words or [])[1:]):
            settings = {p.name: _setting(context, p, shell) for p in _settings(context)}
            shown[" ".join(context.command_path.split()[1:])] = settings
            lines += ["", f"[{'.'.join(context.command_path.split()[1:])}]"]
            lines += _lines(settings, origin)
    return Result(lines[1:], shown)


def _leaves(context: Any, words: list[str]) -> Iterator[Any]:
    """Yield the contexts of the commands below one, or of the one that the words name."""
    children = getattr(context.command, "commands", {})
    if words and words[0] not in children:
        raise UsageError(f"no command '{words[0]}' in `{context.command_path}`",
                         suggest(words[0], children))  # fmt: skip
    if not children:
        yield context
    for name in words[:1] or children:
        yield from _leaves(typer.Context(children[name], info_name=name, parent=context), words[1:])


def _settings(context: Any) -> list[Any]:
    return [p for p in context.command.params if p.name not in ("help", *ELSEWHERE)]


def _setting(context: Any, parameter: Any, shell: Shell) -> dict[str, Any]:
    """Return the value that the command would get, converted, and its origin."""
    value, source = parameter.consume_value(context, {})
    origin = origin_of(context, parameter, source, shell.config)
    try:
        value = parameter.type_cast_value(context, value)
    except typer.BadParameter as error:
        raise UsageError(f"{origin}: {error.message}") from error
    if isinstance(value, Path):
        value = str(value)
    return {"value": list(value) if isinstance(value, tuple) else value, "origin": origin}


def _lines(settings: dict[str, dict[str, Any]], with_origin: bool) -> list[str]:
    """Return TOML; what has no value is a comment, since TOML has none either."""
    written = []
    for name, setting in settings.items():
        value, spelt = setting["value"], name.replace("_", "-")
        empty = value is None or value == []
        # Text, numbers, booleans and lists are spelt in JSON as in TOML.
        entry = f"# {spelt} =" if empty else f"{spelt} = {json.dumps(value, ensure_ascii=False)}"
        written.append((entry, setting["origin"]))
    width = max((len(entry) for entry, _ in written), default=0)
    return [f"{entry:<{width}}  # {origin}" if with_origin else entry for entry, origin in written]
