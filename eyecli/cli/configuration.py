"""Defaults of flags: eyecli.toml of the workspace, ``--config FILE``, an artifact's manifest.

A flag on the command line wins, then the environment, then ``--config``, then eyecli.toml.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyecli.errors import DataError, EyecliError, UsageError, suggest

if TYPE_CHECKING:
    from eyecli.workspace.lineage import Find
    from eyecli.workspace.manifest import Input, Manifest

FILE = "eyecli.toml"
VARIABLE = "EYECLI_CONFIG"
# They say which files are read, so none of the files can say them.
ELSEWHERE = {"workspace": "EYECLI_WORKSPACE", "config": VARIABLE}
# Commands whose second word is the task of the artifact they make.
BY_TASK = ("preprocess", "train")
# Variables of images and wrappers that are no flags.
NO_FLAGS = {"EYECLI_VERSION"}
# What a value in a file must be, by the type of the flag; text is converted as on the command line.
NEEDS: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
}
TEXT: tuple[tuple[type, ...], str] = ((), "text in quotes")
NO_SPLIT = (
    "how it was split is not in it, but in the manifest of its split: name that, which is of the "
    "same data, or say --split"
)
# Role of the inputs of which there may be several, numbered, and the argument, by the kind.
SEVERAL = {"prepared": ("source", "sources"), "comparison": ("model", "model")}
NUMBERED = re.compile(r"-\d+$")
# Parameters of a manifest that are spelt otherwise as a flag, by the kind; labels are no flag.
SPELT: dict[str, dict[str, str | None]] = {
    "fold": {"partition": "fold"},
    "prepared": {"sources": None},
}

# Tables in tables: no command has so many words.
DEEPEST = 9
# Warnings about settings that a manifest knew and a command does not.
MOST_NAMED = 5

# The words of a command and the name of one of its settings, as Python spells it.
Key = tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where a setting stands.

    Attributes
    ----------
    file
        The file.
    place
        The key in it, as it is spelt there.
    part
        ``config``; or of a manifest: ``params``, whose names may have changed since, or
        ``inputs``, of which the command takes those that it has a name for.
    """

    file: str
    place: str
    part: str = "config"

    def __str__(self) -> str:
        return f"{self.file}: {self.place}"


