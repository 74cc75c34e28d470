"""A training that was stopped ends with the same bits as one that was not."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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
from eyecli.training.checkpoint import NAME, PREVIOUS, Groups, Position
from eyecli.training.fit import fit
from eyecli.training.interrupt import HINT, interruptible
from eyecli.training.settings import TrainSettings


class Killed(BaseException):
    """Stands for kill -9: nothing is done about it."""


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    return make_arrays(tmp_path_factory.mktemp("numbers"))


def attempt(
    arrays: Arrays, folder: Path, settings: TrainSettings, beat: Callable[[Beat], None],
    uneven: bool = False,
) -> str:  # fmt: skip
    folder.mkdir(exist_ok=True)
    return train_small(arrays, folder, settings, beat, uneven)


def killed_at(*moments: tuple[int, int]) -> Callable[[Beat], None]:
    """Die once at each (epoch, batch)."""
    left = list(moments)

    def beat(now: Beat) -> None:
        if (now.epoch, now.batch) in left:
            left.remove((now.epoch, now.batch))
            raise Killed

    return beat


def through(
    arrays: Arrays, folder: Path, settings: TrainSettings, beat: Callable[[Beat], None],
    uneven: bool = False,
) -> tuple[str, int]:  # fmt: skip
    """Run again until it is done; return the digest and how often it was stopped."""
    for stops in range(20):
        try:
            with interruptible():
                return attempt(arrays, folder, settings, beat, uneven), stops
        except (Killed, RetryError, KeyboardInterrupt):
            assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]
    raise AssertionError("never done")


def hear_ctrl_c() -> None:
    """A test run in the background passes on that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def quiet(beat: Beat) -> None:
    pass


def never(beat: Beat) -> None:
    raise AssertionError("trained again")


