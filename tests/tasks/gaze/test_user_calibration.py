"""Calibration of test users: no point tests that calibrated, and harm is counted."""

from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
import pytest
from gaze_tables import embedding_of, people, predicted
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.prepared import Prepared
from eyecli.data.split import Split
from eyecli.evaluation.findings import Metric
from eyecli.evaluation.stage import EvaluateSettings
from eyecli.metrics.gaze import euclidean
from eyecli.tasks.gaze.reporting import findings
from eyecli.tasks.gaze.screens import Screens, same_screen
from eyecli.tasks.gaze.user_calibration import (
    calibrate_users,
    not_calibrated,
    spread_points,
    users_made_worse,
)

pytest_plugins = ["rendered_gaze"]


def test_no_point_is_evaluated_that_calibrated(prepared: Prepared) -> None:
    """Targets of the held-out points are changed: were one of them fitted, predictions moved."""
    table = people()
    embedding = embedding_of(table)
    rows, before = calibrate_users(table, embedding, prepared, points=5)
    assert len(rows) == 3 * 7 * 3 and len(set(rows)) == len(rows)
    for subject in ("ann", "bob", "cho"):
        mine = table.iloc[rows]["subject"] == subject
        assert table.iloc[rows][mine]["point"].nunique() == 7
    fitted = np.setdiff1d(np.arange(len(table)), rows)
    keys = ["subject", "point"]
    assert not set(map(tuple, table.iloc[rows][keys].to_numpy())) & set(
        map(tuple, table.iloc[fitted][keys].to_numpy())
    )
    # Another truth within the same outline, so that the same points calibrate.
    moved = table.copy()
    moved.loc[rows, ["target_x", "target_y"]] += 0.25
    again, after = calibrate_users(moved, embedding, prepared, points=5)
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(after, before)


def test_calibration_helps_people_with_a_shift(prepared: Prepared) -> None:
    table = people()
    rows, calibrated = calibrate_users(table, embedding_of(table), prepared, points=9)
    target = table[["target_x", "target_y"]].to_numpy()[rows]
    base = table[["pred_x", "pred_y"]].to_numpy()[rows]
    assert euclidean(calibrated, target).mean() < 0.4 * euclidean(base, target).mean()


def test_people_are_calibrated_apart(prepared: Prepared) -> None:
    """Their predictions do not change when somebody else's do."""
    table = people()
    embedding = embedding_of(table)
    rows, before = calibrate_users(table, embedding, prepared, points=5)
    other = table.copy()
    bob = (other["subject"] == "bob").to_numpy()
    other.loc[bob, ["pred_x", "pred_y"]] *= 1.3
    again, after = calibrate_users(other, embedding, prepared, points=5)
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(after[~bob[rows]], before[~bob[rows]])
    assert np.abs(after[bob[rows]] - before[bob[rows]]).max() > 1


@pytest.mark.parametrize("points", [0, -1, 12, 99])
def test_without_points_to_fit_or_to_test_nothing_is_calibrated(
    prepared: Prepared, points: int
) -> None:
    table = people()
    rows, calibrated = calibrate_users(table, embedding_of(table), prepared, points)
    assert rows.shape == (0,) and calibrated.shape == (0, 2)


POINTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=15
).map(lambda xy: np.array(xy, float))  # fmt: skip


@settings(deadline=None)
@given(POINTS, st.integers(0, 20), st.randoms(use_true_random=False))
def test_spread_points_are_deterministic_and_of_any_order(
    target: np.ndarray, count: int, random: Random
) -> None:
    names = np.array([f"p{i}" for i in range(len(target))])
    chosen = spread_points(names, target, count)
    assert len(chosen) == min(count, len(target)) == len(set(chosen)) and set(chosen) <= set(names)
    order = list(range(len(names))) * 2
    random.shuffle(order)
    np.testing.assert_array_equal(spread_points(names[order], target[order], count), chosen)


def test_spread_points_cover_a_grid() -> None:
    """The centre, then the corners: what a calibration screen shows."""
    x, y = np.meshgrid([0.0, 10, 20, 30, 40], [0.0, 10, 20])
    target = np.stack([x.ravel(), y.ravel()], axis=1)
    names = np.array([f"{int(a)}-{int(b)}" for a, b in target])
    chosen = spread_points(names, target, 5).tolist()
    assert chosen[0] == "20-10" and set(chosen[1:]) == {"0-0", "0-20", "40-0", "40-20"}


def test_the_choice_of_points_does_not_see_predictions(prepared: Prepared) -> None:
    table = people()
    rows, _ = calibrate_users(table, embedding_of(table), prepared, points=5)
    rng = np.random.default_rng(5)
    blind = table.assign(pred_x=rng.normal(size=len(table)), pred_y=rng.normal(size=len(table)))
    again, _ = calibrate_users(blind, rng.normal(size=(len(table), 6)), prepared, points=5)
    np.testing.assert_array_equal(again, rows)


