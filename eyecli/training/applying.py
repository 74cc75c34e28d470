"""A model applied to new files: a row a file, in their order, as soon as it is there."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from typing import Any, Literal, Protocol

from eyecli.data.fields import Field
from eyecli.data.inputs import Given, Inputs
from eyecli.data.prefetch import prefetch
from eyecli.errors import DataError, UsageError
from eyecli.machine import usable_cores
from eyecli.progress import track
from eyecli.settings import setting
from eyecli.training.model import choose_fold, read_model
from eyecli.workspace.store import Artifact

log = logging.getLogger(__name__)

# Threads that decode, at most: more would wait for the network with what they hold.
THREADS = 8
OK, ERROR = "ok", "error"
# Files of one key that are held at once, at most.
TOGETHER = 64
Row = dict[str, Any]


@dataclass(frozen=True)
class PredictSettings:
    """Settings of ``predict``."""

    fold: int = setting(
        -1, "Fold of a cross-validated model; by default the mean of all its folds."
    )
    min_quality: float = setting(
        0.2, "Abstain from photographs of a lower quality, 0 to 1, and from those without a fundus."
    )
    abstain: float = setting(
        0.1,
        "Abstain where the model is less certain than of this share of the held-out rows of its "
        "training; 0 abstains from none for that.",
    )
    on_error: Literal["skip", "stop"] = setting(
        "skip",
        "What cannot be read: a row with the error in it, counted at the end, or stop (exit code "
        "3) after the rows before it.",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.min_quality <= 1:
            raise UsageError(f"--min-quality {self.min_quality:g} is out of range", "use 0 to 1")
        if not 0 <= self.abstain <= 1:
            raise UsageError(f"--abstain {self.abstain:g} is out of range", "use a share, 0 to 1")


@dataclass(frozen=True)
class Applied:
    """A model that is ready to be applied.

    Attributes
    ----------
    columns
        Names of the values of a row. One of them is ``why``: what it abstains for, empty if it
        does not.
    batch
        Files that it takes at once; see `batches`.
    rows
        From files, and what was made of them, to the values of their rows.
    key
        Of a file: those of one key that follow one another are taken at once. Empty for none.
    """

    columns: tuple[str, ...]
    batch: int
    rows: Callable[[Sequence[Given], Sequence[Any]], list[Row]]
    key: Callable[[Given], str] = lambda file: ""


class Predicting(Protocol):
    """What a task supplies to predict, a module.

    Attributes
    ----------
    FIELDS
        Of a table of files: ``path`` and what goes along.
    WHAT
        What the files are, in the plural.
    """

    FIELDS: tuple[Field, ...]
    WHAT: str

    def wanted(self, names: Iterable[str]) -> list[str]:
        """Return those of some file names that can be predicted."""

    def prepare(self, content: bytes, name: str, setup: dict[str, Any]) -> Any:
        """Make of a file what `preprocess` does; in threads. Raises `DataError`."""

    def applied(
        self,
        model: Artifact,
        partitions: Sequence[int],
        settings: PredictSettings,
        files: Sequence[Given],
    ) -> Applied:
        """Load the networks of some folds, for files that are read later."""


def chosen_folds(model: Artifact, fold: int) -> list[int]:
    """Return the partitions whose mean is taken: one, or all if `fold` is -1.

    Raises
    ------
    UsageError
        If the model has no such fold.
    """
    return read_model(model).partitions if fold == -1 else [choose_fold(model, fold)]


def columns_of(inputs: Inputs, applied: Applied) -> list[str]:
    """Return the columns of the rows of `predicted`."""
    return ["file", *inputs.carried, "status", *applied.columns, "error"]


def batches(
    files: Iterable[Given], key: Callable[[Given], str], size: int
) -> Iterator[list[Given]]:
    """Yield files in their order, so many at once.

    Files of one key that follow one another stay together, `TOGETHER` of them at most, though a
    batch is then larger or smaller.
    """
    batch: list[Given] = []
    for name, run in groupby(files, key):
        while part := list(islice(run, TOGETHER if name else 1)):
            if batch and len(batch) + len(part) > size:
                yield batch
                batch = []
            batch += part
    if batch:
        yield batch


def predicted(
    inputs: Inputs,
    predicting: Predicting,
    applied: Applied,
    setup: dict[str, Any],
    on_error: Literal["skip", "stop"],
    *,
    bar: bool = False,
) -> Iterator[Row]:
    """Yield a row a file, in their order; files are decoded in threads, a few ahead.

    Parameters
    ----------
    inputs, predicting, applied
        The files, what the task supplies, and the model.
    setup
        How the model's data were prepared.
    on_error
        See `PredictSettings`.
    bar
        Whether a terminal gets a bar on stderr.

    Yields
    ------
    dict
        Column to value; columns without a value are left out.

    Raises
    ------
    DataError
        Of the first file that cannot be read, if that is to stop it.
    """
    started, told, threads = time.monotonic(), Counter[str](), min(THREADS, usable_cores())
    given = track(inputs.files, predicting.WHAT, bar=bar)
    jobs = (partial(_prepared, one, predicting, setup) for one in given)
    with closing(prefetch(jobs, applied.batch + threads, threads)) as ready:
        for files in batches(inputs.files, applied.key, applied.batch):
            group = [(file, next(ready)) for file in files]
            good = [each for each in group if not isinstance(each[1], DataError)]
            rows = iter(applied.rows([file for file, _ in good], [one for _, one in good]))
            for file, one in group:
                known = {"file": file.file, **file.carried}
                if not isinstance(one, DataError):
                    row = known | {"status": OK} | next(rows)
                    told[row.get("why") or OK] += 1
                    yield row
                    continue
                if on_error == "stop":
                    raise DataError(one.message, "--on-error skip goes on without it")
                told[ERROR] += 1
                yield known | {"status": ERROR, "error": one.message}
    _tell(predicting.WHAT, told, time.monotonic() - started)


def _prepared(one: Given, predicting: Predicting, setup: dict[str, Any]) -> Any:
    """Return what is made of a file, or what is wrong with it."""
    try:
        return predicting.prepare(one.read(), one.file, setup)
    except DataError as error:
        return error


def _tell(what: str, told: Counter[str], seconds: float) -> None:
    number = told.total()
    log.info("%d %s in %.1f s, %.0f a minute", number, what, seconds, 60 * number / seconds)
    for why in sorted(told.keys() - {OK, ERROR}):
        log.info("abstained from %d: %s", told[why], why)
    if told[ERROR]:
        log.warning("%d of %d cannot be read; their rows say why", told[ERROR], number)
