from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from gaze_tables import predicted, with_index
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.prepared import Prepared
from eyecli.data.split import Partition, Split
from eyecli.evaluation.baselines import Known, constant
from eyecli.evaluation.findings import Metric
from eyecli.evaluation.stage import EvaluateSettings
from eyecli.metrics.gaze import euclidean
from eyecli.tasks.gaze import reporting
from eyecli.tasks.gaze.reporting import (
    baseline_predictions,
    calibrate_users,
    error_units,
    findings,
    not_calibrated,
    spread_points,
    summarise,
)

pytest_plugins = ["rendered_gaze"]

# Ann: a dot of two frames, each 10 off, their mean 8; a dot of one frame, 2 off.
# Bob: a dot of the same name, 3 off.
TABLE = pd.DataFrame(
    {
        "partition": [0, 0, 0, 1],
        "sample": ["a", "b", "c", "d"],
        "group": ["ann", "ann", "ann", "bob"],
        "subject": ["ann", "ann", "ann", "bob"],
        "session": ["1"] * 4,
        "point": ["p1", "p1", "p2", "p1"],
    }
)
TARGET = np.array([[0.0, 0], [0, 0], [50, 50], [0, 0]])
PREDICTION = np.array([[-6.0, 8], [6, 8], [52, 50], [0, -3]])


def by_name(metrics: list[Metric]) -> dict[tuple[str, str], Metric]:
    return {(m.metric, m.group): m for m in metrics}


def test_the_three_aggregations_by_hand() -> None:
    found = by_name(summarise("model", TABLE, PREDICTION, TARGET, {"px": euclidean}))
    values = {key: (m.value, m.n) for key, m in found.items()}
    assert values == {
        ("error_mean_px", "frames"): (pytest.approx(25 / 4), 4),
        ("error_median_px", "frames"): (pytest.approx(6.5), 4),
        ("error_p95_px", "frames"): (pytest.approx(np.quantile([2, 3, 10, 10], 0.95)), 4),
        ("error_mean_px", "dots"): (pytest.approx(13 / 3), 3),
        ("error_median_px", "dots"): (pytest.approx(3), 3),
        ("error_p95_px", "dots"): (pytest.approx(7.5), 3),
        ("error_mean_px", "subjects"): (pytest.approx(31 / 6), 2),
        ("error_median_px", "subjects"): (pytest.approx(31 / 6), 2),
        ("error_p95_px", "subjects"): (pytest.approx(3 + 0.95 * 13 / 3), 2),
    }
    assert {m.predictor for m in found.values()} == {"model"}
    # Two people: their means over frames are 22/3 and 3, and each may be drawn twice.
    mean = found["error_mean_px", "frames"]
    assert (mean.lo, mean.hi) == (pytest.approx(3), pytest.approx(22 / 3))


def test_a_dot_of_another_session_or_fold_is_another_dot() -> None:
    for column in ("session", "partition", "subject"):
        changed = TABLE.assign(**{column: [TABLE[column][0], *["9"] * 3]})
        found = by_name(summarise("model", changed, PREDICTION, TARGET, {"px": euclidean}))
        assert found["error_mean_px", "dots"].n == 4


def test_unknown_subjects_have_no_figures_over_subjects() -> None:
    for subjects in ([""] * 4, ["ann", "ann", "ann", ""]):
        found = summarise(
            "m", TABLE.assign(subject=subjects), PREDICTION, TARGET, {"px": euclidean}
        )
        assert {m.group for m in found} == {"frames", "dots"}


def test_the_order_of_the_rows_changes_nothing() -> None:
    first = summarise("m", TABLE, PREDICTION, TARGET, {"px": euclidean})
    for order in ([3, 2, 1, 0], [1, 3, 0, 2]):
        table = TABLE.iloc[order].reset_index(drop=True)
        again = summarise("m", table, PREDICTION[order], TARGET[order], {"px": euclidean})
        for a, b in zip(first, again, strict=True):
            assert (a.metric, a.group, a.n) == (b.metric, b.group, b.n)
            assert b.value == pytest.approx(a.value)