@dataclass(frozen=True)
class Config:
    """The settings of all files, merged: nested as the commands are, and where each stands.

    The notes are what there is to say of a manifest to who uses it.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Key, Origin] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def origin(self, key: Key) -> Origin:
        """Return where a setting, or any part of a table, stands."""
        return self.origins[key]

    @property
    def manifest(self) -> tuple[Key, Origin] | None:
        """The command of the manifest among the files, and its origin."""
        found = ((k, o) for k, o in self.origins.items() if o.place == "stage")
        return max(found, key=lambda item: len(item[0]), default=None)


def take_option(arguments: Sequence[str], name: str) -> tuple[list[str], str | None]:
    """Return the arguments without an option that may stand anywhere, and its last value."""
    rest: list[str] = []
    value, words = None, iter(arguments)
    for word in words:
        if word == "--":
            return [*rest, word, *words], value
        if word.startswith(f"{name}="):
            value = word.partition("=")[2]
        elif word == name:
            following = next(words, None)
            if following is None:
                return [*rest, word], value
            value = following
        else:
            rest.append(word)
    return rest, value


def load_config(workspace: str | None, file: str | None) -> Config:
    """Read and merge the files that apply.

    Parameters
    ----------
    workspace
        The workspace's folder; its ``eyecli.toml`` need not exist.
    file
        What ``--config`` names, which must.

    Raises
    ------
    UsageError
        If a file cannot be read as what it is; the line is named.
    """
    config = Config()
    own = Path(workspace or "eyecli-workspace", FILE)
    if own.is_file():
        _merge(config, _read_toml(own))
    if file:
        named = Path(file)
        if (named / "manifest.json").is_file():
            named = named / "manifest.json"
        if not named.is_file():
            raise UsageError(f"--config {file}: no such file", "name a .toml or a manifest.json")
        if named.suffix != ".json":
            _merge(config, _read_toml(named))
        else:
            manifest = _open_manifest(named)
            root = Path(workspace or "eyecli-workspace").absolute()
            _merge(config, _read_manifest(named, manifest, root))
            if manifest.stage == "preprocess" and manifest.kind == "prepared":
                config.notes.append(f"{file}: {NO_SPLIT}")
    return config


def _merge(config: Config, settings: Iterable[tuple[Key, Any, Origin]]) -> None:
    for key, value, origin in settings:
        table = config.values
        for word in key[:-1]:
            table = table[word]
        if not (isinstance(value, dict) and isinstance(table.get(key[-1]), dict)):
            table[key[-1]] = value
        config.origins[key] = origin


def _read_toml(path: Path) -> Iterator[tuple[Key, Any, Origin]]:
    """Yield every table and setting: a table a command, ``[train.gaze]``, keys like the flags."""
    import tomllib

    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply", "write one table a command") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    for key, value in config.items():
        if not isinstance(value, dict):
            raise UsageError(
                f"{path}: '{key}' stands outside a table", "begin with a command: [train.gaze]"
            )
    yield from _flatten(config, (), path)


def _flatten(table: dict[str, Any], words: Key, path: Path) -> Iterator[tuple[Key, Any, Origin]]:
    spelt: dict[str, str] = {}
    for name, value in table.items():
        first = spelt.setdefault(name.replace("-", "_"), name)
        if first != name:
            raise UsageError(
                f"{path}: [{'.'.join(words)}] {first} and {name} are the same setting", "keep one"
            )
        if isinstance(value, dict):
            yield (*words, name), {}, Origin(str(path), f"[{'.'.join((*words, name))}]")
            if len(words) > DEEPEST:
                raise UsageError(f"{path}: nested too deeply", "write one table a command")
            yield from _flatten(value, (*words, name), path)
        else:
            origin = Origin(str(path), f"[{'.'.join(words)}] {name}")
            yield (*words, name.replace("-", "_")), value, origin


def _open_manifest(path: Path) -> Manifest:
    import msgspec

    from eyecli.workspace.manifest import DAMAGED, Manifest

    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except DAMAGED as error:
        raise UsageError(f"{path}: no manifest of an artifact: {error}") from error


def _read_manifest(path: Path, manifest: Manifest, root: Path) -> Iterator[tuple[Key, Any, Origin]]:
    """Yield the settings that an artifact was made with, and the inputs, by their roles.

    Of a split those of its data come first: one command makes both.
    """
    from eyecli.workspace.lineage import finder

    find = finder(root)
    if manifest.stage == "preprocess" and manifest.kind == "split":
        entry = next(entry for entry in manifest.inputs if entry.role == "prepared")
        prepared = find(entry)
        if prepared is None:
            raise DataError(
                f"{path}: {entry.ref}, of which it is the split, is not in {root}",
                "name its workspace with --workspace",
            )
        yield from _read_manifest(prepared.path / "manifest.json", prepared.manifest, root)
    words = tuple(manifest.stage.split())
    if not words:
        raise UsageError(f"{path}: 'stage' is empty: no command made it")
    if words[0] in BY_TASK:
        words = (words[0], manifest.task)
    for end in range(1, len(words) + 1):
        yield words[:end], {}, Origin(str(path), "stage")
    role, setting = SEVERAL.get(manifest.kind, ("", ""))
    several: list[str] = []
    for entry in manifest.inputs:
        origin = Origin(str(path), f"inputs.{entry.role}", "inputs")
        if role and NUMBERED.sub("", entry.role) == role:
            several.append(_input(root, find, entry))
            yield (*words, setting), several, replace(origin, place=f"inputs.{role}")
        else:
            yield (*words, entry.role), _input(root, find, entry), origin
    spelt = SPELT.get(manifest.kind, {})
    for name, value in manifest.params.items():
        flag = spelt.get(name, name)
        if value is not None and flag:
            yield (*words, flag), value, Origin(str(path), f"params.{name}", "params")


def _input(root: Path, find: Find, entry: Input) -> str:
    """Return what names an input: its digest where the reference has become something else's."""
    from eyecli.workspace.references import resolve

    found = find(entry)
    if found:
        return found.ref
    try:
        resolve(root, entry.ref)
    except EyecliError:
        return entry.ref
    return entry.digest


def check_config(config: Config, command: Any, words: Key, commands: Iterable[str]) -> list[str]:
    """Check all that the files say of a command, and of the commands below it.

    Parameters
    ----------
    config
        The files.
    command, words
        The command, and what it is called with.
    commands
        The first words that there are.

    Returns
    -------
    list of str
        What a manifest knew and the command no longer does, a line each.

    Raises
    ------
    UsageError
        Naming file and key of what the command does not know, or cannot take.
    """
    for name in config.values:
        if name not in commands:
            raise _unknown(config, (name,), "eyecli", commands)
    lines = list(_check_table(config, command, words))
    more = len(lines) - MOST_NAMED
    return [*lines[:MOST_NAMED], f"and {more} more settings left out"] if more > 0 else lines


