"""Several trainings in one command: seeds, and grids of settings."""

from __future__ import annotations

import itertools
import logging
import re
import typing
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import msgspec

from eyecli.errors import EyecliError, RetryError, UsageError, suggest
from eyecli.training.interrupt import interruptible, stopped
from eyecli.training.settings import WITHOUT_EFFECT, TrainSettings
from eyecli.workspace.lease import BusyError

log = logging.getLogger(__name__)

Settings = TypeVar("Settings", bound=TrainSettings)
MOST = 10_000
NEEDED = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Setting:
    """One training of several: its settings, and what tells it from the others."""

    settings: Any
    label: str


def grid(
    settings: Settings, seeds: str | None, sweep: Sequence[str], typed: Collection[str] = ()
) -> list[Setting]:
    """Return the settings of every training that was asked for.

    Parameters
    ----------
    settings
        What all have in common.
    seeds
        ``a..b``, both included; None for the one seed of the settings.
    sweep
        ``KEY=a,b`` each, KEY spelt as the flag; of several all combinations are trained.
    typed
        Settings whose flags were typed beside them.

    Raises
    ------
    UsageError
        If a key or a value is not one of the settings', or one is both given and varied.
    """
    axes = [_axis(text, settings) for text in sweep]
    if seeds is not None:
        axes.append(("seed", _seeds(seeds)))
    keys = [key for key, _ in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise UsageError(f"{_flag(key)} is varied twice", "write all its values in one place")
        if key in typed:
            raise UsageError(f"{_flag(key)} is given and varied", "leave one of them out")
    combinations = itertools.islice(itertools.product(*(v for _, v in axes)), MOST + 1)
    found = []
    for values in combinations:
        chosen = dict(zip(keys, values, strict=True))
        label = " ".join(f"{_flag(key)} {value}" for key, value in chosen.items())
        found.append(Setting(replace(settings, **chosen), label))
    if len(found) > MOST:
        raise UsageError(f"more than {MOST} trainings", "vary fewer settings")
    return found


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _seeds(text: str) -> list[int]:
    match = re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", text)
    if not match or int(match[1]) > int(match[2]):
        raise UsageError(f"--seeds '{text}'", "write first..last, such as 0..4 for five seeds")
    return list(range(int(match[1]), min(int(match[2]), int(match[1]) + MOST) + 1))


def _axis(text: str, settings: TrainSettings) -> tuple[str, list[Any]]:
    """Read ``KEY=a,b``."""
    word, equals, values = text.partition("=")
    key = word.strip().lstrip("-").replace("-", "_")
    known = {entry.name for entry in fields(settings)} - set(WITHOUT_EFFECT)
    if not equals or not values.strip():
        raise UsageError(f"--sweep '{text}' is no KEY=a,b", "such as learning-rate=0.001,0.003")
    if key not in known:
        spelt = {name.replace("_", "-") for name in known}
        raise UsageError(f"--sweep: no setting '{word}'", suggest(word, spelt))
    wanted = typing.get_type_hints(type(settings))[key]
    found = []
    for value in (part.strip() for part in values.split(",")):
        try:
            found.append(msgspec.convert(value, wanted, strict=False))
        except msgspec.ValidationError as error:
            kind = NEEDED.get(wanted) or f"one of {', '.join(map(str, typing.get_args(wanted)))}"
            raise UsageError(
                f"--sweep {word}={value}: {kind} is needed",
                f"such as --sweep {word}={getattr(settings, key)}",
            ) from error
    # 0.001 and 1e-3 are one training.
    return key, list(dict.fromkeys(found))


T = TypeVar("T")


def each(settings: Sequence[Setting], run: Callable[[Any], T]) -> list[T | EyecliError]:
    """Run every training; one that fails does not lose the others.

    Returns
    -------
    list
        What `run` returned, or the error, in the order of `settings`.

    Raises
    ------
    RetryError
        If this process is to end: the rest is not begun.
    """
    results: list[T | EyecliError] = []
    # One time limit for all of them.
    with interruptible():
        for number, one in enumerate(settings):
            if len(settings) > 1:
                log.info("training %d of %d: %s", number + 1, len(settings), one.label)
            try:
                results.append(run(one.settings))
            except Exception as error:
                ending = isinstance(error, RetryError) and not isinstance(error, BusyError)
                if len(settings) == 1 or ending or stopped():
                    raise
                # Out of memory at a large batch size, for instance: small ones may still do.
                unexpected = f"unexpected {type(error).__name__}: {error}".splitlines()[0]
                failed = error if isinstance(error, EyecliError) else EyecliError(unexpected)
                log.warning("FAILED %s: %s", one.label, failed.message)
                results.append(failed)
    return results


def worst(errors: Sequence[EyecliError]) -> int:
    """Exit code of several trainings: a failure outweighs what only has to be run again."""
    codes = [error.exit_code for error in errors]
    return max(
        (code for code in codes if code != RetryError.exit_code), default=max(codes, default=0)
    )
