"""Work on many items in several processes, which never outlive the one that began it."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from eyecli.errors import EyecliError

T = TypeVar("T")
R = TypeVar("R")
PR_SET_PDEATHSIG = 1


def in_processes(
    work: Callable[[T], R], items: Sequence[T], processes: int
) -> Generator[R, None, None]:
    """Yield the results of `work` on every item, in order; closed early, all of it ends at once.

    Parameters
    ----------
    work
        A function of a module: it is imported by the processes, which start anew.
    items
        What it is given, one at a time.
    processes
        How many, at most. Even one is a process of its own: what libraries print, and a crash of
        theirs, stays in it.

    Raises
    ------
    EyecliError
        If a process was killed, by the system for want of memory most likely.
    """
    if not items:
        return
    # A fork would copy threads' locks without the threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(items)), context, _begin, (os.getpid(),))
    try:
        with _deferred():
            results = pool.map(work, items)
        yield from results
    except BrokenProcessPool as error:
        raise EyecliError(
            "a worker process was killed, perhaps for want of memory",
            "run it again with fewer --processes",
        ) from error
    finally:
        # What is at work belongs to nobody any more, whatever ended this.
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _deferred() -> Iterator[None]:
    """Hear of a signal that ends us after this only: a process cut off as it starts complains."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: found for number, found in earlier.items() if callable(found)}
    for number in ours:
        signal.signal(number, lambda heard, _: seen.append(heard))
    try:
        yield
    finally:
        for number, found in ours.items():
            signal.signal(number, found)
        for heard in seen:
            signal.raise_signal(heard)


def _begin(parent: int) -> None:
    # Ctrl-C is heard by the parent, which ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    # There is a process a core already.
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    # Errors come back as exceptions; what libraries say of themselves, every process would repeat.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    logging.disable()
