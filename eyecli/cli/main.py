"""Entry point: one place for exit codes, error lines and configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eyecli.cli.streams import open_standard_streams

if None in (sys.stdin, sys.stdout, sys.stderr):
    open_standard_streams()
if not (sys.stdout.isatty() and sys.stderr.isatty()):
    # Boxes are for terminals; without them help is plain text and twice as fast.
    os.environ.setdefault("TYPER_USE_RICH", "0")

# A broken image is reported in our words, with its row.
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

import typer

from eyecli.cli.contract import report_error, report_interrupt, report_unexpected
from eyecli.cli.tree import root_command
from eyecli.errors import EyecliError, RetryError, UsageError

INTERRUPTED = 130
ClickError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the contract's exit code."""
    for name in [n for n in os.environ if n.startswith("EYECLI_") and n.endswith("_HELP")]:
        # Every flag has its variable; for help it would turn each command into a no-op.
        del os.environ[name]
    arguments = list(sys.argv[1:] if argv is None else argv)
    code = run(arguments)
    if code in (INTERRUPTED, RetryError.exit_code):
        # Everything is cleaned up; TensorFlow's threads would only trip over the interpreter's end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; never raises for an expected failure."""
    as_json = "--json" in arguments
    try:
        code = root_command().main(
            arguments or ["--help"],
            prog_name="eyecli",
            standalone_mode=False,
            auto_envvar_prefix="EYECLI",
            default_map=read_config(config_path(arguments)),
        )
        return code if isinstance(code, int) else 0
    except ClickError as error:
        path = error.ctx.command_path if getattr(error, "ctx", None) else "eyecli"
        message = error.format_message() or "arguments are missing"
        return report_error(UsageError(message, f"see `{path} --help`"), as_json)
    except EyecliError as error:
        return report_error(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return report_interrupt()
    except BrokenPipeError:
        # The reader has gone (`eyecli ... | head`); nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        return report_unexpected(error, as_json, debug="--debug" in arguments)


def config_path(arguments: Sequence[str]) -> Path:
    """Return the ``eyecli.toml`` of the workspace that the arguments or the environment name."""
    folder = os.environ.get("EYECLI_WORKSPACE") or "eyecli-workspace"
    for position, argument in enumerate(arguments):
        if argument == "--workspace" and position + 1 < len(arguments):
            folder = arguments[position + 1]
        elif argument.startswith("--workspace="):
            folder = argument.partition("=")[2]
    return Path(folder) / "eyecli.toml"


def read_config(path: Path) -> dict[str, Any]:
    """Read defaults of flags: a table a command, ``[train.gaze]``, keys spelt like the flags.

    Raises
    ------
    UsageError
        If the file is no TOML (the line is named), or a setting is outside a command's table.
    """
    if not path.is_file():
        return {}
    import tomllib

    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    for key, value in config.items():
        if not isinstance(value, dict):
            raise UsageError(
                f"{path}: '{key}' stands outside a table", "begin with a command: [train.gaze]"
            )
        for name in _lists(value):
            raise UsageError(f"{path}: '{name}' is a list", "settings are single values")
    return _underscored(config)


def _lists(table: dict[str, Any]) -> Iterator[str]:
    """Yield the names of settings that are lists, in nested tables too."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _lists(value)
        elif isinstance(value, list):
            yield key


def _underscored(table: dict[str, Any]) -> dict[str, Any]:
    """Spell the keys of options as Python does; names of commands keep their dashes."""
    return {
        key if isinstance(value, dict) else key.replace("-", "_"): (
            _underscored(value) if isinstance(value, dict) else value
        )
        for key, value in table.items()
    }


if __name__ == "__main__":
    main()
