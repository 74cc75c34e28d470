"""The process in which the kaggle package works: started, watched and ended."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eyecli.errors import EyecliError, RetryError

CLIENT = Path(__file__).with_name("kaggle_client.py")
# How often it is looked at, and what the package prints credentials for.
TICK_SECONDS = 1.0
NOT_PASSED_ON = ("VERBOSE", "VERBOSE_OUTPUT")
Event = dict[str, Any]


def work_with_kaggle(
    job: Mapping[str, Any], timeout: float, progress: Callable[[], int] = lambda: 0
) -> Iterator[Event]:
    """Yield what a job of `kaggle_client` says, and an event ``tick`` now and then.

    However this ends, the process ends with it; what it has written stays.

    Parameters
    ----------
    job
        What to do.
    timeout
        Seconds without a word or a byte after which the server is taken for stalled.
    progress
        Returns how many bytes of the running download are there.

    Raises
    ------
    RetryError
        If the server has stalled.
    EyecliError
        If the process died without saying why.
    """
    with _environment() as environment:
        # Not where we are, nor beside the script, are modules to be found.
        process = subprocess.Popen(
            [sys.executable, "-P", str(CLIENT)], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
            yield from _events(process.stdout.fileno(), timeout, progress)
            if process.wait():
                raise EyecliError(f"the kaggle package died with exit code {process.returncode}")
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def _events(pipe: int, timeout: float, progress: Callable[[], int]) -> Iterator[Event]:
    seen, rest = progress(), b""
    alive = time.monotonic()
    while True:
        if select.select([pipe], [], [], min(TICK_SECONDS, timeout / 4))[0]:
            read = os.read(pipe, 2**16)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                event = json.loads(line)
                yield event
                # A pause that it announces is no stall; nor is what its reader did meanwhile.
                alive = time.monotonic() + event.get("seconds", 0.0)
        else:
            yield {"event": "tick"}
        now = progress()
        if now != seen:
            seen, alive = now, time.monotonic()
        if time.monotonic() - alive > timeout:
            raise RetryError(
                f"Kaggle has sent nothing for {timeout:g} s",
                "run the same command again: it goes on where it stopped; "
                "--timeout SECONDS waits longer",
            )


@contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """Yield the environment of the process: importing the package makes no folder at home."""
    passed_on = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    home = Path("~").expanduser()
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    own = (home / ".kaggle", configured / "kaggle")
    if passed_on.get("KAGGLE_CONFIG_DIR") or any(folder.exists() for folder in own):
        yield passed_on
    else:
        with TemporaryDirectory(prefix="eyecli-kaggle-") as nowhere:
            yield passed_on | {"KAGGLE_CONFIG_DIR": nowhere}
