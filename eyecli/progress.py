"""Progress of long work: a bar on a terminal, plain lines now and then in batch jobs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

log = logging.getLogger(__name__)

Item = TypeVar("Item")
# A batch job's log wants a sign of life, not a line an item.
SECONDS = 10.0


@dataclass(frozen=True)
class Beat:
    """How far a training is: a sign of life after every batch.

    Attributes
    ----------
    epoch, epochs
        The running epoch, 1 for the first, and how many there are.
    batch, batches
        Batches done of it, and how many it has.
    seconds_left
        An estimate for the rest of this training.
    waited
        Share of the time of the training steps that was spent waiting for data.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    seconds_left: float
    waited: float = 0.0


def track(items: Sequence[Item], label: str, *, bar: bool = True) -> Iterator[Item]:
    """Yield the items and say on stderr how far along they are.

    Parameters
    ----------
    items
        What to go through.
    label
        What is being done, in one word.
    bar
        Whether a terminal gets a bar: not where results are printed to it meanwhile.
    """
    if bar and sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
        from rich.console import Console
        from rich.progress import track as show

        yield from show(items, label, console=Console(stderr=True), transient=True)
        return
    last = started = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - last >= SECONDS:
            left = (now - started) / done * (len(items) - done)
            fields = {"done": done, "total": len(items), "seconds_left": round(left, 1)}
            log.info("%s: %d of %d, %.0f s left", label, done, len(items), left,
                     extra={"fields": fields})  # fmt: skip
            last = now
        yield item


def track_piles(number: int, size: int, label: str) -> Iterator[range]:
    """Yield the places of items, `size` at once, and say how many items are done, as `track`."""
    for done in track(range(1, number + 1), label):
        if done % size == 0 or done == number:
            yield range((done - 1) // size * size, done)
