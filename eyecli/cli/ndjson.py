"""Everything on stderr as JSON, a line an event, what third-party code prints included.

Our own events are JSON already. What else reaches the descriptors 1 and 2 (Python, C, children)
goes through a pipe to a process that wraps it: a thread could not, where C code prints more than a
pipe holds without letting go of the interpreter's lock.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime

# Begins our own events, so that they stand apart from a line that other code left unfinished.
MARK = "\x1e"
# Says that the command is over; what comes later comes from what it left running.
END = "\x1e\x04"
LONGEST = 2**16
PATIENCE = 2.0
_STARTED: list[int] = []


def event(level: str, message: str, **fields: object) -> str:
    """Return one event: time (UTC), level, message and more, as JSON in ASCII on one line."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": time, "level": level, "message": message, **fields}, default=str)


def start() -> None:
    """Send descriptor 2 through the process that wraps; once is enough."""
    if _STARTED:
        return
    sys.stderr.flush()
    sys.stdout.flush()
    reader, writer = os.pipe()
    done, say_done = os.pipe()
    if os.fork() == 0:
        try:
            _relay(reader, say_done)
        finally:
            os._exit(0)
    os.dup2(writer, 2)
    for descriptor in (reader, writer, say_done):
        os.close(descriptor)
    _STARTED.append(done)
    atexit.register(finish)


def finish() -> None:
    """Wait until all that was printed has been passed on; what comes later is dropped."""
    if not _STARTED:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    done = _STARTED.pop()
    with suppress(OSError):
        os.write(2, END.encode() + b"\n")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    select.select([done], [], [], PATIENCE)


def _relay(reader: int, say_done: int) -> None:
    """Wrap lines until nobody is left to write any."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    low, high = sorted((reader, say_done))
    for first, end in ((3, low), (low + 1, high), (high + 1, os.sysconf("SC_OPEN_MAX"))):
        os.closerange(first, end)
    rest = b""
    while chunk := os.read(reader, 2**16):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST:
            lines, rest = [*lines, rest], b""
        if _pass_on(lines):
            os.close(say_done)
    _pass_on([rest])


def _pass_on(lines: list[bytes]) -> bool:
    """Write lines as events; say whether the end of the command was among them."""
    events, ended = [], False
    for line in lines:
        text = line.decode(errors="backslashreplace")
        if END in text:
            text, ended = text.replace(END, ""), True
        events += [wrap(part) for part in text.split(MARK)]
    out = "".join(f"{entry}\n" for entry in events if entry).encode()
    while out:
        try:
            out = out[os.write(2, out) :]
        except OSError:
            break  # Nobody reads; the command goes on.
    return ended


def wrap(text: str) -> str:
    """Return a line as an event: as it is where it is one, wrapped where other code printed it.

    Of a progress bar, which returns to the beginning of its line, the last state counts.
    """
    text = text.rstrip("\r").rpartition("\r")[2]
    if not text.strip():
        return ""
    if text.startswith("{"):
        with suppress(ValueError):
            if {"time", "level", "message"} <= json.loads(text).keys():
                return text
    return event("info", text, source="other")
