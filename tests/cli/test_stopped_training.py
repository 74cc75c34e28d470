"""A training that is killed or asked to stop goes on with the same command, to the same bytes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from shell import environment, eyecli_process

from eyecli.training.checkpoint import NAME, PREVIOUS
from eyecli.workspace.runs import METRICS, list_runs
from eyecli.workspace.store import families, load, versions

TRAIN = ("train", "gaze", "--epochs", "4", "--batch-size", "1", "--checkpoint-minutes", "0")
GOES_ON = "going on in epoch"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the data of two folds."""
    folder = tmp_path_factory.mktemp("prepared")
    for command in (
        "fetch sample gaze-eyes --subjects 4 --points 4 --frames 2",
        "preprocess gaze --split kfold:2",
    ):
        done = eyecli_process(*command.split(), cwd=folder)
        assert done.code == 0, done.err
    return folder


def begun(folder: Path, fold: int, epochs: int, pid: int) -> bool:
    """Tell whether a fold has done so many epochs and saved a checkpoint in the next one."""
    for run in (folder / "eyecli-workspace/runs").glob(f"*/fold-{fold:03d}"):
        journal, saved = run / METRICS, run / PREVIOUS
        if journal.exists() and saved.exists():
            later = saved.stat().st_mtime_ns > journal.stat().st_mtime_ns
            return later and len(journal.read_text().splitlines()) >= epochs
    return False


def stop(
    folder: Path, number: int, ready: Callable[[int], bool], *words: str
) -> tuple[int, str, str]:
    """Train, send a signal when it is time for this pid, return code and streams."""
    process = subprocess.Popen(
        [sys.executable, "-m", "eyecli", *TRAIN, *words], cwd=folder, env=environment(),
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # The shell that runs the tests may ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        while not ready(process.pid):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, err


def trained(folder: Path) -> dict[str, str]:
    """Digests of everything in a workspace."""
    root = folder / "eyecli-workspace"
    found = [load(root, family, n) for family in families(root) for n in versions(root, family)]
    return {artifact.ref: artifact.manifest.digest for artifact in found}


def test_killed_in_every_way_it_ends_with_the_same_model(prepared: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        shutil.copytree(prepared, folder)
    assert eyecli_process(*TRAIN, cwd=whole).ref == "model/gaze@v1"
    runs = cut / "eyecli-workspace/runs"
    ways = [(0, 1, signal.SIGKILL, -9), (0, 2, signal.SIGKILL, -9), (1, 1, signal.SIGTERM, 75)]
    for n, (fold, epochs, number, code) in enumerate(ways):
        ended = stop(cut, number, partial(begun, cut, fold, epochs))
        assert ended[:2] == (code, ""), ended
        # Killed between two lines of `save` there is only the one before.
        assert list(runs.glob(f"*/fold-{fold:03d}/{NAME}*"))
        assert f"fold 0 of 2: {GOES_ON}" in ended[2] or n == 0
    assert "SIGTERM: fold 1 of 2: checkpoint saved in epoch" in ended[2]
    *_, last = list_runs(cut / "eyecli-workspace")
    shown = eyecli_process("runs", "show", last.name, cwd=cut).out
    assert last.state == "interrupted" and f"resume     {last.run.command}" in shown
    done = eyecli_process(*TRAIN, cwd=cut)
    assert f"fold 1 of 2: {GOES_ON}" in done.err and done.ref == "model/gaze@v1"
    assert trained(cut) == trained(whole)
    assert not list(runs.glob("*/*/checkpoint*"))


def imports_tensorflow(pid: int) -> bool:
    return "libtensorflow" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="sees imports by /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_stopped_while_tensorflow_is_imported(
    prepared: Path, tmp_path: Path, number: int, code: int
) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(prepared, folder)
    before = trained(folder)
    root = folder / "eyecli-workspace"
    ended = stop(folder, number, imports_tensorflow, "--fold", "0")
    assert ended[:2] == (code, "") and "Traceback" not in ended[2], ended
    (run,) = list_runs(root)
    assert (run.state, trained(folder)) == ("interrupted", before)
    assert list((root / "tmp").iterdir()) == []


def test_the_time_limit_ends_like_a_signal(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(prepared, folder)
    ended = eyecli_process(*TRAIN, "--fold", "1", "--max-time", "1s", cwd=folder)
    assert (ended.code, ended.out) == (75, "")
    assert "checkpoint saved in epoch 1 after batch 1 of 8: --max-time 1s is over" in ended.err
    (run,) = list_runs(folder / "eyecli-workspace")
    assert run.state == "interrupted" and (run.folder / NAME).exists()
    assert f"{' '.join(TRAIN[:2])} prepared/gaze@v1" in run.run.command
    assert "--fold 1" in run.run.command
