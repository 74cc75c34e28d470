"""Leases: one process at a time works in a folder, as far as shared file systems can tell.

Never needed for correctness (publishing is idempotent): a lease spares work that is done already.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from eyecli.errors import RetryError
from eyecli.workspace.manifest import DAMAGED, canonical
from eyecli.workspace.store import write_atomic

LEASE = "lease.json"
TAKING = f"{LEASE}.taking"
# What a process that works in a folder keeps writing.
SIGNS = (LEASE, "heartbeat.json", "run.json")
# A process of another host whose heartbeat is older is taken for dead.
STALE_SECONDS = 120.0
# Heartbeats of the living are at most this far ahead of the file system's clock: after that was set
# back, only those of the dead stay in the future.
AHEAD_SECONDS = 10.0
POLL_SECONDS = 0.2


class BusyError(RetryError):
    """Another process is at it."""


class Holder(msgspec.Struct, frozen=True):
    """A process: its host, pid and start (see `process_start`), and a number drawn once."""

    host: str
    pid: int
    start: int | None
    token: str


def this_process() -> Holder:
    """Describe this process, with a new token."""
    pid = os.getpid()
    return Holder(socket.gethostname(), pid, process_start(pid), secrets.token_hex(8))


def process_start(pid: int) -> int | None:
    """When a process of this host began, in clock ticks since boot; None if there is none.

    Together with the pid it names a process, since pids are used again; it does not follow a
    clock that is set. 0 where the system does not tell.
    """
    try:
        # The name in brackets can hold anything; zombies are dead.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] == "Z" else int(fields[19])
    except (OSError, IndexError, ValueError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0


def read_holder(path: Path) -> Holder | None:
    """Return who holds a lease, None if nobody or not legible."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, *DAMAGED):
        return None


def heartbeat_age(folder: Path) -> float | None:
    """Seconds since the last sign of life in a folder, by the clock of its file system."""
    return _age(folder, SIGNS)


def _age(folder: Path, names: Sequence[str]) -> float | None:
    times = []
    for name in names:
        with suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return _now(folder) - max(times) if times else None


def _now(folder: Path) -> float:
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            return os.fstat(stream.fileno()).st_mtime
    except OSError:  # read-only: listing must work all the same
        return time.time()


def is_alive(holder: Holder | None, folder: Path) -> bool:
    """Tell whether the holder of a folder's lease still works.

    On this host by its pid and start, elsewhere by its heartbeat.
    """
    if not (folder / LEASE).exists():
        return False
    if holder and holder.host == socket.gethostname():
        return holder.start is not None and process_start(holder.pid) == holder.start
    age = heartbeat_age(folder)
    return age is not None and -AHEAD_SECONDS <= age <= STALE_SECONDS


@contextmanager
def lease(folder: Path, what: str, *, wait: bool = False) -> Iterator[Callable[[], bool]]:
    """Hold the lease of a folder; one of the dead is taken over.

    Parameters
    ----------
    folder
        Made if it is not there.
    what
        What is done in it, for the message.
    wait
        Wait for a living holder instead of raising.

    Yields
    ------
    Callable
        Tells whether the lease is still held: another host may have taken this process for dead.

    Raises
    ------
    BusyError
        If a living process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    me = this_process()
    while not _claim(folder, me):
        holder = read_holder(folder / LEASE)
        if not is_alive(holder, folder):
            if _take_over(folder, holder, me):
                break
        elif wait:
            time.sleep(POLL_SECONDS)
        else:
            age = max(0.0, heartbeat_age(folder) or 0.0)
            who = f"{holder.host}, pid {holder.pid}" if holder else "another process"
            raise BusyError(
                f"{what} is busy: {who}, heartbeat {age:.0f} s ago",
                "wait for it and run the same command again, or see `eyecli runs ls`",
            )

    def held() -> bool:
        return read_holder(folder / LEASE) == me

    try:
        yield held
    finally:
        if held():
            (folder / LEASE).unlink(missing_ok=True)


def _claim(folder: Path, me: Holder) -> bool:
    """Make the lease if there is none."""
    try:
        # Creation that fails if the file exists is atomic on NFS too.
        with (folder / LEASE).open("xb") as stream:
            stream.write(canonical(me))
    except FileExistsError:
        return False
    return True


def _take_over(folder: Path, dead: Holder | None, me: Holder) -> bool:
    """Replace the lease of a dead process, unless another has done so meanwhile."""
    try:
        (folder / TAKING).open("xb").close()
    except FileExistsError:
        age = _age(folder, [TAKING])
        if age is not None and age > STALE_SECONDS:  # killed between two lines of this function
            (folder / TAKING).unlink(missing_ok=True)
        time.sleep(POLL_SECONDS)
        return False
    try:
        if read_holder(folder / LEASE) != dead or not (folder / LEASE).exists():
            return False
        write_atomic(folder / LEASE, canonical(me))
        return True
    finally:
        (folder / TAKING).unlink(missing_ok=True)
