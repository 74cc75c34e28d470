from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from face_data import SUBJECTS, halves, predictions, with_sessions, write_faces
from gaze_tables import embedding_of, predicted, with_index

from eyecli.data.prepared import Prepared
from eyecli.data.split import Partition, Split
from eyecli.evaluation.alignment import sampling_of
from eyecli.evaluation.baselines import Known, constant
from eyecli.evaluation.findings import Findings, Metric
from eyecli.evaluation.stage import EvaluateSettings
from eyecli.metrics.gaze import euclidean
from eyecli.tasks.gaze import reporting
from eyecli.tasks.gaze.reporting import Judged, baseline_predictions, findings, summarise
from eyecli.tasks.gaze.screens import same_screen

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


PX = {"unit": "px", "screen_px": None, "screen_cm": None, "distance_cm": None}


def judged(name: str, table: pd.DataFrame, prediction: np.ndarray, target: np.ndarray) -> Judged:
    return Judged(name, table, prediction, target, same_screen(PX, len(table)))


def by_name(metrics: list[Metric]) -> dict[tuple[str, str], Metric]:
    return {(m.metric, m.group): m for m in metrics}


def test_the_three_aggregations_by_hand() -> None:
    found = by_name(summarise(judged("model", TABLE, PREDICTION, TARGET)))
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
        found = by_name(summarise(judged("model", changed, PREDICTION, TARGET)))
        assert found["error_mean_px", "dots"].n == 4


def test_unknown_subjects_have_no_figures_over_subjects() -> None:
    for subjects in ([""] * 4, ["ann", "ann", "ann", ""]):
        found = summarise(judged("m", TABLE.assign(subject=subjects), PREDICTION, TARGET))
        assert {m.group for m in found} == {"frames", "dots"}


def test_the_order_of_the_rows_changes_nothing() -> None:
    first = summarise(judged("m", TABLE, PREDICTION, TARGET))
    for order in ([3, 2, 1, 0], [1, 3, 0, 2]):
        table = TABLE.iloc[order].reset_index(drop=True)
        again = summarise(judged("m", table, PREDICTION[order], TARGET[order]))
        for a, b in zip(first, again, strict=True):
            assert (a.metric, a.group, a.n) == (b.metric, b.group, b.n)
            assert b.value == pytest.approx(a.value)


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
    errors = [m.metric for m in found.metrics if m.metric.startswith("error_")]
    assert {name.rsplit("_")[-1] for name in errors} == {"px", "cm", "deg"}
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
    assert len(found.plots) == 5 and all(svg.startswith("<svg") for svg in found.plots.values())


def test_notes_say_what_could_not_be_computed(prepared: Prepared, split: Split) -> None:
    table = predicted(prepared, split).assign(subject="")
    by_sample = replace_grouping(split, list(prepared.index["sample"]))
    bare = replace(prepared, setup=prepared.setup | {"screen_cm": None})
    notes = " ".join(reporting._notes(table, bare, by_sample, None))
    assert "Subjects are unknown" in notes and "--screen-cm" in notes
    near = replace(prepared, setup=prepared.setup | {"distance_cm": None})
    assert "--distance-cm" in " ".join(reporting._notes(table, near, by_sample, None))


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


# Face sessions


def judge(
    faces: Prepared, on: Prepared | None = None, points: int = 5, noise: float = 0.3
) -> Findings:
    table = predictions(on or faces, noise)
    if on:
        table["partition"] = 0
    embedding = np.zeros((len(table), 4))
    return findings(table, embedding, faces, halves(faces), EvaluateSettings(points), on)


def test_findings_of_face_sessions_have_all_that_only_they_know(faces: Prepared) -> None:
    found = judge(faces)
    by = {(m.predictor, m.metric, m.group): m for m in found.metrics}
    for name in ("model", "before calibration", "after calibration"):
        for unit in ("cm", "px", "deg"):
            assert (name, f"error_mean_{unit}", "device=tablet-11") in by
            assert (name, f"error_mean_{unit}", "orientation=portrait") in by
        for metric in ("rms_s2s_mean_cm", "std_median_deg", "bcea_mean_cm2", "bcea_mean_deg2"):
            assert (name, metric, "fixations") in by
    assert by["model", "error_mean_cm", "device=6"].n == 4 * 45
    assert ("recordings", "data_loss_share", "device=tablet-11") in by
    assert by["after calibration", "worse_by_0.1_cm_users", "subjects"].n == 8
    assert by["after calibration", "gain_mean_percent", "subjects"].value > 30
    # Four of nine stimuli are held out, in 12 sessions.
    held = by["after calibration", "rms_s2s_mean_cm", "fixations"]
    assert held.n == 12 * 9 - 8 * 5 and by["model", "rms_s2s_mean_cm", "fixations"].n == 12 * 9
    assert list(found.tables) == [
        "Users made worse by calibration, and their gain", "By device and orientation",
        "Precision", "Data loss and effective rate",
    ]  # fmt: skip
    shown = {m for rows in found.tables.values() for m in rows}
    assert shown <= set(found.metrics), "and in one unit only"
    assert {m.metric.rsplit("_", 1)[-1] for m in shown} == {
        "cm", "cm2", "share", "users", "percent", "hz"
    }  # fmt: skip
    notes = " ".join(found.notes)
    assert "Precision:" in notes and "Data loss:" in notes and "no degrees" not in notes
    assert "of 8 test users are worse" in notes


