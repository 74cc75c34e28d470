"""Work is shared out in order, errors come back, and no process outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eyecli.errors import DataError, EyecliError
from eyecli.processes import in_processes


def square(number: int) -> tuple[int, int]:
    time.sleep(0.05 if number == 0 else 0)
    return number**2, os.getpid()


def refuse(number: int) -> int:
    if number == 1:
        raise DataError("row 1 is bad", "mend it")
    return number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def chatter(number: int) -> int:
    os.write(2, b"a library says something")
    return number


def test_results_are_in_order_and_from_other_processes() -> None:
    results = list(in_processes(square, range(6), 2))
    assert [value for value, _ in results] == [0, 1, 4, 9, 16, 25]
    assert os.getpid() not in {process for _, process in results}


def test_nothing_to_do_is_nothing() -> None:
    assert list(in_processes(square, [], 2)) == []


def test_an_error_comes_back_with_its_hint() -> None:
    with pytest.raises(DataError) as error:
        list(in_processes(refuse, range(4), 2))
    assert (error.value.message, error.value.hint) == ("row 1 is bad", "mend it")


def test_a_killed_process_is_an_error_not_a_hang() -> None:
    with pytest.raises(EyecliError, match="killed"):
        list(in_processes(die, range(4), 2))


def test_what_libraries_print_stays_there(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(in_processes(chatter, [1], 1)) == [1]
    assert capfd.readouterr().err == ""


def note_and_sleep(file: Path) -> None:
    file.write_text(str(os.getpid()))
    time.sleep(600)


def test_all_end_when_the_caller_is_interrupted(tmp_path: Path) -> None:
    """As Ctrl-C does it, while the caller waits for two processes that have begun."""
    files = [tmp_path / "a", tmp_path / "b"]

    def interrupt(*_: object) -> None:
        if all(file.exists() and file.read_text() for file in files):
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, 0.1)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(in_processes(note_and_sleep, files, 2))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for file in files:
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of a parent's end")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from eyecli.processes import in_processes\n"
        "def work(folder):\n"
        "    open(os.path.join(folder, str(os.getpid())), 'w').close()\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    list(in_processes(work, [sys.argv[1]] * 2, 2))\n"
    )
    workers = tmp_path / "workers"
    workers.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(workers)])
    try:
        wait_for(lambda: len(list(workers.iterdir())) == 2)
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not any(Path("/proc", p.name).exists() for p in workers.iterdir()))


def wait_for(condition: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)
