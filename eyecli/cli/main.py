"""Entry point: one place for exit codes, error lines and configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
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

from eyecli.cli.configuration import VARIABLE, Config, load_config, origin_of, take_option
from eyecli.cli.logs import VARIABLE as LOG_VARIABLE
from eyecli.cli.logs import report_end, report_error, report_unexpected, setup_logging
from eyecli.cli.signals import (
    INTERRUPTED,
    TERMINATED,
    Terminated,
    end_cleanly_on_sigterm,
    let_sigterm_be,
)
from eyecli.cli.tree import root_command
from eyecli.errors import EyecliError, RetryError, UsageError

ClickError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the contract's exit code."""
    if argv is None and sys.getfilesystemencoding() != "utf-8":
        # In the locale C, where somebody turned Python's UTF-8 mode off, names would be garbled.
        os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])
    end_cleanly_on_sigterm()
    for name in [n for n in os.environ if n.startswith("EYECLI_") and n.endswith("_HELP")]:
        # Every flag has its variable; for help it would turn each command into a no-op.
        del os.environ[name]
    arguments = list(sys.argv[1:] if argv is None else argv)
    code = run(arguments)
    let_sigterm_be()
    if code in (INTERRUPTED, TERMINATED, RetryError.exit_code):
        # Everything is cleaned up; TensorFlow's threads would only trip over the interpreter's end.
        leave(code)
    sys.exit(code)


def leave(code: int) -> None:
    """End the process at once, with nothing left in a buffer."""
    sys.stdout.flush()
    sys.stderr.flush()
    if "eyecli.cli.ndjson" in sys.modules:
        sys.modules["eyecli.cli.ndjson"].finish()
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; never raises for an expected failure."""
    as_json, config = "--json" in arguments, Config()
    try:
        _, log_format = take_option(arguments, "--log-format")
        setup_logging(False, False, log_format or os.environ.get(LOG_VARIABLE) or "text")
        _, workspace = take_option(arguments, "--workspace")
        arguments, file = take_option(arguments, "--config")
        if file == "":
            raise UsageError("--config: an empty argument", "give it a value, or leave it out")
        config = load_config(
            workspace or os.environ.get("EYECLI_WORKSPACE"), file or os.environ.get(VARIABLE)
        )
        code = root_command().main(
            arguments or ["--help"],
            prog_name="eyecli",
            standalone_mode=False,
            auto_envvar_prefix="EYECLI",
            default_map=config.values,
            obj={"config": config},
        )
        return code if isinstance(code, int) else 0
    except ClickError as error:
        return report_error(usage_error(error, config), as_json)
    except EyecliError as error:
        return report_error(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return report_end("interrupted", INTERRUPTED)
    except Terminated:
        let_sigterm_be()
        return report_end("terminated", TERMINATED)
    except BrokenPipeError:
        # The reader has gone (`eyecli ... | head`); nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        return report_unexpected(error, as_json, debug="--debug" in arguments)


def usage_error(error: Any, config: Config) -> UsageError:
    """Say a library's usage error in our words, with the variable or file of a bad value."""
    context = getattr(error, "ctx", None)
    message = error.format_message() or "arguments are missing"
    parameter = getattr(error, "param", None)
    source = context.get_parameter_source(parameter.name) if context and parameter else None
    if source and source.name in ("ENVIRONMENT", "DEFAULT_MAP"):
        message = f"{origin_of(context, parameter, source, config)}: {error.message}"
    path = context.command_path if context else "eyecli"
    return UsageError(message, f"see `{path} --help`")


if __name__ == "__main__":
    main()
