"""The table of commands agrees with the commands; every flag has help and a variable."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from eyecli.cli.tree import COMMANDS, root_command

CONTRACT = {"workspace", "json", "quiet", "verbose", "debug"}


def leaves() -> Iterator[Any]:
    """Contexts of all commands that do something."""
    root = root_command()
    top = typer.Context(root, info_name="eyecli", auto_envvar_prefix="EYECLI")
    for name in COMMANDS:
        command = root.get_command(top, name)
        below = typer.Context(command, info_name=name, parent=top)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield below
        for child_name, child in (inner or {}).items():
            yield typer.Context(child, info_name=child_name, parent=below)


LEAVES = list(leaves())
OPTIONS = [
    (context, parameter)
    for context in LEAVES
    for parameter in context.command.params
    if parameter.param_type_name == "option" and parameter.name != "help"
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_there(name: str) -> None:
    module, text, panel = COMMANDS[name]
    assert isinstance(importlib.import_module(module).app, typer.Typer)
    assert text.endswith(".") and "\n" not in text and panel


@pytest.mark.parametrize("context", LEAVES, ids=lambda c: c.command_path)
def test_every_command_says_what_it_does_and_keeps_the_contract(context: Any) -> None:
    first = context.command.help.splitlines()[0]
    assert 10 < len(first) < 110
    names = {parameter.name for parameter in context.command.params}
    assert names >= CONTRACT
    assert "dry_run" in names or "force" not in names
    for parameter in context.command.params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize(
    ("context", "option"), OPTIONS, ids=lambda v: getattr(v, "command_path", None) or v.name
)
def test_every_flag_has_a_variable_and_a_key_of_its_name(
    monkeypatch: pytest.MonkeyPatch, context: Any, option: Any
) -> None:
    assert "--" + option.name.replace("_", "-") in option.opts
    words = [*context.command_path.split()[1:], option.name]
    variable = option.envvar or "EYECLI_" + "_".join(words).upper().replace("-", "_")
    monkeypatch.setenv(variable, "17")
    assert option.resolve_envvar_value(context) == "17"
