from __future__ import annotations

import threading
from contextlib import closing
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.prefetch import prefetch


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "prefetch" in thread.name]


@settings(deadline=None)
@given(st.integers(0, 20), st.integers(1, 5))
def test_results_come_in_order(count: int, ahead: int) -> None:
    jobs = (partial(divmod, n, 3) for n in range(count))
    assert list(prefetch(jobs, ahead)) == [divmod(n, 3) for n in range(count)]
    assert not threads()


def test_the_next_is_made_before_it_is_asked_for() -> None:
    made = [threading.Event() for _ in range(4)]
    with closing(prefetch((event.set for event in made), ahead=2)) as source:
        next(source)
        assert made[1].wait(30) and made[2].wait(30)
        assert not made[3].wait(0.1), "no more than asked for"


def test_an_exception_comes_where_its_result_would_have() -> None:
    def fail() -> int:
        raise ValueError("row 7")

    source = prefetch(iter([lambda: 1, fail, lambda: 3]))
    assert next(source) == 1
    with pytest.raises(ValueError, match="row 7"):
        next(source)
    assert not threads()


def test_leaving_early_leaves_no_thread() -> None:
    asked: list[int] = []
    jobs = (partial(asked.append, n) for n in range(1000))
    with pytest.raises(KeyboardInterrupt), closing(prefetch(jobs)) as source:
        next(source)
        raise KeyboardInterrupt
    assert not threads() and len(asked) <= 3
