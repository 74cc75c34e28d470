"""Work spread over processes that end with the one that started them."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from eyecli.errors import EyecliError


def in_processes(
    function: Callable[..., None], arguments: Sequence[tuple[Any, ...]], processes: int
) -> Generator[None, None, None]:
    """Call a function once for each of the arguments, in a process of its own; yield as they end.

    When the caller stops, by an error or Ctrl-C, so do all processes, at once.

    Parameters
    ----------
    function
        At the top level of a module: it is imported there.
    arguments
        Of the calls.
    processes
        How many run at a time.

    Raises
    ------
    EyecliError
        If a process died; what a call raised is raised here.
    """
    # MediaPipe's threads, where it ran, do not survive a fork.
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(arguments))
    running: dict[Any, Any] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(
                    target=_call, args=(sender, function, waiting.pop()), daemon=True
                )
                process.start()
                sender.close()
                running[receiver] = process
            for ready in wait(list(running)):
                error = _ending(ready, running[ready])
                del running[ready]
                if error:
                    raise error
                yield
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.join()


def _call(sender: Connection, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches all processes of a terminal: the first one says so, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    # There is a process a core already.
    cv2.setNumThreads(1)
    try:
        function(*arguments)
    except Exception as error:
        sender.send(error)
    else:
        sender.send(None)


def _ending(receiver: Any, process: Any) -> Exception | None:
    try:
        error: Exception | None = receiver.recv()
    except EOFError:
        process.join()
        error = EyecliError(
            f"a process ended with {process.exitcode}",
            "-9 may be the system's, for want of memory: try again with fewer cores (taskset)",
        )
    process.join()
    return error
