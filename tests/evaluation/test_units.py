"""People are resampled wherever they are known, samples where they are not, and that is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eyecli.evaluation.alignment import sampling_of
from eyecli.evaluation.units import intervals_in_words, unit_notes, units_of

# Two people, six samples, one of them predicted twice; the split's groups are single samples.
TABLE = pd.DataFrame(
    {
        "sample": list("abcdeff"),
        "subject": ["ann"] * 3 + ["bob"] * 4,
        "group": list("abcdeff"),
    }
)


def test_subjects_are_resampled_whatever_the_split_was_drawn_by() -> None:
    units = units_of(TABLE)
    assert (units.kind, units.number) == ("subjects", 2)
    assert units.owners.tolist() == TABLE["subject"].tolist()
    sampling = sampling_of(TABLE)
    assert sampling.groups == 2 and sampling.owner.tolist() == [0] * 3 + [1] * 4
    assert sampling.weight.tolist() == [1] * 5 + [0.5] * 2
    assert "over subjects (Efron" in intervals_in_words(units)
    assert unit_notes(TABLE, units) == [
        "2 subjects only: with fewer than 10, intervals are too narrow."
    ]


@pytest.mark.parametrize("unknown", [7, 1])
def test_without_all_subjects_samples_are_and_it_is_said(unknown: int) -> None:
    table = TABLE.assign(subject=np.where(np.arange(7) < unknown, "", TABLE["subject"]))
    units = units_of(table)
    assert (units.kind, units.number) == ("samples", 6), "two predictions of f stay together"
    note = unit_notes(table, units)[0]
    assert f"unknown for {unknown} of 7 rows" in note and "too narrow" in note
    assert "over samples" in intervals_in_words(units) and "alike" in intervals_in_words(units)


def test_of_many_people_nothing_needs_saying() -> None:
    table = pd.DataFrame({"sample": range(10), "subject": list("abcdefghij")})
    assert unit_notes(table, units_of(table)) == []
