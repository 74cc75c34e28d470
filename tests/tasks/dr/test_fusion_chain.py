"""Fusion of both eyes from photographs to a report, and nothing of the test rows in it."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from drawn_weights import checkpoint
from photograph_sources import write_telling
from weight_files import write_safetensors

from eyecli.data.inputs import find_inputs
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.data.prepared import Prepared, open_prepared, read_split, read_table
from eyecli.errors import UsageError
from eyecli.evaluation.stage import EvaluateSettings, evaluate
from eyecli.sources.source import fetch_path
from eyecli.synthesis.fundus import write_fundus
from eyecli.tasks.base import all_layouts
from eyecli.tasks.dr import exporting, learning, predicting, reporting
from eyecli.tasks.dr.fusion import fuse
from eyecli.tasks.dr.grading import columns, exceedance
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.settings import DrPreprocess, DrTrain, check_train
from eyecli.training.applying import PredictSettings, predicted
from eyecli.training.model import read_facts
from eyecli.training.stage import train
from eyecli.weights.artifact import fetch_file
from eyecli.workspace.store import Artifact, open_workspace

FUSED = DrTrain(weights="own", fusion="both-eyes", views=0)
UNPAIRED = (
    "the other eye of 6 of 8 photographs is not known, and they are predicted alone: name subject "
    "and laterality in a table, or files 10_left and 10_right, those of a patient in a row"
)
COLUMNS = [f"p_ge{grade}" for grade in (1, 2, 3, 4)]


@dataclass(frozen=True)
class Made:
    root: Path
    raw: Path
    prepared: Artifact
    split: Artifact
    model: Artifact
    predictions: Artifact


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("fusion")
    write_telling(folder / "photographs", 36)
    root = open_workspace(folder / "workspace", create=True)
    source = fetch_path(root, folder / "photographs", all_layouts(), layout="kaggle-dr").artifact
    shape = DrPreprocess(size=64, processes=1)
    prepared, split = (
        outcome.artifact
        for outcome in prepare(root, "dr", source, read_raw, shape, SplitSettings("holdout:0.25"))
    )
    write_safetensors(folder / "own.safetensors", checkpoint(1))
    weights = fetch_file(root, folder / "own.safetensors", "own", "CC0", force=False).artifact
    model, predictions = train(
        root, "dr", lambda: learning, prepared, split, FUSED, weights=weights
    )
    return Made(root, folder / "photographs", prepared, split, model.artifact, predictions.artifact)


def test_predictions_of_both_eyes_stand_beside_those_of_one(made: Made) -> None:
    table = read_table(made.predictions.path / "predictions.csv")
    facts = read_facts(made.model, 0)
    assert any(facts["fusion"]["other"])
    alone = table[[f"{name}_alone" for name in COLUMNS]].to_numpy().clip(1e-6, 1 - 1e-6)
    own, fusion = np.log(alone / (1 - alone)), facts["fusion"]
    both = fuse(own, table["subject"].to_numpy(str), table["laterality"].to_numpy(str), fusion)
    expected = exceedance(both, fusion["temperature"])
    np.testing.assert_allclose(table[COLUMNS].to_numpy(), expected, atol=1e-9)
    assert (np.abs(both - own) > 1e-3).any(axis=1).all(), "every drawn patient has two eyes"
    # Patients are whole within a part, so that a part alone is predicted the same.
    assert (table.groupby("subject")["part"].nunique() == 1).all()


def test_new_photographs_are_predicted_with_their_other_eye_or_alone(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = read_table(made.predictions.path / "predictions.csv")

    def rows(place: Path, **settings: Any) -> list[dict[str, Any]]:
        inputs = find_inputs(place, made.root, predicting.FIELDS, predicting.wanted, "photographs")
        chosen = PredictSettings(**settings)
        ready = predicting.applied(made.model, [0], chosen, inputs.files)
        setup = open_prepared(made.prepared).setup
        return [*predicted(inputs, predicting, ready, setup, "stop")]

    both = {row["file"].removesuffix(".jpeg"): row for row in rows(made.raw)}
    assert {row["eyes"] for row in both.values()} == {2} and "other eye" not in caplog.text
    found = [[both[sample][name] for name in COLUMNS] for sample in stored["sample"]]
    np.testing.assert_allclose(found, stored[COLUMNS], atol=1e-4)
    for column, name in (("grade", "grade_predicted"), ("referable", "sensitive")):
        assert [both[sample][column] for sample in stored["sample"]] == list(stored[name])

    table = tmp_path / "some.csv"
    known = stored.set_index("sample")
    a, b, c, d, e = sorted(set(stored["subject"]))[:5]
    # The table counts, not the name; between both eyes of b lies one of d.
    lines = [(f"{a}_left", "a", "left"), (f"{a}_right", "a", "OD"), (f"{b}_left", "b", "OS"),
             (f"{c}_left", "c", ""), (f"{d}_left", "d", "OS"), (f"{b}_right", "b", "OD"),
             (f"{e}_left", "e", "OS"), (f"{e}_right", "f", "OD")]  # fmt: skip
    cells = [f"{made.raw / name}.jpeg,{subject},{side}\n" for name, subject, side in lines]
    table.write_text("path,subject,laterality\n" + "".join(cells))
    # A patient is more than the networks take at once.
    monkeypatch.setattr(predicting, "BATCH", 1)
    some = rows(table)
    assert [row["eyes"] for row in some] == [2, 2, 1, 1, 1, 1, 1, 1]
    assert [row["laterality"] for row in some] == [side for _, _, side in lines]
    assert caplog.messages.count(UNPAIRED) == 1
    settled = {"target": "grade", **read_facts(made.model, 0)["fusion"]}
    for row, (name, *_) in zip(some, lines, strict=True):
        wanted: Any = known.loc[name]
        if row["eyes"] == 1:
            # The photograph's own odds, and what was settled with those of both eyes.
            own = wanted[[f"{column}_alone" for column in COLUMNS]].to_numpy(float)
            made_of = columns(np.log(own / (1 - own))[None], settled)
            wanted = {column: values[0] for column, values in made_of.items()}
        for column in COLUMNS:
            assert row[column] == pytest.approx(wanted[column], abs=1e-4)
        assert row["grade"] == wanted["grade_predicted"]
    assert {row["eyes"] for row in rows(made.raw, min_quality=1.0)} == {1}


def test_the_report_says_what_fusion_gains(made: Made) -> None:
    report = evaluate(
        made.root, lambda: reporting, made.predictions, made.model, made.prepared, made.split,
        EvaluateSettings(),
    ).artifact  # fmt: skip
    with (report.path / "metrics.csv").open(newline="") as stream:
        metrics = {(row["predictor"], row["metric"]): float(row["value"])
                   for row in csv.DictReader(stream)}  # fmt: skip
    for metric in ("kappa_quadratic", "auc_referable"):
        assert ("one eye", metric) in metrics
    # Few decisions differ among so few photographs, but all probabilities do.
    assert metrics["model", "calibration_error"] != metrics["one eye", "calibration_error"]
    found = json.loads((report.path / "report.json").read_text())
    (against,) = found["comparisons"]["Both eyes against one"]
    assert against["other"] == pytest.approx(metrics["one eye", "kappa_quadratic"])
    assert "one eye" not in report.manifest.summary["verdict"]
    assert "'one eye' is the same model" in (report.path / "report.md").read_text()
    assert "fusion both-eyes" in (made.model.path / "card.md").read_text()


def test_the_package_sees_one_eye_and_carries_what_joins_two(made: Made) -> None:
    facts, setup = read_facts(made.model, 0), open_prepared(made.prepared).setup
    metadata = exporting.contract(facts, setup).metadata
    assert json.loads(metadata["fusion"]) == facts["fusion"] and metadata["fusion_meaning"]
    assert float(metadata["temperature"]) == facts["temperature"]
    del facts["fusion"]
    assert "fusion" not in exporting.contract(facts, setup).metadata


def test_data_without_patients_or_second_eyes_are_refused(made: Made, tmp_path: Path) -> None:
    prepared, split = open_prepared(made.prepared), read_split(made.split)
    check_train(FUSED, prepared, split)
    write_fundus(tmp_path / "few", 6, 0)
    source = fetch_path(made.root, tmp_path / "few", all_layouts(), layout="kaggle-dr").artifact
    shape = DrPreprocess(size=64, processes=1)
    few, by_patient = prepare(made.root, "dr", source, read_raw, shape, SplitSettings("kfold:3"))
    with pytest.raises(UsageError, match=r"6 of 6 patients of prepared/dr@.* 20 are needed"):
        check_train(FUSED, open_prepared(few.artifact), read_split(by_patient.artifact))
    _, alone = prepare(
        made.root, "dr", source, read_raw, shape, SplitSettings("kfold:3", group="none")
    )
    with pytest.raises(UsageError, match=r"needs patients.*--group none"):
        check_train(FUSED, prepared, read_split(alone.artifact))


@pytest.mark.parametrize("closed", [True, False])
def test_grades_of_test_rows_have_no_part_in_it(closed: bool) -> None:
    rng = np.random.default_rng(0)
    grades = rng.permutation(np.tile(np.arange(5), 32))
    grades[1::2] = grades[::2]
    table = pd.DataFrame({"grade": grades, "laterality": ["OD", "OS"] * 80})
    owner, rows = np.repeat(np.arange(80), 2), np.arange(120)
    logits = grades[:, None] - np.arange(4) - 0.5 + rng.normal(0, 1, (160, 4))
    settings = DrTrain(
        backbone="eyenet", weights="own" if closed else "none", pretrained=False,
        trainable="head" if closed else "all", fusion="both-eyes", views=0 if closed else 2,
    )  # fmt: skip

    def facts(index: pd.DataFrame) -> dict[str, Any]:
        data = cast(Prepared, SimpleNamespace(index=index, setup={"size": 64}))
        made_of = learning.learner(data, np.arange(60), settings)
        embedding = np.repeat(logits, 128, axis=1)[:, : made_of.model.output["embedding"].shape[-1]]

        def run(rows: np.ndarray, view: int = 0) -> dict[str, np.ndarray]:
            return {"embedding": embedding[rows], "logits": logits[rows]}

        return learning.finish(made_of, data, rows, owner[rows].astype(str), run, settings)

    shuffled, other = table.copy(), table.copy()
    shuffled.loc[120:, "grade"] = rng.permutation(grades[120:])
    other.loc[60:119, "grade"] = rng.permutation(grades[60:120])
    found = facts(table)["fusion"]
    assert found and found == facts(shuffled)["fusion"] != facts(other)["fusion"]