@pytest.mark.parametrize(
    ("setup", "units"),
    [
        ({"unit": "px"}, ["px"]),
        ({"unit": "px", "screen_px": (800, 600)}, ["px"]),
        ({"unit": "px", "screen_px": (800, 600), "distance_cm": 60}, ["px"]),
        ({"unit": "px", "screen_px": (800, 600), "screen_cm": (40, 30)}, ["px", "cm"]),
        ({"unit": "px", "screen_px": (800, 600), "screen_cm": (40, 30), "distance_cm": 60},
         ["px", "cm", "deg"]),
        ({"unit": "cm"}, ["cm"]),
    ],
)  # fmt: skip
def test_units_that_can_be_given(setup: dict, units: list[str]) -> None:
    known = {"screen_px": None, "screen_cm": None, "distance_cm": None} | setup
    found = error_units(known)
    assert list(found) == units
    # 400 px are 20 cm, from the centre at 20 cm distance 45 degrees.
    if "deg" in found:
        known["distance_cm"] = 20
        centre, edge = np.array([[400.0, 300]]), np.array([[800.0, 300]])
        errors = {unit: error_of(edge, centre)[0] for unit, error_of in error_units(known).items()}
        assert errors == {"px": 400, "cm": pytest.approx(20), "deg": pytest.approx(45)}


# Calibration


def embedding_of(table: pd.DataFrame, dims: int = 6) -> np.ndarray:
    rng = np.random.default_rng(1)
    mixed = table[["target_x", "target_y"]].to_numpy() @ rng.normal(size=(2, dims)) / 500
    return mixed + 0.05 * rng.normal(size=mixed.shape)


