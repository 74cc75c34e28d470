"""Running commands as a user does: real processes, or in this process where only words count."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import eyecli

ROOT = Path(eyecli.__file__).parents[1]
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d ")
IMPORT = re.compile(r"import time:\s+\d+ \|\s+\d+ \|\s+([\w.]+)")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def ref(self) -> str:
        """The one line of stdout."""
        assert self.code == 0, self.err
        (line,) = self.out.splitlines()
        return line

    @property
    def complaint(self) -> list[str]:
        """Lines of stderr that are not log lines."""
        return [line for line in self.err.splitlines() if not STAMP.match(line)]

    @property
    def imported(self) -> set[str]:
        """Top-level names of everything imported, with ``python -X importtime``."""
        names = {match[1].split(".")[0] for match in IMPORT.finditer(self.err)}
        assert "eyecli" in names
        return names


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment without a user's settings, and with buffers as they usually are."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("EYECLI_") and key != "PYTHONUNBUFFERED"
    }
    return kept | {"PYTHONPATH": str(ROOT)} | (extra or {})


def hear_ctrl_c() -> None:
    """Undo what a shell does to jobs in the background, this test run perhaps among them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def eyecli_process(
    *words: object,
    cwd: Path,
    env: dict[str, str] | None = None,
    options: tuple[str, ...] = (),
    **more: int,
) -> Done:
    """Run ``python [options] -m eyecli words`` in `cwd`."""
    command = [sys.executable, *options, "-m", "eyecli", *map(str, words)]
    done = subprocess.run(
        command, cwd=cwd, env=environment(env), capture_output=True, text=True, timeout=300,
        **{"stdin": subprocess.DEVNULL, **more},  # type: ignore[call-overload]
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)
