"""A training that was stopped ends with the same bits as one that was not."""

from __future__ import annotations

import hashlib
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_training import ROWS, SETTINGS, make_arrays, make_learner

from eyecli.data.arrays import Arrays
from eyecli.errors import RetryError, UsageError
from eyecli.progress import Beat
from eyecli.training import checkpoint
from eyecli.training.checkpoint import NAME, PREVIOUS
from eyecli.training.fit import fit
from eyecli.training.interrupt import interruptible
from eyecli.training.model import WEIGHTS, save_fold
from eyecli.training.settings import TrainSettings

TRAIN, VAL = np.arange(30), np.arange(30, ROWS)


class Killed(BaseException):
    """Stands for kill -9: nothing is done about it."""


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    return make_arrays(tmp_path_factory.mktemp("numbers"))


def digest(folder: Path, model: object) -> str:
    """Digest of what would be published, and of the journal."""
    save_fold(folder / "saved", model, {})  # type: ignore[arg-type]
    content = (folder / "saved" / WEIGHTS).read_bytes() + (folder / "metrics.jsonl").read_bytes()
    return hashlib.sha256(content).hexdigest()


def attempt(
    arrays: Arrays, folder: Path, settings: TrainSettings, beat: Callable[[Beat], None]
) -> str:
    folder.mkdir(exist_ok=True)
    learner = make_learner(arrays)
    fit(learner, arrays, TRAIN, VAL, settings, folder, "test", beat, "same")
    return digest(folder, learner.model)


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
            assert threading.active_count() < 20
            assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]
    raise AssertionError("never done")


def quiet(beat: Beat) -> None:
    pass


VARIANTS = {
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
    if number != signal.SIGINT:
        assert f"{number.name}: test: checkpoint saved in epoch 1 after batch 2 of 5" in str(error)
        assert "same command" in str(error.value.hint)
    assert through(arrays, tmp_path / "cut", SETTINGS, beat) == (whole, 2)


def test_the_time_limit_stops_and_the_next_run_goes_on(arrays: Arrays, tmp_path: Path) -> None:
    whole = attempt(arrays, tmp_path / "whole", SETTINGS, quiet)
    limited = replace(SETTINGS, max_time="1s")
    with interruptible():
        began = threading.Event()
        began.wait(1.1)
        with pytest.raises(RetryError, match="epoch 1 after batch 1 .*--max-time 1s is over"):
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
    for change in ({"keep": "best"}, {"patience": 3}):
        settings = replace(SETTINGS, **change)
        with pytest.raises(UsageError, match="need validation rows"):
            fit(make_learner(arrays), arrays, TRAIN, VAL[:0], settings, tmp_path, "x", quiet, "")
