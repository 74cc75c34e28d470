"""A training that was stopped ends with the same bits as one that was not."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_training
from small_training import SETTINGS, TRAIN, VAL, make_arrays, make_learner, train_small

from eyecli.data.arrays import Arrays
from eyecli.errors import RetryError, UsageError
from eyecli.progress import Beat
from eyecli.training import checkpoint
from eyecli.training.checkpoint import NAME, PREVIOUS
from eyecli.training.fit import fit
from eyecli.training.interrupt import interruptible
from eyecli.training.settings import TrainSettings


class Killed(BaseException):
    """Stands for kill -9: nothing is done about it."""


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    return make_arrays(tmp_path_factory.mktemp("numbers"))


def attempt(
    arrays: Arrays, folder: Path, settings: TrainSettings, beat: Callable[[Beat], None]
) -> str:
    folder.mkdir(exist_ok=True)
    return train_small(arrays, folder, settings, beat)


def killed_at(*moments: tuple[int, int]) -> Callable[[Beat], None]:
    """Die once at each (epoch, batch)."""
    left = list(moments)

    def beat(now: Beat) -> None:
        if (now.epoch, now.batch) in left:
            left.remove((now.epoch, now.batch))
            raise Killed

    return beat


def through(
    arrays: Arrays, folder: Path, settings: TrainSettings, beat: Callable[[Beat], None]
) -> tuple[str, int]:
    """Run again until it is done; return the digest and how often it was stopped."""
    for stops in range(20):
        try:
            with interruptible():
                return attempt(arrays, folder, settings, beat), stops
        except (Killed, RetryError, KeyboardInterrupt):
            assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]
    raise AssertionError("never done")


def hear_ctrl_c() -> None:
    """A test run in the background passes on that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def quiet(beat: Beat) -> None:
    pass


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ema": {"ema": 0.9, "keep": "best"},
    "accumulate": {"accumulate": 3, "schedule": "linear"},
    "patience": {"patience": 2, "learning_rate": 0.3, "schedule": "constant", "epochs": 8},
    "bfloat16": {"precision": "mixed_bfloat16"},
    "float16": {"precision": "mixed_float16", "ema": 0.9, "accumulate": 2},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_killed_twice_in_mid_epoch_is_the_same_to_the_bit(
    arrays: Arrays, tmp_path: Path, variant: str
) -> None:
    settings = replace(SETTINGS, **VARIANTS[variant])
    whole = attempt(arrays, tmp_path / "whole", settings, quiet)
    often = replace(settings, checkpoint_minutes=0)
    stopped = through(arrays, tmp_path / "cut", often, killed_at((1, 3), (2, 4), (3, 1)))
    assert stopped == (whole, 3)
    assert not (tmp_path / "cut" / NAME).exists() and not (tmp_path / "cut" / PREVIOUS).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_signals_save_first(arrays: Arrays, tmp_path: Path, number: signal.Signals) -> None:
    whole = attempt(arrays, tmp_path / "whole", SETTINGS, quiet)
    moments = [(1, 2), (2, 5), (3, 5)]

    def beat(now: Beat) -> None:
        if (now.epoch, now.batch) in moments:
            moments.remove((now.epoch, now.batch))
            signal.raise_signal(number)

    kind = KeyboardInterrupt if number == signal.SIGINT else RetryError
    with pytest.raises(kind) as error, interruptible():
        attempt(arrays, tmp_path / "cut", SETTINGS, beat)
    if isinstance(error.value, RetryError):
        assert f"{number.name}: test: checkpoint saved in epoch 1 after batch 2 of 5" in str(error)
        assert "same command" in str(error.value.hint)
    assert through(arrays, tmp_path / "cut", SETTINGS, beat) == (whole, 2)


def test_the_time_limit_stops_and_the_next_run_goes_on(arrays: Arrays, tmp_path: Path) -> None:
    whole = attempt(arrays, tmp_path / "whole", SETTINGS, quiet)
    limited = replace(SETTINGS, max_time="1s")
    with interruptible():
        time.sleep(1.1)
        with pytest.raises(RetryError, match=r"epoch 1 after batch 1 .*--max-time 1s is over"):
            attempt(arrays, tmp_path / "cut", limited, quiet)
    assert attempt(arrays, tmp_path / "cut", SETTINGS, quiet) == whole


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    arrays: Arrays, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = attempt(arrays, tmp_path / "whole", SETTINGS, quiet)
    often = replace(SETTINGS, checkpoint_minutes=0)
    folder = tmp_path / "cut"
    caplog.set_level(logging.INFO, "eyecli")
    for damaged in ([NAME], [NAME, PREVIOUS]):
        with pytest.raises(Killed):
            attempt(arrays, folder, often, killed_at((2, 4)))
        for name in damaged:
            content = bytearray((folder / name).read_bytes())
            content[len(content) // 2] ^= 1
            (folder / name).write_bytes(content)
        caplog.clear()
        assert attempt(arrays, folder, SETTINGS, quiet) == whole
        assert caplog.text.count("damaged checkpoint, ignored") == len(damaged)
        going_on = "going on in epoch 2 after batch 2" in caplog.text
        assert going_on == (len(damaged) == 1)


def test_a_checkpoint_of_another_training_is_not_taken_up(
    arrays: Arrays, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    often = replace(SETTINGS, checkpoint_minutes=0)
    with pytest.raises(Killed):
        attempt(arrays, tmp_path, often, killed_at((2, 4)))
    assert checkpoint.load(tmp_path, "another") is None
    assert caplog.text.count("checkpoint of another training") == 2


def test_the_best_epoch_needs_validation_rows(arrays: Arrays, tmp_path: Path) -> None:
    for settings in (replace(SETTINGS, keep="best"), replace(SETTINGS, patience=3)):
        with pytest.raises(UsageError, match="need validation rows"):
            fit(make_learner(arrays), arrays, TRAIN, VAL[:0], settings, tmp_path, "x", quiet, "")


def test_real_processes_stopped_in_every_way(arrays: Arrays, tmp_path: Path) -> None:
    """Kill -9 and each signal, in mid-epoch, one after another, in one training."""
    whole = attempt(arrays, tmp_path / "whole", SETTINGS, quiet)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ways = [(signal.SIGKILL, "1 4", -9), (signal.SIGTERM, "2 2", 75), (signal.SIGUSR1, "2 3", 75),
            (signal.SIGKILL, "3 2", -9), (signal.SIGINT, "3 4", 130), (None, "", 0)]  # fmt: skip
    for number, moment, code in ways:
        process = subprocess.Popen(
            [sys.executable, small_training.__file__, tmp_path],
            stdout=subprocess.PIPE, env=environment, text=True, preexec_fn=hear_ctrl_c,
        )  # fmt: skip
        try:
            assert process.stdout
            for line in process.stdout:
                if number and line.strip() == moment:
                    process.send_signal(number)
            assert process.wait(60) == code, moment
        finally:
            process.kill()
    assert line.strip() == whole