def people(points: int = 12, frames: int = 3, noise: float = 15.0) -> pd.DataFrame:
    """Three people with a large shift each, every point in several frames."""
    rng = np.random.default_rng(2)
    rows = []
    for number, (subject, shift) in enumerate(
        [("ann", (200, 0)), ("bob", (-150, 80)), ("cho", (0, -190))]
    ):
        for point in range(points):
            target = rng.uniform((0, 0), (1300, 700)).round()
            for frame in range(frames):
                gaze = target + shift + rng.normal(0, noise, 2)
                rows.append((number % 2, f"{subject}{point}{frame}", subject, subject, "1",
                             f"p{point}", *target, *gaze))  # fmt: skip
    columns = ["partition", "sample", "group", "subject", "session", "point", "target_x",
               "target_y", "pred_x", "pred_y"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


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


# Baselines


def test_baselines_see_no_test_targets(prepared: Prepared, split: Split, tmp_path: Path) -> None:
    table = predicted(prepared, split)
    only = table[table["partition"] == 0].reset_index(drop=True)
    before = baseline_predictions(only, prepared, split)
    index = prepared.index.copy()
    test = index["subject"].isin(split.partitions[0].test)
    index.loc[test, ["target_x", "target_y"]] = -5000.0
    after = baseline_predictions(only, with_index(prepared, index, tmp_path / "a"), split)
    for name, prediction in before.items():
        np.testing.assert_array_equal(after[name], prediction, err_msg=name)
    # The targets of train and validation do count.
    for part in (split.partitions[0].val, sorted(set(index["subject"]) - set(only["subject"]))):
        index = prepared.index.copy()
        index.loc[index["subject"].isin(part), ["target_x", "target_y"]] -= 500.0
        folder = tmp_path / "-".join(part)
        changed = baseline_predictions(only, with_index(prepared, index, folder), split)
        for name, prediction in before.items():
            assert np.abs(changed[name] - prediction).max() > 1, name


def test_baselines_are_fitted_fold_by_fold(prepared: Prepared, split: Split) -> None:
    table = predicted(prepared, split)
    found = baseline_predictions(table, prepared, split)
    assert set(found) == {"constant", "ridge on pixels"}
    for number, partition in enumerate(split.partitions):
        rows = (table["partition"] == number).to_numpy()
        others = prepared.index[~prepared.index["subject"].isin(partition.test)]
        median = others[["target_x", "target_y"]].median().to_numpy()
        np.testing.assert_allclose(found["constant"][rows], np.tile(median, (rows.sum(), 1)))
    # Rows keep their place, whatever the order of the folds.
    order = np.random.default_rng(0).permutation(len(table))
    turned = baseline_predictions(table.iloc[order].reset_index(drop=True), prepared, split)
    for name, prediction in found.items():
        np.testing.assert_allclose(turned[name], prediction[order], atol=1e-6)


def test_ridge_on_pixels_finds_the_gaze_of_known_people(prepared: Prepared) -> None:
    """Rendered eyes, by sample: far better than a constant."""
    index = prepared.index
    groups = list(index["sample"])
    split = Split("holdout", 0, groups, [Partition(0, 0, groups[::5], groups[1:2])], "none")
    table = index.iloc[::5].assign(partition=0).reset_index(drop=True)
    found = baseline_predictions(table, prepared, split)
    target = table[["target_x", "target_y"]].to_numpy(float)
    errors = {name: euclidean(p, target).mean() for name, p in found.items()}
    assert errors["ridge on pixels"] < 0.7 * errors["constant"]


def test_constant_is_the_median_of_what_is_known(prepared: Prepared) -> None:
    targets = np.array([[0.0, 0], [2, 4], [1000, 6], [7, 7]])
    known = Known(
        prepared.arrays, prepared.arrays, [], targets, np.array(list("abcd")), np.arange(3),
        np.array([3, 3]),
    )  # fmt: skip
    np.testing.assert_array_equal(constant(known), [[2, 4], [2, 4]])


# All of it


def test_findings_hold_model_baselines_and_calibration(prepared: Prepared, split: Split) -> None:
    table = predicted(prepared, split)
    found = findings(table, embedding_of(table), prepared, split, EvaluateSettings(3))
    assert found.unit == "px"
    predictors = {m.predictor for m in found.metrics}
    assert predictors == {"model", "constant", "ridge on pixels", "before calibration",
                          "after calibration"}  # fmt: skip
    assert {m.metric.rsplit("_")[-1] for m in found.metrics} == {"px", "cm", "deg"}
    assert [d.against for d in found.differences] == ["constant", "ridge on pixels"]
    (mean,) = (m for m in found.metrics if (m.predictor, m.metric, m.group)
               == ("model", "error_mean_px", "frames"))  # fmt: skip
    error = euclidean(
        table[["pred_x", "pred_y"]].to_numpy(), table[["target_x", "target_y"]].to_numpy()
    )
    assert mean.value == pytest.approx(error.mean()) == pytest.approx(found.differences[0].model)
    assert mean.n == len(table) == 60
    notes = " ".join(found.notes)
    assert "60 test rows of 60 samples in 3 folds, 6 subjects" in notes
    assert "the 24 frames of the other points" in notes, "2 of 5 points, of 6 people"
    assert len(found.plots) == 3 and all(svg.startswith("<svg") for svg in found.plots.values())


def test_notes_say_what_could_not_be_computed(prepared: Prepared, split: Split) -> None:
    table = predicted(prepared, split).assign(subject="")
    by_sample = replace_grouping(split, list(prepared.index["sample"]))
    bare = replace(prepared, setup=prepared.setup | {"screen_cm": None})
    notes = " ".join(reporting._notes(table, bare, by_sample))
    assert "Subjects are unknown" in notes and "--screen-cm" in notes
    near = replace(prepared, setup=prepared.setup | {"distance_cm": None})
    assert "--distance-cm" in " ".join(reporting._notes(table, near, by_sample))


def replace_grouping(split: Split, groups: list[str]) -> Split:
    return Split(split.scheme, 0, groups, [Partition(0, 0, groups[:5], groups[5:7])], "none", False)


def test_people_are_resampled_though_the_groups_are_samples(
    prepared: Prepared, split: Split
) -> None:
    """A leak that was accepted: the groups of the split are single samples."""
    table = predicted(prepared, split)
    settings = EvaluateSettings(3)
    honest = findings(table, embedding_of(table), prepared, split, settings)
    leaky = table.assign(group=table["sample"])
    found = findings(leaky, embedding_of(table), prepared, split, settings)
    assert found.differences == honest.differences and found.metrics == honest.metrics
    assert found.comparisons == honest.comparisons
    alone = findings(leaky.assign(subject=""), embedding_of(table), prepared, split, settings)
    assert alone.differences != honest.differences
    assert alone.notes[0] == "60 test rows of 60 samples in 3 folds."


def test_the_augmentation_is_told_with_its_ranges() -> None:
    told = reporting.ABOUT.training
    assert "4 % of the side" in told and "3 degrees" in told and "exp(±0.05)" in told
    assert "contrast by up to 10 %" in told and "brightness by up to 2.5 %" in told
