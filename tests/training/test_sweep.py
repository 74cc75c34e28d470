"""Seeds and grids: read from the command line, trained one by one, none lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.errors import DataError, EyecliError, RetryError, UsageError
from eyecli.tasks.gaze.settings import GazeTrain
from eyecli.training.sweep import Setting, each, grid, worst
from eyecli.workspace.lease import BusyError

BASE = GazeTrain(epochs=3)


def test_without_anything_there_is_one_training() -> None:
    assert grid(BASE, None, []) == [Setting(BASE, "")]


@given(st.integers(0, 500), st.integers(0, 20))
def test_seeds_are_counted_from_the_first_to_the_last(first: int, more: int) -> None:
    found = grid(BASE, f"{first}..{first + more}", [])
    assert [one.settings for one in found] == [
        replace(BASE, seed=seed) for seed in range(first, first + more + 1)
    ]
    assert found[0].label == f"--seed {first}"


@given(
    st.lists(st.floats(1e-6, 1), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True),
)
def test_a_grid_has_every_combination_with_the_types_of_the_settings(
    rates: list[float], sizes: list[int]
) -> None:
    sweep = [
        f"learning-rate={','.join(map(repr, rates))}",
        f"--batch_size={', '.join(map(str, sizes))}",
    ]
    found = grid(BASE, "1..2", sweep)
    assert [one.settings for one in found] == [
        replace(BASE, learning_rate=rate, batch_size=size, seed=seed)
        for rate in rates
        for size in sizes
        for seed in (1, 2)
    ]
    assert len({one.label for one in found}) == len(found)


def test_words_and_settings_of_the_task_can_be_varied() -> None:
    found = grid(BASE, None, ["head=ridge,net", "inputs=eyes,face"])
    assert [(one.settings.head, one.settings.inputs) for one in found] == [
        ("ridge", "eyes"), ("ridge", "face"), ("net", "eyes"), ("net", "face"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seeds", "sweep", "message", "hint"),
    [
        ("4", [], "--seeds '4'", "0..4"),
        ("4..1", [], "--seeds '4..1'", "0..4"),
        ("-1..2", [], "--seeds", "0..4"),
        (None, ["learning-rat=1"], "no setting 'learning-rat'", "'learning-rate'"),
        (None, ["fold=0,1"], "no setting 'fold'", "known|did you mean"),
        (None, ["epochs"], "'epochs' is no KEY=a,b", ""),
        (None, ["epochs="], "'epochs=' is no KEY=a,b", ""),
        (None, ["epochs=1,x"], "--sweep epochs=x: a whole number", "--sweep epochs=3"),
        (None, ["epochs=1,2.5"], "--sweep epochs=2.5", ""),
        (None, ["epochs=1,"], "--sweep epochs=", ""),
        (None, ["epochs=1,0"], "--epochs 0", "1 or more"),
        (None, ["head=ridge,rigde"], "--sweep head=rigde: one of ridge, net is", ""),
        (None, ["epochs=1", "epochs=2"], "--epochs is varied twice", ""),
        ("0..1", ["seed=3"], "--seed is varied twice", ""),
        ("0..200000", [], "more than 10000 trainings", ""),
        ("0..9999", ["epochs=1,2"], "more than 10000 trainings", ""),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(
    seeds: str | None, sweep: list[str], message: str, hint: str
) -> None:
    import re

    with pytest.raises(UsageError) as caught:
        grid(BASE, seeds, sweep)
    assert message in caught.value.message
    assert re.search(hint, str(caught.value.hint))


def test_one_that_fails_does_not_lose_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def run(settings: Any) -> int:
        if settings.seed == 1:
            raise DataError("broken")
        if settings.seed == 2:
            raise MemoryError("too large")
        if settings.seed == 3:
            raise BusyError("another is at it")
        return settings.seed

    found = each(grid(BASE, "0..4", []), run)
    assert (found[0], found[4]) == (0, 4)
    failed = [one for one in found if isinstance(one, EyecliError)]
    assert [one.exit_code for one in failed] == [3, 1, 75]
    assert worst(failed) == 3 and worst(failed[2:]) == 75 and worst([]) == 0
    assert "FAILED --seed 1: broken" in caplog.text
    assert "FAILED --seed 2: unexpected MemoryError: too large" in caplog.text


@pytest.mark.parametrize("error", [RetryError("SIGTERM"), KeyboardInterrupt()])
def test_a_process_that_is_to_end_begins_no_other(error: BaseException) -> None:
    begun = []

    def run(settings: Any) -> None:
        begun.append(settings.seed)
        raise error

    with pytest.raises(type(error)):
        each(grid(BASE, "0..4", []), run)
    assert begun == [0]


@pytest.mark.parametrize("error", [DataError("broken"), MemoryError("bug"), BusyError("busy")])
def test_the_error_of_a_single_training_is_its_own(error: Exception) -> None:
    def run(settings: Any) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        each(grid(BASE, None, []), run)
    assert caught.value is error
