"""Runs tell how they go and how they ended, also when they could not say so themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from eyecli.errors import DataError, EyecliError, RetryError, UsageError
from eyecli.progress import Beat
from eyecli.workspace import runs
from eyecli.workspace.lease import LEASE, BusyError, this_process
from eyecli.workspace.runs import (
    METRICS,
    Run,
    find_runs,
    list_runs,
    metrics,
    new_metrics,
    running,
    stop,
)

RUN = Run(
    command="eyecli train gaze", stage="train", task="gaze", key="ab" * 32,
    inputs={"prepared": "prepared/gaze@v1"}, fold=0, folds=2,
)  # fmt: skip
BEAT = Beat(3, 20, 4, 10, 12.5)
WORK = f"""
import signal, sys, time
from pathlib import Path
import msgspec
from eyecli.errors import RetryError
from eyecli.progress import Beat
from eyecli.workspace.runs import Run, running

def end(*_):
    raise RetryError("stopped, checkpoint saved")

signal.signal(signal.SIGTERM, end)
run = msgspec.json.decode(sys.argv[2], type=Run)
with running(Path(sys.argv[1]), run, "it") as beat:
    beat({BEAT!r})
    print("running", flush=True)
    time.sleep(60)
"""


def place(root: Path, fold: int = 0, name: str = "train-gaze-abababababab") -> Path:
    return root / "runs" / name / f"fold-{fold:03d}"


def worker(folder: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WORK, str(folder), msgspec.json.encode(RUN).decode()]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout and child.stdout.readline() == "running\n"
    return child


def the_only(root: Path) -> runs.Listed:
    (listed,) = list_runs(root)
    return listed


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (None, "done", None),
        (EyecliError("the loss is no longer a number"), "failed", "the loss is no longer a number"),
        (MemoryError("no room\nat all"), "failed", "MemoryError: no room"),
        (RetryError("SIGTERM"), "interrupted", None),
        (KeyboardInterrupt(), "interrupted", None),
    ],
)
def test_a_run_says_how_it_ended(
    tmp_path: Path, error: BaseException | None, state: str, message: str | None
) -> None:
    def work() -> None:
        with running(place(tmp_path), RUN, "it") as beat:
            assert the_only(tmp_path).state == "running"
            beat(BEAT)
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            work()
    else:
        work()
    listed = the_only(tmp_path)
    assert (listed.state, listed.run.error, listed.run.pid) == (state, message, os.getpid())
    assert listed.heartbeat and listed.heartbeat.epoch == 3 and listed.heartbeat.batches == 10
    assert listed.age is not None and not (listed.folder / LEASE).exists()


def test_a_killed_run_is_dead_and_another_takes_over(tmp_path: Path) -> None:
    child = worker(place(tmp_path))
    with pytest.raises(BusyError), running(place(tmp_path), RUN, "it"):
        pass
    assert the_only(tmp_path).state == "running"
    child.kill()
    child.wait()
    listed = the_only(tmp_path)
    assert (listed.state, listed.run.state) == ("dead", "running")
    assert stop(listed).state == "dead"
    with running(place(tmp_path), RUN, "it"):
        pass
    assert the_only(tmp_path).state == "done"


def test_stop_waits_until_the_run_has_ended(tmp_path: Path) -> None:
    child = worker(place(tmp_path))
    listed = stop(the_only(tmp_path))
    assert listed.state == "interrupted"
    assert child.wait() == 1
    assert stop(listed).state == "interrupted"


def test_a_run_of_another_host_is_not_stopped_from_here(tmp_path: Path) -> None:
    with running(place(tmp_path), RUN, "it"):
        me = this_process()
        lease = place(tmp_path) / LEASE
        lease.write_bytes(msgspec.json.encode(msgspec.structs.replace(me, host="node7")))
        with pytest.raises(EyecliError, match="runs on node7") as caught:
            stop(the_only(tmp_path))
        assert "scancel" in str(caught.value.hint)


def test_the_pid_of_a_new_process_is_not_signalled(tmp_path: Path) -> None:
    """The run was killed, and its pid is that of somebody else now."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    child = worker(place(tmp_path))
    child.kill()
    child.wait()
    lease = place(tmp_path) / LEASE
    old = msgspec.json.decode(lease.read_bytes())
    lease.write_bytes(msgspec.json.encode(old | {"pid": other.pid, "start": old["start"] + 1}))
    try:
        assert stop(the_only(tmp_path)).state == "dead"
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_run_that_was_taken_over_ends_at_its_next_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.01)
    other = msgspec.json.encode(msgspec.structs.replace(this_process(), host="node7"))
    with pytest.raises(BusyError, match="took over"), running(place(tmp_path), RUN, "it") as beat:
        beat(BEAT)
        (place(tmp_path) / LEASE).write_bytes(other)
        before = (place(tmp_path) / "run.json").read_bytes()
        while True:
            beat(BEAT)
            time.sleep(0.01)
    # What the other writes is left alone.
    assert (place(tmp_path) / LEASE).read_bytes() == other
    assert (place(tmp_path) / "run.json").read_bytes() == before


