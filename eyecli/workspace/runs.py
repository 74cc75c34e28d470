"""Runs: work in progress in ``runs/``, what became of it, and the line that resumes it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from eyecli.errors import DataError, EyecliError, RetryError, UsageError, suggest
from eyecli.progress import Beat
from eyecli.workspace.lease import (
    LEASE,
    BusyError,
    heartbeat_age,
    is_alive,
    lease,
    read_holder,
)
from eyecli.workspace.manifest import DAMAGED, canonical, read_json
from eyecli.workspace.store import write_atomic

log = logging.getLogger(__name__)

RUN = "run.json"
HEARTBEAT = "heartbeat.json"
METRICS = "metrics.jsonl"
HEARTBEAT_SECONDS = 1.0
# A batch and the checkpoint after it can take a while.
STOP_SECONDS = 120.0
POLL_SECONDS = 0.2
REWRITTEN = "the command of the run writes this file anew, and goes on from its checkpoint"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What ``run.json`` says.

    Attributes
    ----------
    command
        The line that resumes it, or finds its result.
    stage, task, key
        The work; `key` is its memo key.
    inputs
        Role to reference.
    fold, folds
        The partition, and how many the split has.
    host, pid
        The process.
    started
        ISO 8601.
    state
        ``running``, ``done``, ``failed`` or ``interrupted``.
    error
        Message of the error that ended it.
    """

    command: str
    stage: str
    task: str
    key: str
    inputs: dict[str, str]
    fold: int
    folds: int
    host: str = ""
    pid: int = 0
    started: str = ""
    state: str = "running"
    error: str | None = None


class Heartbeat(msgspec.Struct, frozen=True):
    """What ``heartbeat.json`` says: when a batch last ended (ISO 8601), and a `Beat`."""

    at: str
    epoch: int
    epochs: int
    batch: int
    batches: int
    seconds_left: float
    waited: float = 0.0


@dataclass(frozen=True)
class Listed:
    """A run as it stands now.

    Attributes
    ----------
    name, folder
        Its folder, relative to ``runs/`` and in full.
    run, heartbeat
        What its files say.
    state
        That of the run, or ``dead``: it was running, and its process is gone.
    age
        Seconds since the process last gave a sign of life.
    """

    name: str
    folder: Path
    run: Run
    heartbeat: Heartbeat | None
    state: str
    age: float | None


@contextmanager
def running(folder: Path, run: Run, what: str) -> Iterator[Callable[[Beat], None]]:
    """Be the one process that works in a run's folder, and say how it goes and ends.

    Parameters
    ----------
    folder
        The run's folder; what an earlier process left in it stays.
    run
        The facts; process, start and state are filled in.
    what
        What to call it in messages.

    Yields
    ------
    Callable
        To be called after every batch; costs nothing, a thread writes the file.

    Raises
    ------
    BusyError
        If another living process works in it, or took over.
    """
    with lease(folder, what) as held:
        run = msgspec.structs.replace(
            run, host=socket.gethostname(), pid=os.getpid(),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        )  # fmt: skip
        write_atomic(folder / RUN, canonical(run) + b"\n")
        latest: list[Heartbeat] = []
        lost, ended = threading.Event(), threading.Event()

        def show() -> None:
            # A full disk or a file server that is away must not end a training.
            with suppress(OSError):
                if latest:
                    _replace(folder / HEARTBEAT, canonical(latest[-1]) + b"\n")
                (folder / LEASE).touch()

        def work() -> None:
            while not ended.wait(HEARTBEAT_SECONDS):
                if not held():
                    lost.set()
                    return
                show()

        def beat(at: Beat) -> None:
            if lost.is_set():
                raise _lost(folder, what)
            latest[:] = [Heartbeat(datetime.now(UTC).isoformat(timespec="seconds"), **asdict(at))]

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        state, message = "failed", None
        try:
            yield beat
            state = "done"
        except RetryError:
            state = "interrupted"
            raise
        except Exception as error:
            told = isinstance(error, EyecliError)
            message = str(error) if told else f"{type(error).__name__}: {error}".splitlines()[0]
            raise
        except BaseException:
            state = "interrupted"
            raise
        finally:
            ended.set()
            thread.join()
            if not lost.is_set():
                show()
                last = msgspec.structs.replace(run, state=state, error=message)
                with suppress(OSError):
                    write_atomic(folder / RUN, canonical(last) + b"\n")


def _lost(folder: Path, what: str) -> BusyError:
    """Say why a run's lease is not its own any more."""
    if (folder / LEASE).exists():
        return BusyError(f"{what}: another process took over", "see `eyecli runs ls`")
    gone = LEASE if folder.exists() else "the folder"
    return BusyError(
        f"{what}: {gone} was removed while it ran: {folder}", "run the same command again"
    )


