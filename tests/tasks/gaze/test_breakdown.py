from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eyecli.tasks.gaze.breakdown import error_by, named, subject_means

TABLE = pd.DataFrame(
    {"subject": ["ann", "ann", "bob", "bob", "cho"], "sample": list("abcde"),
     "device": ["x", "x", "x", "", "y"], "orientation": [""] * 5}
)  # fmt: skip
ERRORS = {"cm": np.array([1.0, 3, 5, 100, 8]), "px": np.array([10.0, 30, 50, 1000, 80])}


def test_errors_of_a_device_by_hand() -> None:
    found = {(m.metric, m.group): m for m in error_by("device", "model", TABLE, ERRORS)}
    assert {key: (m.value, m.n) for key, m in found.items()} == {
        ("error_mean_cm", "device=x"): (3, 3), ("error_mean_px", "device=x"): (30, 3),
        ("error_mean_cm", "device=y"): (8, 1), ("error_mean_px", "device=y"): (80, 1),
    }  # fmt: skip
    # Two people of means 2 and 5 may each be drawn twice; one person has no interval.
    of_x = found["error_mean_cm", "device=x"]
    assert (of_x.lo, of_x.hi) == (pytest.approx(2), pytest.approx(5))
    assert found["error_mean_cm", "device=y"].lo is None


def test_a_column_without_values_has_no_rows() -> None:
    assert error_by("orientation", "model", TABLE, ERRORS) == []
    assert named(TABLE.drop(columns="device"), "device") == {}


def test_subjects_are_named_by_their_ids_and_unknown_ones_left_out() -> None:
    found = error_by("subject", "model", TABLE, ERRORS)
    assert [(m.group, m.value, m.n) for m in found if m.metric == "error_mean_cm"] == [
        ("subject=ann", 2, 2), ("subject=bob", 52.5, 2), ("subject=cho", 8, 1),
    ]  # fmt: skip
    assert {m.lo for m in found} == {None}
    unknown = TABLE.assign(subject=["ann", "ann", "", "", "cho"])
    groups = {m.group for m in error_by("subject", "model", unknown, ERRORS)}
    assert groups == {"subject=ann", "subject=cho"}
    names, means = subject_means(unknown, ERRORS["cm"])
    assert (names.tolist(), means.tolist()) == (["ann", "cho"], [2, 8])
