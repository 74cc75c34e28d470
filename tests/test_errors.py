"""Errors: an exit code each, suggestions for what is nearly right."""

from __future__ import annotations

import pytest

from eyecli.errors import (
    CheckError,
    DataError,
    EyecliError,
    MissingError,
    UsageError,
    suggest,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [(EyecliError, 1), (UsageError, 2), (DataError, 3), (CheckError, 4), (MissingError, 5)],
)
def test_each_kind_has_its_exit_code(error: type[EyecliError], code: int) -> None:
    caught = error("what is wrong", "what to do")
    assert caught.exit_code == code
    assert (str(caught), caught.message, caught.hint) == ("what is wrong",) * 2 + ("what to do",)
    assert issubclass(error, EyecliError)


def test_the_kinds_are_told_apart() -> None:
    kinds = [e.kind for e in (EyecliError, UsageError, DataError, CheckError, MissingError)]
    assert len(set(kinds)) == 5


def test_the_nearest_word_is_suggested() -> None:
    assert suggest("epoch", ["epochs", "seed"]) == "did you mean 'epochs'?"
    assert suggest("zzz", ["epochs", "seed"]) == "known: epochs, seed"
    assert suggest("zzz", []) is None
