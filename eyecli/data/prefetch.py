"""Work done ahead of its use, in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
# One in use, one ready, one in the making.
AHEAD = 2


def prefetch(
    jobs: Iterable[Callable[[], Item]], ahead: int = AHEAD, threads: int = 1
) -> Generator[Item, None, None]:
    """Yield the results of jobs in their order, a few of them made before they are asked for.

    An exception of a job is raised where its result would have come. Close the generator
    (`contextlib.closing`) to leave early: it returns when its threads have ended.

    Parameters
    ----------
    jobs
        What to do, each independent of the thread that does it.
    ahead
        Results that may wait; more cost memory.
    threads
        How many jobs are done at once, at most.
    """
    pool = ThreadPoolExecutor(threads, "prefetch")
    left = iter(jobs)
    try:
        waiting = deque(pool.submit(job) for job in islice(left, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(job) for job in islice(left, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