def _check_table(config: Config, command: Any, words: Key) -> Iterator[str]:
    table: Any = config.values
    for word in words:
        table = table.get(word, {})
    children = getattr(command, "commands", None)
    known = children or {parameter.name: parameter for parameter in command.params}
    path = " ".join(("eyecli", *words))
    for name, value in table.items():
        key = (*words, name)
        origin = config.origin(key)
        if name in ELSEWHERE and not children:
            raise UsageError(f"{origin} cannot be set in a file", f"set {ELSEWHERE[name]}")
        if name not in known:
            if origin.part == "config":
                raise _unknown(config, key, path, set(known) - {"help", *ELSEWHERE})
            if origin.part == "params":
                yield f"{origin}: `{path}` has no such setting any more; left out"
        elif children and not isinstance(value, dict):
            raise UsageError(f"{origin} is no table", f"write [{'.'.join(key)}]")
        elif children:
            yield from _check_table(config, children[name], key)
        else:
            _check_type(known[name], value, origin)
            if isinstance(value, str) and _takes_several(known[name]):
                table[name] = [value]


def _unknown(config: Config, key: Key, path: str, known: Iterable[str]) -> UsageError:
    origin = config.origin(key)
    if origin.part == "params" or origin.place == "stage":
        return UsageError(f"{origin.file}: no command takes the settings of `{' '.join(key)}`")
    spelt = origin.place.split()[-1].strip("[]").rpartition(".")[2]
    return UsageError(f"{origin}: `{path}` has no setting '{spelt}'", suggest(spelt, known))


def _takes_several(parameter: Any) -> bool:
    return getattr(parameter, "multiple", False) or parameter.nargs != 1


def _check_type(parameter: Any, value: Any, origin: Origin) -> None:
    several = _takes_several(parameter)
    kinds, words = NEEDS.get(parameter.type.name.removesuffix(" range"), TEXT)
    for item in value if several and isinstance(value, list) else [value]:
        fits = isinstance(item, kinds) and (isinstance(item, bool) == (kinds == (bool,)))
        if not fits and not isinstance(item, str):
            tables: dict[type, str] = {dict: "a table", list: "a list"}
            kind = tables.get(type(item), str(item).lower())
            raise UsageError(f"{origin} is {kind}, {words} is needed")


def require_own_manifest(config: Config, words: Key) -> None:
    """Refuse a manifest of another command: its settings would count for nothing.

    Raises
    ------
    UsageError
        Naming the command that made the artifact. A group may be meant by `words`, or all.
    """
    if config.manifest is None or config.manifest[0][: len(words)] == words:
        return
    made_by, origin = config.manifest
    raise UsageError(
        f"--config {origin.file}: made by `eyecli {' '.join(made_by)}`, not by "
        f"`eyecli {' '.join(words)}`",
        f"use it with `eyecli {' '.join(made_by)}`; here name the manifest of what this command "
        "made, or none",
    )


def variables(context: Any, parameter: Any) -> list[str]:
    """Return the environment variables of a setting, the first counts."""
    own = parameter.envvar or []
    names = [own] if isinstance(own, str) else list(own)
    if parameter.param_type_name == "option" and parameter.allow_from_autoenv:
        names.append(f"{context.auto_envvar_prefix}_{parameter.name.upper()}")
    return names


def origin_of(context: Any, parameter: Any, source: Any, config: Config) -> str:
    """Say where a value comes from: the flag, a variable, a file and its key, or the default."""
    kind = source.name if source else "DEFAULT"
    if kind == "ENVIRONMENT":
        return next(name for name in variables(context, parameter) if os.environ.get(name))
    if kind == "DEFAULT_MAP":
        return str(config.origin((*context.command_path.split()[1:], parameter.name)))
    return parameter.opts[0] if kind == "COMMANDLINE" else "default"


def misspelt_variables(
    context: Any, environment: Mapping[str, str], commands: Iterable[str]
) -> Iterator[str]:
    """Yield a line for every EYECLI_* variable that is no flag of this command, nor of another's.

    Names of other commands are known by their first words only: to know them whole would mean to
    import them all.
    """
    found = sorted(n for n in environment if n.startswith("EYECLI_") and n not in NO_FLAGS)
    known = {name for p in context.command.params for name in variables(context, p)}
    others = {*commands} - {context.command_path.split()[1]}
    siblings = {*getattr(context.parent.command, "commands", {})} - {context.info_name}
    prefixes = [f"EYECLI_{word}_" for word in others] + [
        f"{context.parent.auto_envvar_prefix}_{word}_" for word in siblings if context.parent.parent
    ]
    elsewhere = tuple(prefix.upper().replace("-", "_") for prefix in prefixes)
    for name in found:
        if name not in known and not name.startswith(elsewhere):
            # The names of a command begin alike, so near means nearer than for other words.
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.9)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield f"{name} is no setting of `{context.command_path}`{hint}"
