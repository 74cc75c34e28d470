from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eyecli.coreml.judgement import COMMONEST
from eyecli.coreml.validation import balanced


@given(st.lists(st.integers(0, 4), min_size=1, max_size=120), st.integers(2, 40))
def test_no_class_fills_the_choice(classes: list[int], count: int) -> None:
    known = np.array(classes)
    chosen = balanced(known, count)
    assert len(set(chosen.tolist())) == len(chosen) <= count
    there = np.bincount(known[chosen])
    if len(np.unique(known)) > 1 and count > 2:
        # One more than the share, where so few are left that it cannot be met.
        assert there.max() <= max(COMMONEST * len(chosen), len(chosen) - there.max() + 1)
    if len(np.unique(known)) <= count:
        assert set(known[chosen]) == set(classes)


def test_a_rare_class_limits_the_choice() -> None:
    chosen = balanced(np.array([0] * 90 + [1] * 4), 32)
    assert sorted(np.array([0] * 90 + [1] * 4)[chosen]) == [0] * 6 + [1] * 4


def test_one_class_only_is_left_for_parity_to_refuse() -> None:
    assert len(balanced(np.zeros(50, int), 32)) == 32