slow = pytest.mark.slow
VARIANTS: list[Any] = [
    {},
    {"precision": "mixed_float16", "ema": 0.9, "accumulate": 2, "keep": "best"},
    pytest.param({"accumulate": 3, "schedule": "linear"}, marks=slow),
    pytest.param({"ema": 0.9}, marks=slow),
    pytest.param({"precision": "mixed_bfloat16"}, marks=slow),
    pytest.param(
        {"patience": 2, "learning_rate": 0.3, "schedule": "constant", "epochs": 8}, marks=slow
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of a training that nothing has disturbed."""
    with interruptible():
        pass  # signals of other tests of this process are forgotten
    return attempt(arrays, tmp_path_factory.mktemp("whole"), SETTINGS, quiet)


@pytest.mark.parametrize("variant", VARIANTS)
def test_killed_twice_in_mid_epoch_and_at_the_end_is_the_same_to_the_bit(
    arrays: Arrays, tmp_path: Path, variant: dict[str, Any], whole: str
) -> None:
    settings = replace(SETTINGS, **variant)
    if variant:
        whole = attempt(arrays, tmp_path / "whole", settings, quiet)
    often = replace(settings, checkpoint_minutes=0)
    killed = killed_at((1, 3), (3, 2))
    assert through(arrays, tmp_path / "cut", often, killed) == (whole, 2)
    # Killed before its result was safe: the weights of the end are there, nothing is trained.
    assert attempt(arrays, tmp_path / "cut", often, never) == whole


def test_drawn_rows_and_two_resolutions_go_on_to_the_bit(arrays: Arrays, tmp_path: Path) -> None:
    """Stopped at half resolution, and behind it."""
    settings = replace(SETTINGS, ema=0.9, checkpoint_minutes=0)
    whole = attempt(arrays, tmp_path / "whole", settings, quiet, uneven=True)
    killed = killed_at((1, 3), (2, 2))
    assert through(arrays, tmp_path / "cut", settings, killed, uneven=True) == (whole, 2)


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """Hear it even where these tests are a job in the background, which ignores it."""
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_signals_save_first(
    arrays: Arrays, tmp_path: Path, whole: str, caplog: pytest.LogCaptureFixture
) -> None:
    moments = {(1, 2): signal.SIGTERM, (2, 5): signal.SIGUSR1, (3, 5): signal.SIGINT}

    def beat(now: Beat) -> None:
        if number := moments.pop((now.epoch, now.batch), None):
            signal.raise_signal(number)

    for name, where in (("SIGTERM", "in epoch 1 after batch 2 of 5"),
                        ("SIGUSR1", "in epoch 2 after batch 5 of 5")):  # fmt: skip
        with pytest.raises(RetryError) as error, interruptible():
            attempt(arrays, tmp_path, SETTINGS, beat)
        assert f"{name}: test: checkpoint saved {where}" in str(error)
        assert "same command" in str(error.value.hint)
    caplog.set_level(logging.INFO, "eyecli")
    with pytest.raises(KeyboardInterrupt), interruptible():
        attempt(arrays, tmp_path, SETTINGS, beat)
    # Nothing else would say so.
    assert f"test: checkpoint saved in epoch 3 after batch 5 of 5; {HINT}" in caplog.text
    with interruptible():
        assert attempt(arrays, tmp_path, SETTINGS, beat) == whole


def test_the_time_limit_stops_and_the_next_run_goes_on(
    arrays: Arrays, tmp_path: Path, whole: str
) -> None:
    limited = replace(SETTINGS, max_time="1s")
    with interruptible():
        time.sleep(1.1)
        with pytest.raises(RetryError, match=r"epoch 1 after batch 1 .*--max-time 1s is over"):
            attempt(arrays, tmp_path, limited, quiet)
    assert attempt(arrays, tmp_path, SETTINGS, quiet) == whole


def test_a_limit_shorter_than_a_batch_comes_to_the_end(
    arrays: Arrays, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One batch an epoch: its validation must not be cut short in every run."""
    limited = replace(SETTINGS, batch_size=30, max_time="1s")
    stops = 0
    with interruptible():
        time.sleep(1.1)
        while True:
            try:
                attempt(arrays, tmp_path, limited, quiet)
            except RetryError:
                stops += 1
                assert stops <= 2 * SETTINGS.epochs
            else:
                break
    assert stops >= SETTINGS.epochs


def shorten(groups: Groups) -> None:
    groups["model"][0] = groups["model"][0][:-1]


DAMAGE: dict[str, Callable[[Position, Groups], object]] = {
    "epoch": lambda at, groups: setattr(at, "epoch", 99),
    "batch": lambda at, groups: setattr(at, "batch", 99),
    "negative": lambda at, groups: setattr(at, "batch", -1),
    "best": lambda at, groups: setattr(at, "best", 3),
    "history": lambda at, groups: at.history.clear(),
    "samples": lambda at, groups: setattr(at, "samples", 0),
    "shape": lambda at, groups: shorten(groups),
    "fewer": lambda at, groups: groups["optimizer"].pop(),
    "group": lambda at, groups: groups.pop("optimizer"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_is_no_state_of_the_training_is_named_and_ignored(
    arrays: Arrays, tmp_path: Path, whole: str, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    often = replace(SETTINGS, checkpoint_minutes=0)
    with pytest.raises(Killed):
        attempt(arrays, tmp_path, often, killed_at((2, 3)))
    identity = checkpoint._read(tmp_path / NAME)[0].identity
    found = checkpoint.load(tmp_path, identity)
    assert found
    DAMAGE[damage](*found)
    checkpoint.save(tmp_path, identity, *found)
    (tmp_path / PREVIOUS).unlink()
    assert attempt(arrays, tmp_path, SETTINGS, quiet) == whole
    assert caplog.text.count("damaged checkpoint, ignored") == 1


def test_the_best_epoch_needs_validation_rows(arrays: Arrays, tmp_path: Path) -> None:
    for settings in (replace(SETTINGS, keep="best"), replace(SETTINGS, patience=3)):
        with pytest.raises(UsageError, match="need validation rows"):
            fit(make_learner(arrays), arrays, TRAIN, VAL[:0], settings, tmp_path, "x", quiet, "")


def test_more_batches_an_update_than_there_are_is_refused(arrays: Arrays, tmp_path: Path) -> None:
    settings = replace(SETTINGS, accumulate=16)
    with pytest.raises(UsageError, match=r"test: --accumulate 16 is more than the 15 batches"):
        attempt(arrays, tmp_path, settings, quiet)


@pytest.mark.slow
def test_real_processes_stopped_in_every_way(arrays: Arrays, tmp_path: Path, whole: str) -> None:
    """Kill -9 and each signal, in mid-epoch, one after another, in one training."""
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