def test_the_heart_beats_while_no_batch_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.01)
    with running(place(tmp_path), RUN, "it"):
        lease = place(tmp_path) / LEASE
        os.utime(lease, (1, 1))
        while lease.stat().st_mtime == 1:
            time.sleep(0.01)


def test_runs_are_found_by_the_beginning_of_their_name(tmp_path: Path) -> None:
    for fold in (0, 1):
        with running(place(tmp_path, fold), RUN, "it"):
            pass
    with running(place(tmp_path, 0, "train-gaze-acacacacacac"), RUN, "it"):
        pass
    assert [r.name[-8:] for r in find_runs(tmp_path, "train-gaze-ab")] == ["fold-000", "fold-001"]
    (one,) = find_runs(tmp_path, "train-gaze-abababababab/fold-001")
    assert one.folder == place(tmp_path, 1)
    with pytest.raises(UsageError, match=r"fits 2 runs: train-gaze-ab.*, train-gaze-ac"):
        find_runs(tmp_path, "train-gaze")
    with pytest.raises(DataError, match="no run 'train-icp'"):
        find_runs(tmp_path, "train-icp")


def test_a_damaged_run_is_named_and_hides_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for fold in (0, 1):
        with running(place(tmp_path, fold), RUN, "it"):
            pass
    (place(tmp_path, 0) / "run.json").write_bytes(b"\xff{")
    assert the_only(tmp_path).folder == place(tmp_path, 1)
    assert "fold-000/run.json: damaged run" in caplog.text
    caplog.clear()
    assert len(find_runs(tmp_path, "train")) == 1
    assert caplog.text.count("damaged run") == 1
    caplog.clear()
    with pytest.raises(DataError, match=r"fold-000/run.json: damaged run"):
        find_runs(tmp_path, "train-gaze-abababababab/fold-000")
    assert caplog.text == ""


@pytest.mark.parametrize("text", ["", "/"])
def test_no_name_is_no_run(tmp_path: Path, text: str) -> None:
    with running(place(tmp_path), RUN, "it"), pytest.raises(UsageError, match="an empty name"):
        find_runs(tmp_path, text)


@pytest.mark.parametrize("whole", [True, False])
def test_a_run_whose_folder_was_removed_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.01)
    what = "the folder" if whole else "lease.json"
    with (
        pytest.raises(BusyError, match=f"it: {what} was removed while it ran"),
        running(place(tmp_path), RUN, "it") as beat,
    ):
        # Not rmtree: the heart may beat between its steps.
        place(tmp_path).rename(tmp_path / "removed") if whole else (
            place(tmp_path) / LEASE
        ).unlink()
        while True:
            beat(BEAT)
            time.sleep(0.01)


def test_metrics_are_followed_to_the_end(tmp_path: Path) -> None:
    folder = place(tmp_path)
    seen: list[str] = []
    with running(folder, RUN, "it"):
        listed = the_only(tmp_path)
        assert metrics(listed, 5) == []
        (folder / METRICS).write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
        assert metrics(listed, 1) == ['{"epoch": 2}'] and metrics(listed, 0) == []
        thread = threading.Thread(target=lambda: seen.extend(new_metrics(listed, 1)))
        thread.start()
        while not seen:
            time.sleep(0.01)
        with (folder / METRICS).open("a") as stream:
            stream.write('ch": 3}\n')
    thread.join(timeout=60)
    assert seen == ['{"epoch": 2}', '{"epoch": 3}']
