"""Work in processes ends with the caller, and its errors reach the caller."""

import os
import time
from pathlib import Path

import pytest

from eyecli.errors import DataError, EyecliError
from eyecli.synthesis.processes import in_processes


def note(folder: Path, name: str) -> None:
    (folder / name).write_text(str(os.getpid()))


def note_and_sleep(folder: Path, name: str) -> None:
    note(folder, name)
    time.sleep(60)


def fail(folder: Path, name: str) -> None:
    if name == "b":
        raise DataError(f"no {name}", "give one")
    time.sleep(60)


def die(folder: Path, name: str) -> None:
    os._exit(7)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_call_has_a_process_of_its_own(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    assert len(list(in_processes(note, [(tmp_path, name) for name in names], 2))) == 3
    pids = {(tmp_path / name).read_text() for name in names}
    assert len(pids) == 3 and str(os.getpid()) not in pids


def test_all_end_when_the_caller_stops(tmp_path: Path) -> None:
    running = in_processes(note_and_sleep, [(tmp_path, "a"), (tmp_path, "b")], 2)
    quick = in_processes(note, [(tmp_path, "c")], 1)
    assert next(quick) is None
    with pytest.raises(ZeroDivisionError):
        _stop_when(running, tmp_path)
    assert not [n for n in "ab" if alive(int((tmp_path / n).read_text()))]


def _stop_when(running: object, folder: Path) -> None:
    """Raise as Ctrl-C would, while the caller waits for two processes that have begun."""
    import signal

    def complain(*_: object) -> None:
        if all((folder / name).exists() and (folder / name).read_text() for name in "ab"):
            raise ZeroDivisionError
        signal.setitimer(signal.ITIMER_REAL, 0.1)

    before = signal.signal(signal.SIGALRM, complain)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        next(running)  # type: ignore[call-overload]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_error_ends_the_others_and_keeps_its_hint(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(DataError, match="no b") as caught:
        list(in_processes(fail, [(tmp_path, "a"), (tmp_path, "b")], 2))
    assert caught.value.hint == "give one"
    assert time.monotonic() - started < 50, "the other slept for a minute"


def test_a_dead_process_is_named(tmp_path: Path) -> None:
    with pytest.raises(EyecliError, match="a process ended with 7"):
        list(in_processes(die, [(tmp_path, "a")], 1))
