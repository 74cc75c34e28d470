"""Whose eye a new photograph shows, and what several folds say of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eyecli.data.inputs import Given
from eyecli.tasks.dr.eyes import pairs, tell_unpaired, whose
from eyecli.tasks.dr.fusion import fuse, fused_facts, odds, paired
from eyecli.tasks.dr.grading import above_of, agreed, columns, settle
from eyecli.tasks.dr.predicting import _answers


def given(file: str, **carried: str) -> Given:
    return Given(file, bytes, carried)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (given("10_left.jpeg"), ("10", "OS")),
        (given("b/p-7_RIGHT.JPG"), ("b/p-7", "OD")),
        (given("10_left/a.jpeg"), ("", "")),
        (given("10left.jpeg"), ("", "")),
        (given("a.jpg", subject="ann", laterality="OD"), ("ann", "OD")),
        (given("a.jpg", subject="ann", laterality=""), ("ann", "")),
        (given("10_left.jpeg", subject="ann", laterality="Right"), ("ann", "OD")),
        (given("10_left.jpeg", subject="", laterality=""), ("10", "OS")),
    ],
)
def test_a_table_tells_more_than_a_name(file: Given, expected: tuple[str, str]) -> None:
    assert whose(file) == expected


def test_only_eyes_of_a_patient_in_a_row_are_a_pair(caplog: pytest.LogCaptureFixture) -> None:
    names = "1_left 1_right 2_left 3_left a 2_right 4_left 4_left b 5_right c 5_left"
    files = [given(f"{name}.png") for name in names.split()]
    assert [*paired(*pairs(files))] == [True, True, *[False] * 10]
    tell_unpaired(files, "photographs")
    tell_unpaired(files[:2], "photographs")
    (said,) = caplog.messages
    assert said.startswith("the other eye of 10 of 12 photographs is not known")


def test_a_fold_that_fuses_nothing_takes_part_in_the_mean_as_it_is() -> None:
    rng = np.random.default_rng(0)
    logits, grades = rng.normal(0, 2, (2, 40, 4)), rng.permutation(np.tile(np.arange(5), 8))
    plain: list[dict[str, Any]] = [
        {"target": "grade", "loss": "cumulative", **settle(each, grades, "grade")}
        for each in logits
    ]
    fusion: dict[str, Any] = {"own": [0.7] * 4, "other": [0.6] * 4, "bias": [0.1] * 4}
    # Other decisions than those of one eye.
    fusion |= settle(logits[0] * 1.5, grades, "grade")
    fusion |= {"cuts": [0.1, 0.2, 0.3, 0.4], "sensitive": 0.9}
    folds = [plain[0] | {"fusion": fusion}, plain[1] | {"fusion": None}]
    patients, sides = np.repeat([f"{n}" for n in range(20)], 2), np.tile(["OD", "OS"], 20)
    sides[-2:] = ""
    facts = agreed([*map(fused_facts, folds)])
    rows = _answers([*logits], folds, facts, patients, sides)
    assert [row["eyes"] for row in rows] == [2] * 38 + [1] * 2

    both = columns(
        fuse(odds(logits[0], folds[0]), patients, sides, fusion), {"target": "grade", **fusion}
    )["p_ge2"]
    first, second = (above_of(each, fold)[:, 1] for each, fold in zip(logits, folds, strict=True))
    np.testing.assert_allclose([row["p_ge2"] for row in rows], (both + second) / 2, atol=1e-6)
    for row in rows:
        expects = sum(row[f"p_ge{grade}"] for grade in (1, 2, 3, 4))
        assert row["grade"] == np.searchsorted(facts["cuts"], expects)
        assert row["referable"] == (row["p_ge2"] >= facts["sensitive"])

    folds[0]["fusion"] = None
    rows = _answers([*logits], folds, agreed(folds), patients, sides)
    assert {row["eyes"] for row in rows} == {1}
    assert [row["p_ge2"] for row in rows] == pytest.approx([*(first + second) / 2], abs=1e-6)