def _replace(path: Path, content: bytes) -> None:
    """Replace a file for its readers; unlike `write_atomic` without waiting for the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def list_runs(root: Path, prefix: str = "") -> list[Listed]:
    """Every run whose name begins so, the one that began last at the end."""
    found, damaged = _scan(root, prefix)
    for error in damaged:
        log.warning("%s", error.message)
    return found


def _scan(root: Path, prefix: str) -> tuple[list[Listed], list[DataError]]:
    """Return the runs whose names begin so, and what is wrong with those that are damaged."""
    found, damaged = [], []
    for path in sorted((root / "runs").glob(f"*/*/{RUN}")):
        name = path.parent.relative_to(root / "runs").as_posix()
        if name.startswith(prefix):
            try:
                found.append(_look(path.parent, name))
            except DataError as error:
                if path.exists():  # not just removed by somebody
                    damaged.append(DataError(error.message, REWRITTEN))
    return sorted(found, key=lambda listed: (listed.run.started, listed.name)), damaged


def _look(folder: Path, name: str) -> Listed:
    run = read_json(folder / RUN, Run, "run")
    try:
        heartbeat = msgspec.json.decode((folder / HEARTBEAT).read_bytes(), type=Heartbeat)
    except (OSError, *DAMAGED):
        heartbeat = None
    state = run.state
    if state == "running" and not is_alive(read_holder(folder / LEASE), folder):
        # It may have ended between the two looks.
        state = read_json(folder / RUN, Run, "run").state
        state = "dead" if state == "running" else state
    return Listed(name, folder, run, heartbeat, state, heartbeat_age(folder))


def find_runs(root: Path, text: str) -> list[Listed]:
    """Find the runs of one training by the name of a folder in ``runs/`` or a prefix of it.

    Returns
    -------
    list of Listed
        One, or all folds of a training if none of them is named.

    Raises
    ------
    DataError
        If there is none, or only damaged ones.
    UsageError
        If the text is empty, or the prefix fits several trainings.
    """
    text = text.rstrip("/")
    if not text:
        # `eyecli runs stop "$RUN"` without a value must not stop what happens to run.
        raise UsageError("an empty name of a run", "name one that `eyecli runs ls` lists")
    found, damaged = _scan(root, text)
    names = {listed.name.partition("/")[0] for listed in found}
    for error in damaged if found else damaged[1:]:
        log.warning("%s", error.message)
    if not found:
        if damaged:
            raise damaged[0]
        known = {listed.name for listed in _scan(root, "")[0]}
        raise DataError(f"no run '{text}' in {root / 'runs'}", suggest(text, known))
    if len(names) > 1:
        raise UsageError(f"'{text}' fits {len(names)} runs: {', '.join(sorted(names))}",
                         "write more letters")  # fmt: skip
    return found


def stop(listed: Listed) -> Listed:
    """Ask a run's process to save a checkpoint and end, and wait until it has.

    Returns
    -------
    Listed
        The run after that; unchanged if it was not running.

    Raises
    ------
    EyecliError
        If it runs on another host.
    RetryError
        If it has not ended in time; it will.
    """
    # The lease names the process as it is now; on this host its pid and start were compared.
    holder = read_holder(listed.folder / LEASE)
    if listed.state != "running" or holder is None or not is_alive(holder, listed.folder):
        return _look(listed.folder, listed.name)
    if holder.host != socket.gethostname():
        raise EyecliError(
            f"{listed.name} runs on {holder.host} (pid {holder.pid}), not on this host",
            f"cancel its job (scancel), or: ssh {holder.host} kill {holder.pid}",
        )
    os.kill(holder.pid, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end:
        now = _look(listed.folder, listed.name)
        if now.state != "running":
            return now
        time.sleep(POLL_SECONDS)
    raise RetryError(
        f"{listed.name} (pid {holder.pid}) is still busy after {STOP_SECONDS:.0f} s",
        f"it ends after its batch: eyecli runs show {listed.name}",
    )


def metrics(listed: Listed, count: int) -> list[str]:
    """Return the last lines of a run's ``metrics.jsonl``."""
    try:
        text = (listed.folder / METRICS).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    # What comes after the last end of line is still being written.
    lines = text.rpartition("\n")[0].splitlines()
    return lines[max(0, len(lines) - count) :]


def new_metrics(listed: Listed, count: int) -> Iterator[str]:
    """Yield the last lines of a run's ``metrics.jsonl``, then each new one until the run ends."""
    shown = max(0, len(metrics(listed, 2**31)) - count)
    while True:
        ended = _look(listed.folder, listed.name).state != "running"
        lines = metrics(listed, 2**31)
        # An empty epoch file: the training began anew.
        shown = shown if shown <= len(lines) else 0
        yield from lines[shown:]
        shown = len(lines)
        if ended:
            return
        time.sleep(POLL_SECONDS)
