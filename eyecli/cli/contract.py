"""The shell contract, in one place: what every command takes, prints and exits with.

stdout carries the result only (a reference a line, or JSON with ``--json``); everything else, what
third-party code prints included, goes to stderr.
"""

from __future__ import annotations

import dataclasses
import errno
import inspect
import json
import logging
import os
import shutil
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from eyecli.cli.configuration import (
    Config,
    misspelt_variables,
    origin_of,
    require_own_manifest,
)
from eyecli.cli.logs import VARIABLE as LOG_VARIABLE
from eyecli.cli.logs import printable, report_end, report_error, report_unexpected, setup_logging
from eyecli.cli.signals import ASKED, INTERRUPTED, Terminated
from eyecli.cli.streams import only_results_on_stdout
from eyecli.errors import EyecliError, UsageError


@dataclass(frozen=True)
class Result:
    """What a command gives back.

    Attributes
    ----------
    lines
        Printed to stdout by default: one reference a line; those of an iterator as they come.
    document
        Printed to stdout with ``--json``.
    exit_code
        0, or 4 where a command that judges has published its report and says no.
    """

    lines: Iterable[str]
    document: Any
    exit_code: int = 0


@dataclass(frozen=True)
class Shell:
    """What all commands share: the workspace and the flags of the contract.

    `typed` has the names of the parameters that were given on the command line.
    """

    workspace: Path
    json: bool
    force: bool
    dry_run: bool
    config: Config = field(default_factory=Config)
    typed: frozenset[str] = frozenset()

    def open(self, *, create: bool = False) -> Path:
        """Return the workspace folder; made if need be only by the commands that begin a chain."""
        from eyecli.workspace.store import open_workspace

        return open_workspace(self.workspace, create=create)

    def say(self, line: str) -> None:
        """Tell a person something, on stderr."""
        logging.getLogger("eyecli").info(line)

    def say_input(self, asked: str | None, found: str) -> None:
        """Tell which artifact a default or an alias stood for."""
        if asked != found:
            self.say(f"{asked or 'latest'}: {found}")


def published(*outcomes: Any, exit_code: int = 0) -> Result:
    """Result of a stage: the references, and the manifests as JSON."""
    documents = [
        artifact_document(outcome.artifact) | {"cached": outcome.cached} for outcome in outcomes
    ]
    lines = [outcome.artifact.ref for outcome in outcomes]
    return Result(lines, documents[0] if len(documents) == 1 else documents, exit_code)


def artifact_document(artifact: Any) -> dict[str, Any]:
    """Return an artifact's manifest with its reference and path, ready for JSON."""
    import msgspec

    manifest = msgspec.to_builtins(artifact.manifest)
    return {"ref": artifact.ref, "path": str(artifact.path), **manifest}


COMMON: dict[str, tuple[Any, Any]] = {
    "workspace": (
        Annotated[Path, typer.Option(help="Folder of the artifacts.", envvar="EYECLI_WORKSPACE")],
        Path("eyecli-workspace"),
    ),
    "json": (
        Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")],
        False,
    ),
    "quiet": (
        Annotated[
            bool, typer.Option("--quiet", "-q", help="Warnings only.", envvar="EYECLI_QUIET")
        ],
        False,
    ),
    "verbose": (
        Annotated[bool, typer.Option("--verbose", "-v", help="Say more.", envvar="EYECLI_VERBOSE")],
        False,
    ),
    "debug": (
        Annotated[
            bool,
            typer.Option("--debug", help="Traceback on failure.", envvar="EYECLI_DEBUG"),
        ],
        False,
    ),
    "config": (
        Annotated[
            Path | None,
            typer.Option(
                help="Defaults of flags: a .toml like eyecli.toml, or an artifact's manifest.json.",
                envvar="EYECLI_CONFIG",
            ),
        ],
        None,
    ),
    "log_format": (
        Annotated[
            Literal["text", "json"],
            typer.Option(help="stderr as text, or as JSON, a line an event.", envvar=LOG_VARIABLE),
        ],
        "text",
    ),
}
RESULT_AS_JSON = (
    Annotated[bool, typer.Option("--json", help="Print the result as JSON.")],
    False,
)
# It is told of which command it shows the settings.
CONFIG_SHOW = ("config", "show")
MAKING: dict[str, tuple[Any, Any]] = {
    "force": (
        Annotated[bool, typer.Option("--force", help="Do it again even if it is there.")],
        False,
    ),
    "dry_run": (
        Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")],
        False,
    ),
}


def group(help: str) -> typer.Typer:
    """Return an app for a group of commands; it stays a group even with one command."""
    app = typer.Typer(add_completion=False, help=help)
    app.callback(help=help)(lambda: None)
    return app


class StrictCommand(TyperCommand):
    """A command that takes no empty argument: in a script it is a variable that is not set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse what is empty as it was typed: no type tells an empty path from the dot."""
        if not ctx.resilient_parsing:
            typed, _, _ = self.make_parser(ctx).parse_args(list(args))
            for parameter in self.params:
                value = typed.get(str(parameter.name))
                if value == "" or (isinstance(value, (list, tuple)) and "" in value):
                    name = (
                        parameter.opts[0]
                        if parameter.param_type_name == "option"
                        else (parameter.human_readable_name)
                    )
                    raise UsageError(
                        f"{name}: an empty argument", "give it a value, or leave it out"
                    )
        rest: list[str] = super().parse_args(ctx, args)
        return rest


