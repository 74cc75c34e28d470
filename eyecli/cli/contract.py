"""The shell contract, in one place: what every command takes, prints and exits with.

stdout carries the result only (a reference a line, or JSON with ``--json``); everything else, what
third-party code prints included, goes to stderr.
"""

from __future__ import annotations

import ctypes
import dataclasses
import inspect
import json
import logging
import os
import shutil
import sys
import traceback
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from eyecli.errors import EyecliError, UsageError, suggest

HINT_INDENT = "  "


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
    """What all commands share: the workspace and the flags of the contract."""

    workspace: Path
    json: bool
    force: bool
    dry_run: bool

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
}
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


def command(
    app: typer.Typer,
    name: str,
    *,
    makes: bool = True,
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
        for source in (_flags(settings), MAKING if makes else {}, COMMON):
            parameters += [
                inspect.Parameter(
                    key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
                )
                for key, (annotation, default) in source.items()
            ]
        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

        def call(**values: Any) -> None:
            _check_config(values.pop("ctx"))
            raise typer.Exit(_run(function, settings, values))

        signature = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [context, *parameters]]
        call.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in signature}
        text = help or inspect.cleandoc(function.__doc__ or "")
        app.command(name, help=text, short_help=text.splitlines()[0] if text else None)(call)
        return function

    return register


def _flags(settings: Sequence[type]) -> dict[str, tuple[Any, Any]]:
    flags = {}
    for cls in settings:
        hints = typing.get_type_hints(cls)
        for entry in dataclasses.fields(cls):
            names = entry.metadata.get("names", ())
            option = typer.Option(*names, help=entry.metadata["help"])
            flags[entry.name] = (Annotated[hints[entry.name], option], entry.default)
    return flags


def _check_config(context: Any) -> None:
    """Refuse keys of eyecli.toml that the command, or a group above it, does not know."""
    while context:
        tables = set(getattr(context.command, "list_commands", lambda _: [])(context))
        known = tables or {parameter.name for parameter in context.command.params} - {"help"}
        for key in context.default_map or {}:
            if key not in known:
                raise UsageError(
                    f"eyecli.toml: `{context.command_path}` has no setting '{key}'",
                    suggest(key, known),
                )
        context = context.parent


def _run(function: Callable[..., Result], settings: Sequence[type], values: dict[str, Any]) -> int:
    setup_logging(values.pop("quiet"), values.pop("verbose"))
    debug = values.pop("debug")
    shell = Shell(
        workspace=values.pop("workspace"),
        json=values.pop("json"),
        force=values.pop("force", False),
        dry_run=values.pop("dry_run", False),
    )
    built = [
        cls(**{entry.name: values.pop(entry.name) for entry in dataclasses.fields(cls)})
        for cls in settings
    ]
    try:
        for value in (shell.workspace, *values.values()):
            require_utf8(value)
        with only_results_on_stdout() as stdout:
            result = function(shell, *built, **values)
            write_result(stdout, result, shell.json)
    except KeyboardInterrupt:
        return report_interrupt()
    except EyecliError as error:
        return report_error(error, shell.json)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        if disk_is_full(shell.workspace):
            return report_error(
                EyecliError(
                    f"{shell.workspace}: the disk is full; nothing was published",
                    "free some space and run the same command again",
                ),
                shell.json,
            )
        return report_unexpected(error, shell.json, debug)
    except Exception as error:
        return report_unexpected(error, shell.json, debug)
    return result.exit_code


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


def disk_is_full(workspace: Path) -> bool:
    """Say whether the file system of the workspace has less than a megabyte left."""
    folder = workspace.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free < 2**20


def printable(text: str) -> str:
    """Escape what would move the cursor, change colours or start another line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@contextmanager
def only_results_on_stdout() -> Iterator[int]:
    """Send file descriptor 1 to stderr; yield a descriptor that is the real stdout.

    Third-party code prints to stdout from Python and from C alike, so this is done below both.
    """
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield stdout
    finally:
        sys.stdout.flush()
        # What C code has printed is still in its own buffer.
        ctypes.CDLL(None).fflush(None)
        os.dup2(stdout, 1)
        os.close(stdout)


def write_result(stdout: int, result: Result, as_json: bool) -> None:
    """Write lines, each as soon as it is there, or the document as JSON."""
    with os.fdopen(os.dup(stdout), "w", 1, encoding="utf-8", errors="surrogateescape") as stream:
        if as_json:
            text = json.dumps(result.document, indent=2, ensure_ascii=False, default=str)
            stream.write(text + "\n")
            return
        for line in result.lines:
            stream.write(f"{line}\n")


def report_error(error: EyecliError, as_json: bool) -> int:
    """Print one or two lines on stderr, the envelope on stdout with ``--json``."""
    lines = [f"error: {printable(error.message)}"]
    if error.hint:
        lines.append(f"{HINT_INDENT}{printable(error.hint)}")
    sys.stderr.write("\n".join(lines) + "\n")
    if as_json:
        envelope = {
            "ok": False,
            "error": {
                "kind": error.kind,
                "exit_code": error.exit_code,
                "message": error.message,
                "hint": error.hint,
            },
        }
        # Whatever stdout's encoding; and if it is full, the exit code still tells.
        with suppress(OSError), os.fdopen(os.dup(1), "w", encoding="utf-8",
                                          errors="surrogateescape") as stream:  # fmt: skip
            stream.write(json.dumps(envelope, indent=2, ensure_ascii=False) + "\n")
    return error.exit_code


def report_interrupt() -> int:
    """Say that Ctrl-C was heard."""
    sys.stderr.write("interrupted\n")
    return 130


def report_unexpected(error: Exception, as_json: bool, debug: bool) -> int:
    """Turn what nobody foresaw into the same two lines; the traceback only with ``--debug``."""
    if debug:
        traceback.print_exc()
    if isinstance(error, OSError) and error.filename is not None:
        known = EyecliError(
            f"{error.filename}: {error.strerror}",
            "check the path and its permissions, or name another --workspace",
        )
    elif isinstance(error, OSError):
        known = EyecliError(error.strerror or str(error))
    else:
        known = EyecliError(
            f"unexpected {type(error).__name__}: {error}".splitlines()[0],
            "run it again with --debug for the traceback, and please report it",
        )
    return report_error(known, as_json)


class Lines(logging.Formatter):
    """One event, one line, whatever ids and file names are in it."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        return printable(super().format(record))


def setup_logging(quiet: bool, verbose: bool) -> None:
    """Log to stderr: plain lines on a terminal, with timestamps in batch jobs."""
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    stamp = "" if sys.stderr.isatty() else "%(asctime)s "
    handler.setFormatter(Lines(f"{stamp}%(message)s", "%Y-%m-%dT%H:%M:%S"))
    logger = logging.getLogger("eyecli")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
