"""Leases: one living process a folder; the dead do not hold anybody up."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from eyecli.workspace.lease import (
    LEASE,
    STALE_SECONDS,
    TAKING,
    BusyError,
    _take_over,
    heartbeat_age,
    lease,
    process_start,
    read_holder,
    this_process,
)

HOLD = """
import sys, time
from pathlib import Path
from eyecli.workspace.lease import lease
with lease(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout and child.stdout.readline() == "held\n"
    return child


def test_a_living_process_is_not_disturbed(tmp_path: Path) -> None:
    child = holder(tmp_path)
    try:
        # However long it has said nothing: its process is there.
        os.utime(tmp_path / LEASE, (1, 1))
        busy = pytest.raises(BusyError, match=f"it is busy: .*pid {child.pid}, heartbeat")
        with busy as caught, lease(tmp_path, "it"):
            pass
        assert caught.value.exit_code == 75
    finally:
        child.kill()
        child.wait()


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    child = holder(tmp_path)
    child.kill()
    # Not waited for: a zombie is dead.
    while process_start(child.pid) is not None:
        time.sleep(0.01)
    with lease(tmp_path, "it") as held:
        assert held()
    child.wait()
    assert not (tmp_path / LEASE).exists()


def elsewhere(folder: Path, age: float, **changed: object) -> None:
    """Leave the lease of a process of another host, or a changed one of ours."""
    other = msgspec.structs.replace(this_process(), **({"host": "node7"} | changed))
    (folder / LEASE).write_bytes(msgspec.json.encode(other))
    now = time.time() - age
    os.utime(folder / LEASE, (now, now))


@pytest.mark.parametrize("age", [0, STALE_SECONDS - 30])
def test_a_process_of_another_host_lives_while_its_heart_beats(tmp_path: Path, age: float) -> None:
    elsewhere(tmp_path, age)
    with pytest.raises(BusyError, match="node7, pid"), lease(tmp_path, "it"):
        pass


@pytest.mark.parametrize("age", [STALE_SECONDS + 30, -3600])
def test_a_process_of_another_host_without_a_heartbeat_is_dead(tmp_path: Path, age: float) -> None:
    """A heartbeat in the future is of before the clock was set back: the living beat again."""
    elsewhere(tmp_path, age)
    with lease(tmp_path, "it") as held:
        assert held()


def test_a_pid_that_was_used_again_is_another_process(tmp_path: Path) -> None:
    me = this_process()
    elsewhere(tmp_path, 0, host=me.host, start=(me.start or 0) - 1)
    with lease(tmp_path, "it") as held:
        assert held()


def test_one_of_many_gets_it(tmp_path: Path) -> None:
    """Also when all find the lease of a dead process at the same time."""
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        elsewhere(folder, 3600)

        def attempt(_: int, folder: Path, done: threading.Event, busy: threading.Semaphore) -> bool:
            try:
                with lease(folder, "it"):
                    done.wait(timeout=60)
                    return True
            except BusyError:
                busy.release()
                return False

        done, busy = threading.Event(), threading.Semaphore(0)
        with ThreadPoolExecutor(4) as pool:
            found = [pool.submit(attempt, number, folder, done, busy) for number in range(4)]
            # The one that has it keeps it until the others have given up.
            assert all(busy.acquire(timeout=60) for _ in range(3))
            done.set()
        assert sum(one.result() for one in found) == 1


def test_what_another_has_taken_over_is_left_alone(tmp_path: Path) -> None:
    """Both saw the same dead lease, and the other was faster."""
    elsewhere(tmp_path, 3600)
    dead = read_holder(tmp_path / LEASE)
    elsewhere(tmp_path, 0)
    other = (tmp_path / LEASE).read_bytes()
    assert not _take_over(tmp_path, dead, this_process())
    assert (tmp_path / LEASE).read_bytes() == other
    (tmp_path / LEASE).unlink()
    assert not _take_over(tmp_path, None, this_process())
    assert not any(tmp_path.iterdir())


def test_a_process_killed_while_it_took_over_holds_nobody_up(tmp_path: Path) -> None:
    elsewhere(tmp_path, 3600)
    (tmp_path / TAKING).touch()
    os.utime(tmp_path / TAKING, (1, 1))
    with lease(tmp_path, "it") as held:
        assert held()


def test_who_lost_it_is_told_and_leaves_that_of_the_other(tmp_path: Path) -> None:
    with lease(tmp_path, "it") as held:
        elsewhere(tmp_path, 0)
        assert not held()
    assert (tmp_path / LEASE).exists()


def test_a_lease_being_written_is_respected_and_a_broken_one_is_not_for_ever(
    tmp_path: Path,
) -> None:
    path = tmp_path / LEASE
    path.touch()
    with pytest.raises(BusyError, match="another process"), lease(tmp_path, "it"):
        pass
    os.utime(path, (1, 1))
    with lease(tmp_path, "it"):
        pass


def test_waiting_ends_when_the_other_is_done(tmp_path: Path) -> None:
    order = []

    def work(number: int) -> None:
        with lease(tmp_path, "it", wait=True):
            order.append(number)
            time.sleep(0.02)
            order.append(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(order) == 8 and order[::2] == order[1::2]


def test_the_age_is_by_the_file_systems_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LEASE).touch()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    age = heartbeat_age(tmp_path)
    assert age is not None and abs(age) < 60