def command(
    app: typer.Typer,
    name: str,
    *,
    makes: bool = True,
    changes: bool = False,
    settings: Sequence[type] = (),
    help: str | None = None,
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register a function as a command under the contract.

    Parameters
    ----------
    app, name
        Where it goes.
    makes
        Whether it writes artifacts: adds ``--force`` and ``--dry-run``.
    changes
        Whether it changes the workspace in another way: adds ``--dry-run`` alone.
    settings
        Dataclasses whose fields become flags (see `setting`); the function gets an instance of
        each, in this order, after the `Shell`.
    help
        Help text, the function's docstring by default.
    """

    def register(function: Callable[..., Result]) -> Callable[..., Result]:
        hints = typing.get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[1 + len(settings) :]
        parameters = [p.replace(annotation=hints[p.name]) for p in own]
        making = MAKING if makes else {"dry_run": MAKING["dry_run"]} if changes else {}
        common = COMMON if makes else COMMON | {"json": RESULT_AS_JSON}
        for source in (_flags(settings), making, common):
            parameters += [
                inspect.Parameter(
                    key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
                )
                for key, (annotation, default) in source.items()
            ]
        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

        def call(**values: Any) -> None:
            context = values.pop("ctx")
            raise typer.Exit(_run(function, settings, values, context))

        signature = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [context, *parameters]]
        call.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in signature}
        text = help or inspect.cleandoc(function.__doc__ or "")
        app.command(
            name, cls=StrictCommand, help=text, short_help=text.splitlines()[0] if text else None
        )(call)
        return function

    return register


def _flags(settings: Sequence[type]) -> dict[str, tuple[Any, Any]]:
    flags = {}
    for cls in settings:
        hints = typing.get_type_hints(cls)
        for entry in dataclasses.fields(cls):
            names = entry.metadata.get("names", ())
            option = typer.Option(
                *names, help=entry.metadata["help"], show_default=entry.metadata["shown"] or True
            )
            flags[entry.name] = (Annotated[hints[entry.name], option], entry.default)
    return flags


def _run(
    function: Callable[..., Result],
    settings: Sequence[type],
    values: dict[str, Any],
    context: Any,
) -> int:
    setup_logging(values.pop("quiet"), values.pop("verbose"), values.pop("log_format"))
    debug = values.pop("debug")
    values.pop("config")
    config = (context.find_root().obj or {}).get("config", Config())
    shell = Shell(
        workspace=values.pop("workspace"),
        json=values.pop("json"),
        force=values.pop("force", False),
        dry_run=values.pop("dry_run", False),
        config=config,
        typed=frozenset(
            parameter.name
            for parameter in context.command.params
            if context.get_parameter_source(parameter.name).name == "COMMANDLINE"
        ),
    )
    try:
        say_what_is_not_used(context, config)
        built = [
            cls(**{entry.name: values.pop(entry.name) for entry in dataclasses.fields(cls)})
            for cls in settings
        ]
        for value in (shell.workspace, *values.values()):
            require_utf8(value)
        with only_results_on_stdout() as stdout:
            result = function(shell, *built, **values)
            try:
                write_result(stdout, result, shell.json)
            except BrokenPipeError:
                raise
            except OSError as error:
                # What was published is published.
                raise EyecliError(
                    f"the result could not be written to stdout: {error.strerror}",
                    "run the same command again: what is done is found",
                ) from error
    except KeyboardInterrupt:
        return report_end("interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise
    except UsageError as error:
        return report_error(with_origin(error, context, config), shell.json)
    except EyecliError as error:
        return report_error(error, shell.json)
    except Exception as error:
        if ASKED:
            # A library made another error of it.
            raise Terminated from error
        if disk_is_full(error, shell.workspace):
            full = EyecliError(
                f"{shell.workspace}: the disk is full; nothing was published",
                "free some space and run the same command again",
            )
            return report_error(full, shell.json)
        return report_unexpected(error, shell.json, debug)
    return result.exit_code


def say_what_is_not_used(context: Any, config: Config) -> None:
    """Warn of misspelt variables; refuse a manifest that another command made."""
    log = logging.getLogger("eyecli")
    if context.parent:
        commands = context.find_root().command.commands
        for line in misspelt_variables(context, os.environ, commands):
            log.warning("%s", line)
    words = tuple(context.command_path.split()[1:])
    if words != CONFIG_SHOW:
        require_own_manifest(config, words)
        for line in config.notes:
            log.info("%s", line)


def with_origin(error: UsageError, context: Any, config: Config) -> UsageError:
    """Name the variable or file that a refused value comes from, where the message has its flag."""
    said = set(error.message.replace(":", " ").split())
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        if said & set(parameter.opts) and source and source.name in ("ENVIRONMENT", "DEFAULT_MAP"):
            origin = origin_of(context, parameter, source, config)
            return UsageError(f"{origin}: {error.message}", error.hint)
    return error


def require_utf8(value: object) -> None:
    """Refuse paths and names that are not UTF-8: manifests could not hold them.

    Raises
    ------
    UsageError
        With the name, escaped.
    """
    if isinstance(value, (str, Path)):
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise UsageError(f"{printable(str(value))} is not UTF-8", "rename it") from None


def disk_is_full(error: Exception, workspace: Path) -> bool:
    """Say whether an error came from a full disk, or the workspace's has not a megabyte left."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if os.strerror(errno.ENOSPC) in str(error):
        # As HDF5 says it.
        return True
    folder = workspace.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free < 2**20


def write_result(stdout: int, result: Result, as_json: bool) -> None:
    """Write lines, each as soon as it is there, or the document as JSON."""
    with os.fdopen(os.dup(stdout), "w", 1, encoding="utf-8", errors="surrogateescape") as stream:
        if as_json:
            text = json.dumps(result.document, indent=2, ensure_ascii=False, default=str)
            stream.write(text + "\n")
            return
        for line in result.lines:
            stream.write(f"{line}\n")
