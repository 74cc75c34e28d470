"""Rows of a model that is applied: their order, how far it reads ahead, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from eyecli.data.fields import Field
from eyecli.data.inputs import Given, Inputs
from eyecli.errors import DataError, UsageError
from eyecli.machine import usable_cores
from eyecli.training import applying
from eyecli.training.applying import Applied, PredictSettings, batches, columns_of, predicted

BATCH = 3


class Doubling:
    """A task of numbers: what is odd is uncertain, what is no number cannot be read."""

    FIELDS: tuple[Field, ...] = ()
    WHAT = "numbers"

    def __init__(self) -> None:
        self.prepared: list[str] = []

    def wanted(self, names: Iterable[str]) -> list[str]:
        return [*names]

    def prepare(self, content: bytes, name: str, setup: dict[str, Any]) -> int:
        self.prepared.append(name)
        if not content.isdigit():
            raise DataError(f"{name}: no number")
        return int(content) * setup["times"]

    def applied(
        self, model: Any, partitions: Sequence[int], settings: PredictSettings,
        files: Sequence[Given],
    ) -> Applied:  # fmt: skip
        return Applied(
            ("value", "why"),
            BATCH,
            lambda files, some: [{"value": one, "why": "odd" if one % 4 else ""} for one in some],
        )


def given(*contents: str) -> Inputs:
    return Inputs([Given(f"n{i}", content.encode) for i, content in enumerate(contents)])


def rows_of(
    task: Doubling, inputs: Inputs, on_error: Literal["skip", "stop"] = "skip"
) -> Iterable[dict[str, Any]]:
    ready = task.applied(None, [], PredictSettings(), inputs.files)
    assert columns_of(inputs, ready) == ["file", "status", "value", "why", "error"]
    return predicted(inputs, task, ready, {"times": 2}, on_error)


def test_rows_are_in_the_order_of_the_files_and_errors_keep_their_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    numbers = [str(number) for number in range(20)]
    rows = [*rows_of(Doubling(), given(*numbers[:7], "x", *numbers[7:]))]
    assert [row["file"] for row in rows] == [f"n{i}" for i in range(21)]
    assert rows.pop(7) == {"file": "n7", "status": "error", "error": "n7: no number"}
    assert [row["value"] for row in rows] == [2 * number for number in range(20)]
    assert "abstained from 10: odd" in caplog.messages
    assert "1 of 21 cannot be read; their rows say why" in caplog.messages


def test_only_a_few_files_are_read_ahead() -> None:
    task = Doubling()
    rows = iter(rows_of(task, given(*"123456789" * 30)))
    next(rows)
    assert len(task.prepared) <= 2 * BATCH + usable_cores()
    rows.close()  # type: ignore[attr-defined]
    assert not [each for each in threading.enumerate() if each.name.startswith("prefetch")]


def first(file: Given) -> str:
    return file.file[0].strip("-")


def split(names: str, size: int) -> list[str]:
    files = [Given(name, bytes) for name in names.split()]
    return [" ".join(file.file for file in batch) for batch in batches(files, first, size)]


def test_files_of_one_key_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert split("a1 a2 b1 b2 c1 -1 -2 -3 -4", 3) == ["a1 a2", "b1 b2 c1", "-1 -2 -3", "-4"]
    assert split("a1 b1 b2 b3 b4 a2 a3", 2) == ["a1", "b1 b2 b3 b4", "a2 a3"]
    monkeypatch.setattr(applying, "TOGETHER", 3)
    assert split("a1 b1 b2 b3 b4 b5 c1", 2) == ["a1", "b1 b2 b3", "b4 b5", "c1"]


@settings(deadline=None)
@given_(st.lists(st.sampled_from(["a1", "b1", "-1"])), st.integers(1, 5))
def test_batches_hold_every_file_in_order_and_are_no_larger_than_they_must(
    names: list[str], size: int
) -> None:
    found = split(" ".join(names), size)
    assert [name for batch in found for name in batch.split()] == names
    for one, after in pairwise(found):
        assert one[-2] == "-" or one[-2] != after[0]
    for batch in found:
        assert len(batch.split()) <= size or len(set(batch.split())) == 1


def test_an_error_stops_it_after_the_rows_before_it() -> None:
    rows = iter(rows_of(Doubling(), given("1", "2", "3", "4", "x", "5"), "stop"))
    assert [next(rows)["value"] for _ in range(4)] == [2, 4, 6, 8]
    with pytest.raises(DataError, match="n4: no number"):
        next(rows)


@pytest.mark.parametrize("wrong", [{"abstain": 1.1}, {"abstain": -0.1}, {"min_quality": 2.0}])
def test_shares_have_limits(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        PredictSettings(**wrong)