def test_who_cannot_be_calibrated_is_counted_with_the_reason(
    prepared: Prepared, split: Split, caplog: pytest.LogCaptureFixture
) -> None:
    table = people()
    assert not_calibrated(table, 11) == "" == not_calibrated(table, 0)
    assert "3 of 3 subjects have 12 points only" in not_calibrated(table, 12)
    few = table[(table["subject"] != "bob") | table["point"].isin(["p0", "p1", "p2"])]
    said = not_calibrated(few, 5)
    assert "1 of 3 subjects have 3 points only, and --calibration-points 5" in said
    assert "bob" not in said
    # They are those that calibrate_users leaves out.
    few = few.reset_index(drop=True)
    rows, _ = calibrate_users(few, embedding_of(few), prepared, 5)
    assert set(few.iloc[rows]["subject"]) == {"ann", "cho"}
    table = predicted(prepared, split)
    found = findings(table, embedding_of(table), prepared, split, EvaluateSettings())
    assert "6 of 6 subjects have 5 points only" in found.notes[-1]
    assert found.notes[-1] in caplog.text


def test_unknown_people_are_not_calibrated_as_if_they_were_one(prepared: Prepared) -> None:
    table = people()
    unknown = table.assign(subject=table["subject"].where(table["subject"] != "bob", ""))
    rows, _ = calibrate_users(unknown, embedding_of(table), prepared, 5)
    assert set(table.iloc[rows]["subject"]) == {"ann", "cho"}
    assert not_calibrated(unknown, 5) == "Not calibrated: 36 of 108 rows are of unknown subjects."
    nobody = table.assign(subject="")
    assert len(calibrate_users(nobody, embedding_of(table), prepared, 5)[0]) == 0
    assert "108 of 108 rows" in not_calibrated(nobody, 5)


# Harm


def harmed(
    before: list[float], after: list[float], screens: Screens | None = None, unit: str = "cm"
) -> tuple[dict[str, Metric], str]:
    """One user a letter, two frames each: the mean error and 0.5 to both sides of it."""
    subjects = [letter for letter in "abcdefgh"[: len(before)] for _ in range(2)]
    apart = np.tile([-0.5, 0.5], len(before))
    old, new = (np.repeat(means, 2) + apart for means in (before, after))
    known = screens or same_screen(SETUP | {"unit": unit}, len(old))
    table = pd.DataFrame({"subject": subjects})
    metrics, note = users_made_worse(table, {unit: old}, {unit: new}, known)
    assert {(m.predictor, m.group) for m in metrics} == {("after calibration", "subjects")}
    return {m.metric: m for m in metrics}, note


SETUP = {"screen_px": None, "screen_cm": None, "distance_cm": None}


def test_users_made_worse_are_counted_by_hand() -> None:
    """One stays, one gets worse by less than 0.1 cm, one by more, one gains half."""
    found, note = harmed([2.0, 2.0, 2.0, 2.0], [2.0, 2.0625, 2.25, 1.0])
    assert {name: (m.value, m.n) for name, m in found.items()} == {
        "worse_users": (2, 4), "worse_share": (0.5, 4),
        "worse_by_0.1_cm_users": (1, 4), "worse_by_0.1_cm_share": (0.25, 4),
        "gain_mean_percent": (pytest.approx((0 - 3.125 - 12.5 + 50) / 4), 4),
    }  # fmt: skip
    assert note.startswith(
        "After calibration, of 4 test users are worse: 2 (50 %) at all, 1 (25 %) by over 0.1 cm; "
        "the mean gain over users is 8.6 % (95 % interval "
    )
    share, gain = found["worse_by_0.1_cm_share"], found["gain_mean_percent"]
    assert (share.lo, share.hi) == (0, 0.75) and gain.lo < gain.value < gain.hi  # type: ignore[operator]
    assert found["worse_users"].lo is None


def test_in_pixels_the_margin_is_a_share_of_the_screen() -> None:
    screen = same_screen(SETUP | {"unit": "px", "screen_px": (600, 800)}, 6)
    found, note = harmed([50.0, 50, 50], [59.5, 60.5, 40], screen, "px")
    assert found["worse_by_1_percent_of_screen_users"].value == 1
    assert "by over 1 % of the screen's diagonal (10 px)" in note
    unknown, note = harmed([50.0, 50, 50], [59.5, 60.5, 40], unit="px")
    assert set(unknown) == {"worse_users", "worse_share", "gain_mean_percent"}
    assert "of 3 test users are worse: 2 (66.7 %) at all; the mean" in note


def test_nobody_gains_on_no_error() -> None:
    found, note = harmed([0.5], [0.5])
    assert found["gain_mean_percent"].value == 0 and "interval" not in note
    table, zero = pd.DataFrame({"subject": ["a"]}), {"cm": np.zeros(1)}
    metrics, note = users_made_worse(table, zero, zero, same_screen(SETUP | {"unit": "cm"}, 1))
    assert "gain_mean_percent" not in {m.metric for m in metrics} and "gain" not in note


def test_users_left_alone_are_not_worse(prepared: Prepared) -> None:
    """To the last bit: a prediction that stays is no harm."""
    table = people()
    rng = np.random.default_rng(3)
    exact = table[["target_x", "target_y"]].to_numpy() + rng.normal(0, 9, (len(table), 2))
    table[["pred_x", "pred_y"]] = exact
    rows, after = calibrate_users(table, embedding_of(table), prepared, 5)
    held = table.iloc[rows].reset_index(drop=True)
    target = held[["target_x", "target_y"]].to_numpy()
    old, new = ({"px": euclidean(p, target)} for p in (exact[rows], after))
    metrics, _ = users_made_worse(held, old, new, same_screen(SETUP | {"unit": "px"}, len(held)))
    stays = (after == exact[rows]).all(axis=1)
    assert stays.any(), "the gate keeps some of them"
    changed = held["subject"][~stays].nunique()
    assert metrics[0].value <= changed
