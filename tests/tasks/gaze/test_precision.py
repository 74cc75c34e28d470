"""Precision over fixations, by hand and against the pure functions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from face_data import FRAMES, RATE, predictions

from eyecli.data.prepared import Prepared
from eyecli.evaluation.findings import Metric
from eyecli.signals.quality import bcea, rms_s2s, std
from eyecli.tasks.gaze.precision import precision
from eyecli.tasks.gaze.screens import gaze_positions, screens_of

pytest_plugins = ["rendered_gaze"]


def measured(faces: Prepared, table: pd.DataFrame) -> dict[str, Metric]:
    sessions = faces.sessions
    assert sessions is not None
    gaze = table[["pred_x", "pred_y"]].to_numpy()
    found = precision("model", table, gaze, screens_of(faces, table), sessions)
    assert {(m.predictor, m.group) for m in found} <= {("model", "fixations")}
    return {m.metric: m for m in found}


def test_figures_are_those_of_every_fixation(faces: Prepared) -> None:
    table = predictions(faces)
    found = measured(faces, table)
    for unit, gaze in gaze_positions(
        screens_of(faces, table), table[["pred_x", "pred_y"]].to_numpy()
    ).items():
        fixations = [
            gaze[rows] for _, rows in sorted(
                table.groupby(["subject", "session", "stimulus"]).indices.items()
            )
        ]  # fmt: skip
        assert len(fixations) == 12 * 9 and {len(each) for each in fixations} == {FRAMES}
        for name, measure in (("rms_s2s", rms_s2s), ("std", std), ("bcea", bcea)):
            values = [measure(each) for each in fixations]
            full = f"{unit}2" if name == "bcea" else unit
            assert found[f"{name}_mean_{full}"].value == pytest.approx(np.mean(values))
            assert found[f"{name}_median_{full}"].value == pytest.approx(np.median(values))
    assert {m.n for m in found.values()} == {12 * 9} and len(found) == 12
    for metric in found.values():
        assert metric.lo is not None and metric.lo < metric.value < metric.hi  # type: ignore[operator]


def test_white_noise_has_its_spread_in_cm_and_in_degrees(faces: Prepared) -> None:
    """Noise of 0.3 cm an axis; 30 to 40 cm away that is about half a degree."""
    once = predictions(faces)
    lasts = 1000 / RATE * FRAMES
    later = [once.assign(time_ms=once["time_ms"] + number * lasts) for number in range(4)]
    table = pd.concat(later, ignore_index=True)
    rng = np.random.default_rng(1)
    table[["pred_x", "pred_y"]] = table[["target_x", "target_y"]] + rng.normal(
        0, 0.3, (len(table), 2)
    )
    found = {name: metric.value for name, metric in measured(faces, table).items()}
    assert found["rms_s2s_mean_cm"] == pytest.approx(0.6, rel=0.05)
    assert found["std_mean_cm"] == pytest.approx(0.3 * np.sqrt(2), rel=0.05)
    assert found["bcea_mean_cm2"] == pytest.approx(-2 * np.pi * np.log(0.32) * 0.09, rel=0.05)
    assert np.degrees(0.3 / 40) < found["std_mean_deg"] / np.sqrt(2) < np.degrees(0.3 / 30)


def test_the_order_of_the_rows_changes_nothing(faces: Prepared) -> None:
    table = predictions(faces)
    turned = table.sample(frac=1, random_state=3).reset_index(drop=True)
    first, again = measured(faces, table), measured(faces, turned)
    for name, metric in first.items():
        assert again[name].value == pytest.approx(metric.value)
        assert again[name].lo == pytest.approx(metric.lo)


def test_a_fixation_is_of_one_stimulus_session_subject_and_fold(faces: Prepared) -> None:
    """Each fixation stands still at a place of its own: mixed ones would not be still."""
    table = predictions(faces)
    keys = ["partition", "subject", "session", "stimulus"]
    place = table.groupby(keys).ngroup()
    still = table.assign(pred_x=5.0 * place, pred_y=-3.0 * place)
    assert {round(m.value, 9) for m in measured(faces, still).values()} == {0}
    # Predicted by two folds, a session has each fixation twice.
    twice = pd.concat([still, still.assign(partition=7, pred_x=still["pred_x"] + 100)],
                      ignore_index=True)  # fmt: skip
    found = measured(faces, twice)
    assert {m.n for m in found.values()} == {2 * 12 * 9}
    assert {round(m.value, 9) for m in found.values()} == {0}


def test_frames_left_out_make_a_gap_and_too_few_no_fixation(faces: Prepared) -> None:
    table = predictions(faces)
    frame = table.groupby(["subject", "session", "stimulus"]).cumcount()
    # A jump between the second frame and the last but one, and the frame between them lost.
    jump = table.assign(pred_x=np.where(frame < 2, 0.0, 9.0), pred_y=0.0)
    assert measured(faces, jump)["rms_s2s_mean_cm"].value == pytest.approx(9 / 2)
    gap = jump[frame != 2].reset_index(drop=True)
    found = measured(faces, gap)
    assert found["rms_s2s_mean_cm"].value == 0 and found["std_mean_cm"].value == 4.5
    # Every second frame: no step, but a spread.
    found = measured(faces, jump[frame % 2 == 0].reset_index(drop=True))
    assert "rms_s2s_mean_cm" not in found and found["std_mean_cm"].n == 12 * 9
    assert measured(faces, jump[frame < 2].reset_index(drop=True)) == {}
    some = jump[(frame < 2) | (jump["stimulus"] == 4)].reset_index(drop=True)
    assert measured(faces, some)["std_mean_cm"].n == 12
