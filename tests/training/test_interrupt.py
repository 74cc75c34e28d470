from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eyecli.errors import RetryError, UsageError
from eyecli.training.interrupt import SIGNALS, held, interruptible, stopped

FOLDER = Path(__file__).parent


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """Hear it even where these tests are a job in the background, which ignores it."""
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


def raised(number: int) -> type[BaseException]:
    return KeyboardInterrupt if number == signal.SIGINT else RetryError


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_at_once_and_its_handler_comes_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    reached = False
    with pytest.raises(raised(number)), interruptible():
        signal.raise_signal(number)
        reached = True
    assert not reached
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("instead", [None, ValueError("cancelled")])
def test_what_a_library_swallows_or_changes_still_ends_it(
    number: signal.Signals, instead: Exception | None
) -> None:
    with pytest.raises(raised(number)), interruptible():
        try:
            signal.raise_signal(number)
        except BaseException:
            if instead:
                raise instead from None
        assert stopped()


def test_held_signals_wait(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RetryError, match="SIGTERM"), interruptible():
        with held():
            signal.raise_signal(signal.SIGTERM)
            assert stopped()
            # The same signal by way of a wrapper.
            signal.raise_signal(signal.SIGTERM)
            print("saved")
        print("never")
    assert capsys.readouterr().out == "saved\n"


def test_other_errors_pass_and_nothing_is_noted_from_before() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(UsageError), interruptible():
        raise UsageError("wrong")
    with interruptible():
        assert not stopped()


def test_ignored_signals_stay_ignored() -> None:
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, earlier)


def test_in_another_thread_signals_are_left_alone() -> None:
    done = []

    def work() -> None:
        with interruptible():
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGTERM)]


STUBBORN = """
import time
from eyecli.training.interrupt import held, interruptible
with interruptible(), held():
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(number: signal.Signals, code: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", "import signal\nsignal.signal(2, signal.default_int_handler)"
         + STUBBORN], stdout=subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout and process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        time.sleep(1.5)
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(30) == code
    finally:
        process.kill()


def test_the_copy_of_a_signal_does_not_disturb_the_clean_up() -> None:
    cleaned = False
    with pytest.raises(RetryError), interruptible():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleaned = True
    assert cleaned