def test_single_people_are_in_the_rows_for_metrics_csv_only(faces: Prepared) -> None:
    found = judge(faces)
    groups = {m.group for m in found.people}
    assert groups == {f"subject={name}" for name in SUBJECTS}
    shown = replace(found, people=(), tables={}, plots={})
    assert "p01" not in str(shown) + str(found.tables) + str(found.plots)
    assert "by their ids, are in metrics.csv only" in " ".join(found.notes)
    mean = {(m.predictor, m.metric, m.group): m.value for m in found.people}
    per_person = [mean["model", "error_mean_cm", group] for group in groups]
    (over,) = (m.value for m in found.metrics
               if (m.predictor, m.metric, m.group) == ("model", "error_mean_cm", "subjects")
               )  # fmt: skip
    assert np.mean(per_person) == pytest.approx(over)


def test_image_tables_have_none_of_it(prepared: Prepared, split: Split) -> None:
    table = predicted(prepared, split)
    found = findings(table, embedding_of(table), prepared, split, EvaluateSettings(3))
    assert list(found.tables) == ["Users made worse by calibration, and their gain"]
    assert {m.group for m in found.metrics} == {"frames", "dots", "subjects"}
    assert len({m.group for m in found.people}) == 6
    assert "Precision" not in " ".join(found.notes)


def test_external_data_are_judged_by_their_own_sessions(faces: Prepared, tmp_path: Path) -> None:
    other = write_faces(faces, tmp_path / "other", ["q1", "q2", "q3"])
    sessions = other.sessions
    assert sessions is not None
    sessions[["screen_w_px", "screen_h_px"]] *= 2
    other = with_sessions(other, sessions)
    found = judge(faces, other)
    by = {(m.predictor, m.metric, m.group): m for m in found.metrics}
    assert by["recordings", "data_loss_share", "subjects"].n == 3
    assert {m.group for m in found.people} == {"subject=q1", "subject=q2", "subject=q3"}
    half = judge(faces, write_faces(faces, tmp_path / "same", ["q1", "q2", "q3"]))
    px = ("model", "error_mean_px", "frames")
    assert by[px].value == pytest.approx(
        2 * {(m.predictor, m.metric, m.group): m for m in half.metrics}[px].value
    )


def test_a_session_without_a_distance_is_counted_in_the_notes(faces: Prepared) -> None:
    sessions = faces.sessions
    assert sessions is not None
    sessions["distance_cm"] = ["", *sessions["distance_cm"].astype(str)[1:]]
    found = judge(with_sessions(faces, sessions))
    assert "The viewing distance of 1 of 12 sessions is unknown" in " ".join(found.notes)
    assert not [m for m in found.metrics if m.metric.endswith(("deg", "deg2"))]


def test_comparisons_have_the_units_of_the_report(faces: Prepared) -> None:
    table = predictions(faces)
    prediction = table[["pred_x", "pred_y"]].to_numpy()
    lines = reporting.headlines(table, prediction, faces, sampling_of(table))
    by = {(m.metric, m.group): m.value for m in judge(faces).metrics if m.predictor == "model"}
    assert [(h.metric, h.group) for h in lines] == [
        ("error_mean_cm", "frames"), ("error_mean_px", "frames"), ("error_mean_deg", "frames"),
        ("error_mean_cm", "subjects"),
    ]  # fmt: skip
    whole = np.ones((1, len(SUBJECTS)))
    for line in lines:
        assert line.replicate(whole)[0] == pytest.approx(by[line.metric, line.group])


def test_the_augmentation_is_told_with_its_ranges() -> None:
    told = str(reporting.ABOUT.training)
    assert "4 % of the side" in told and "3 degrees" in told and "exp(±0.05)" in told
    assert "contrast by up to 10 %" in told and "brightness by up to 2.5 %" in told
