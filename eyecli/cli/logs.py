"""What a command says on stderr: lines for people, or JSON with ``--log-format json``."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from contextlib import suppress

from eyecli.errors import EyecliError

HINT_INDENT = "  "
FORMATS = ("text", "json")
VARIABLE = "EYECLI_LOG_FORMAT"
log = logging.getLogger("eyecli")


class Lines(logging.Formatter):
    """One event, one line, whatever ids and file names are in it; a hint has a line of its own."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        message = printable(record.getMessage())
        fields = getattr(record, "fields", {})
        if "exit_code" not in fields:
            return (
                message
                if sys.stderr.isatty()
                else f"{self.formatTime(record, self.datefmt)} {message}"
            )
        lines = [message if fields["exit_code"] > 128 else f"error: {message}"]
        if fields["hint"]:
            lines.append(f"{HINT_INDENT}{printable(fields['hint'])}")
        if "traceback" in fields:
            lines.insert(0, fields["traceback"].rstrip("\n"))
        return "\n".join(lines)


class Events(logging.Formatter):
    """One event, one JSON object: time, level, message and the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        from eyecli.cli.ndjson import MARK, event

        fields = getattr(record, "fields", {})
        return MARK + event(record.levelname.lower(), record.getMessage(), **fields)


def setup_logging(quiet: bool, verbose: bool, log_format: str) -> None:
    """Log to stderr: plain lines on a terminal, with timestamps in batch jobs, or JSON."""
    if log_format == "json":
        from eyecli.cli import ndjson

        ndjson.start()
        # For the commands that a command starts.
        os.environ[VARIABLE] = log_format
    handler = logging.StreamHandler(sys.stderr)
    formatter = Events() if log_format == "json" else Lines(datefmt="%Y-%m-%dT%H:%M:%S")
    handler.setFormatter(formatter)
    log.handlers = [handler]
    log.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    log.propagate = False


def printable(text: str) -> str:
    """Escape what would move the cursor, change colours or start another line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def report_error(error: EyecliError, as_json: bool, trace: str | None = None) -> int:
    """Print one or two lines on stderr, the envelope on stdout with ``--json``."""
    fields = {"kind": error.kind, "exit_code": error.exit_code, "hint": error.hint}
    log.error(
        "%s", error.message, extra={"fields": fields | ({"traceback": trace} if trace else {})}
    )
    if as_json:
        envelope = {"ok": False, "error": {**fields, "message": error.message}}
        # Whatever stdout's encoding; and if it is full, the exit code still tells.
        with suppress(OSError), os.fdopen(os.dup(1), "w", encoding="utf-8",
                                          errors="surrogateescape") as stream:  # fmt: skip
            stream.write(json.dumps(envelope, indent=2, ensure_ascii=False) + "\n")
    return error.exit_code


def report_end(word: str, code: int) -> int:
    """Say that Ctrl-C or SIGTERM was heard."""
    log.error(word, extra={"fields": {"kind": word, "exit_code": code, "hint": None}})
    return code


def report_unexpected(error: Exception, as_json: bool, debug: bool) -> int:
    """Turn what nobody foresaw into the same two lines; the traceback only with ``--debug``."""
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
    return report_error(known, as_json, traceback.format_exc() if debug else None)
