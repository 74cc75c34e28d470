"""Diabetic retinopathy from photographs to a report, with a frozen backbone of drawn weights."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_weights import checkpoint
from weight_files import write_safetensors

from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.data.prepared import LEFT_OUT, open_prepared, read_split, read_table
from eyecli.errors import DataError, UsageError
from eyecli.evaluation.stage import EvaluateSettings, evaluate
from eyecli.nets.half import round_to_half
from eyecli.sources.source import fetch_path
from eyecli.synthesis.fundus import write_fundus
from eyecli.tasks.base import all_layouts
from eyecli.tasks.dr import exporting, learning, reporting
from eyecli.tasks.dr.augmentation import change, view
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.settings import DrPreprocess, DrTrain
from eyecli.training.model import load_fold, read_facts
from eyecli.training.stage import train, train_part
from eyecli.weights.artifact import fetch_file, open_weights
from eyecli.workspace.references import resolve
from eyecli.workspace.store import Artifact, open_workspace

SUBJECTS, SIZE = 15, 64
PREPARE = DrPreprocess(size=SIZE, processes=1, on_error="skip")


@dataclass(frozen=True)
class Made:
    root: Path
    raw: Path
    prepared: Artifact
    split: Artifact
    model: Artifact
    predictions: Artifact


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dr") / "photographs"
    write_fundus(folder, SUBJECTS, 0)
    (folder / "3_left.jpeg").write_bytes((folder / "3_left.jpeg").read_bytes()[:2000])
    cv2.imwrite(str(folder / "4_left.jpeg"), np.zeros((300, 400, 3), np.uint8))
    labels = folder / "trainLabels.csv"
    labels.write_text(labels.read_text() + "99_left,1\n1_left,7\n")
    return folder


def fetched(root: Path, folder: Path) -> Artifact:
    layouts = all_layouts()
    return fetch_path(root, folder, layouts, layout="kaggle-dr").artifact


@pytest.fixture(scope="module")
def made(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("chain")
    root = open_workspace(folder / "workspace", create=True)
    prepared, split = prepare(
        root, "dr", fetched(root, raw), read_raw, PREPARE, SplitSettings("kfold:3")
    )
    write_safetensors(folder / "own.safetensors", checkpoint(1))
    weights = fetch_file(root, folder / "own.safetensors", "own", "CC0", force=False).artifact
    settings = DrTrain(weights="own")
    model, predictions = train(
        root, "dr", lambda: learning, prepared.artifact, split.artifact, settings, weights=weights
    )
    return Made(root, raw, prepared.artifact, split.artifact, model.artifact, predictions.artifact)


def test_what_is_left_out_is_named_and_nothing_else_is(made: Made) -> None:
    data = open_prepared(made.prepared)
    assert len(data.index) == 2 * SUBJECTS - 2
    left = read_table(made.prepared.path / LEFT_OUT)
    told = dict(zip(left["file"], left["reason"], strict=False))
    assert told["3_left.jpeg"].startswith("unreadable image: ")
    assert told["4_left.jpeg"].startswith("no fundus found: ")
    reasons = sorted(left[left["file"].str.endswith(".csv")]["reason"])
    assert reasons == [
        "bad row: level 7 is out of range (0 to 4)", "row without its image: no image '99_left'",
    ]  # fmt: skip
    assert made.prepared.manifest.summary["samples"] == 2 * SUBJECTS - 2


def test_problems_stop_it_unless_they_may_be_skipped(raw: Path, tmp_path: Path) -> None:
    root = open_workspace(tmp_path / "workspace", create=True)
    stop = DrPreprocess(size=SIZE, processes=1)
    with pytest.raises(DataError, match=r"row .*--on-error skip goes on without it"):
        prepare(root, "dr", fetched(root, raw), read_raw, stop, SplitSettings("kfold:3"))
    assert not (root / "prepared").exists()


def test_both_eyes_of_a_patient_are_in_one_part(made: Made) -> None:
    data, plan = open_prepared(made.prepared), read_split(made.split)
    assert plan.subject_independent and plan.group_by == "subject"
    table = read_table(made.predictions.path / "predictions.csv")
    test = table[table["part"] == "test"]
    assert test["sample"].is_unique and len(test) == len(data.index)
    assert (test.groupby("subject")["partition"].nunique() == 1).all()


def test_the_head_is_logistic_regression_on_frozen_features(made: Made) -> None:
    network, facts = load_fold(made.model, 0), read_facts(made.model, 0)
    assert facts["boundaries"] == [1, 2, 3, 4] and len(facts["cuts"]) == 4
    assert network.output["logits"].shape[1:] == (1, 1, 4)
    other = load_fold(made.model, 1)
    for name in ("block3_expand_conv", "head_conv"):
        np.testing.assert_array_equal(
            network.get_layer(name).get_weights()[0], other.get_layer(name).get_weights()[0]
        )
    kernels = [each.get_layer("logits").get_weights()[0] for each in (network, other)]
    assert not np.array_equal(*kernels)


def test_features_are_computed_once_for_all_folds_a_view_each(made: Made) -> None:
    kept = sorted((made.root / "cache/features").glob("*"), key=lambda path: path.stem[-1])
    assert [path.stem.rpartition("-")[2] for path in kept] == ["0", "1", "2"]
    plain, *views = (np.load(path) for path in kept)
    assert plain.shape == (2 * SUBJECTS - 2, 2 * (240 + 480 + 672 + 1152 + 1280))
    for other in views:
        # Another picture of the same eye, not another network.
        assert not np.allclose(other, plain)
        assert np.corrcoef(other.ravel(), plain.ravel())[0, 1] > 0.5


def test_views_of_many_photographs_are_left_out(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_prepared(made.prepared)
    rows, asked = np.arange(len(data.index)), []
    settings = DrTrain(backbone="eyenet", pretrained=False, trainable="head", weights="own")
    made_of = learning.learner(data, rows, settings)
    size = made_of.model.output["embedding"].shape[-1]

    def run(rows: np.ndarray, view: int = 0) -> dict[str, np.ndarray]:
        asked.append(view)
        return {"embedding": np.random.default_rng(view).normal(size=(len(rows), size))}

    for most, views in ((100, [0, 1, 2]), (2 * len(rows), [0, 1]), (5, [0])):
        monkeypatch.setattr(learning, "MOST_ROWS", most)
        asked.clear()
        learning.finish(made_of, data, rows, rows.astype(str), run, settings)
        assert asked == views


def test_predictions_are_probabilities(made: Made) -> None:
    table = read_table(made.predictions.path / "predictions.csv")
    above = table[[f"p_ge{grade}" for grade in (1, 2, 3, 4)]].to_numpy(float)
    assert ((above >= 0) & (above <= 1)).all() and (np.diff(above, axis=1) <= 0).all()
    assert set(table["grade_predicted"]) <= set(range(5))


def test_the_report_has_baselines_and_intervals(made: Made) -> None:
    report = evaluate(
        made.root, lambda: reporting, made.predictions, made.model, made.prepared, made.split,
        EvaluateSettings(),
    ).artifact  # fmt: skip
    with (report.path / "metrics.csv").open(newline="") as stream:
        metrics = {(row["predictor"], row["metric"]): row for row in csv.DictReader(stream)}
    names = {predictor for predictor, _ in metrics}
    assert names == {"model", "majority", "brightness", "camera", "rotation", "HOG"}
    for name in ("kappa_quadratic", "auc_referable", "auc_any"):
        low, value, high = (float(metrics["model", name][key]) for key in ("lo", "value", "hi"))
        assert low <= value <= high
    # The shares of the grades differ between folds, no more.
    assert float(metrics["majority", "auc_referable"]["value"]) == pytest.approx(0.5, abs=0.2)
    assert "quadratic weighted kappa" in report.manifest.summary["verdict"]
    html = (report.path / "report.html").read_text()
    for title in ("Confusion of the model", "ROC of grade 2 or more", "Calibration of grade 2",
                  "Net benefit of grade 2", "Accuracy where the most uncertain"):  # fmt: skip
        assert title in html
    with (report.path / "metrics.csv").open(newline="") as stream:
        groups = {row["group"] for row in csv.DictReader(stream)}
    assert not [group for group in groups if group.startswith("camera=")]


def test_the_contract_says_what_an_application_needs(made: Made) -> None:
    facts = read_facts(made.model, 0)
    contract = exporting.contract(facts, open_prepared(made.prepared).setup)
    assert contract.only == ("logits",) and contract.inputs["pixels"].stem == "pixel_units"
    assert float(contract.metadata["temperature"]) == facts["temperature"]


def test_a_network_is_trained_step_by_step_too(made: Made) -> None:
    settings = DrTrain(
        backbone="eyenet", pretrained=False, trainable="all", target="referable", epochs=1
    )
    model, predictions = train(
        made.root, "dr", lambda: learning, made.prepared, made.split, settings
    )
    assert read_facts(model.artifact, 0)["boundaries"] == [2]
    table = read_table(predictions.artifact.path / "predictions.csv")
    assert set(table["grade_predicted"]) <= {0, 2} and "p_ge1" not in table


def test_a_part_of_the_backbone_is_trained_with_every_option(made: Made) -> None:
    settings = DrTrain(
        weights="own", trainable="last2", loss="corn", balance="resampling", test_views=2,
        epochs=2, ema=0.9, dropout=0.2, fold=1,
    )  # fmt: skip
    fold, missing = train_part(
        made.root, "dr", lambda: learning, made.prepared, made.split, settings,
        weights=resolve(made.root, "weights/own"),
    )  # fmt: skip
    assert missing == [0, 2]
    facts, summary = read_facts(fold.artifact, 1), fold.artifact.manifest.summary
    assert (facts["loss"], facts["test_views"]) == ("corn", 2)
    network = load_fold(fold.artifact, 1)
    before = learning.learner(open_prepared(made.prepared), np.arange(4), settings)
    assert before.start
    before.start(open_weights(made.root, "own")[1])
    round_to_half(before.model)
    for name, same in (("block15_depthwise_conv", True), ("block15_project_conv", False),
                       ("head_conv", False), ("head_norm", True)):  # fmt: skip
        pair = (each.get_layer(name).get_weights() for each in (network, before.model))
        assert all(np.array_equal(*both) for both in zip(*pair, strict=True)) == same, name
    width = network.output["embedding"].shape[-1]
    assert summary["trained"] == 1152 * 320 + 320 * 1280 + 4 * width + 4
    assert made.model.manifest.summary["trained"] == 4 * width + 4
    said = f"of which {4 * width + 4:,} were trained"
    assert said in (made.model.path / "card.md").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"backbone": "eyenet"}, "has no pretrained weights"),
        ({"pretrained": False}, "--trainable head without pretrained weights"),
        ({"weights": "none"}, "--trainable head without pretrained weights"),
    ],
)
def test_settings_that_do_not_go_together(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _ = DrTrain(**change).start


def test_sizes_and_qualities_have_limits() -> None:
    changes: list[dict[str, Any]] = [
        {"size": 50}, {"size": 2000}, {"size": 100}, {"min_quality": 1.5}, {"processes": -1},
    ]  # fmt: skip
    for wrong in changes:
        with pytest.raises(UsageError):
            DrPreprocess(**wrong)


def test_augmentation_moves_pixels_and_keeps_their_range() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    for how in (change, view):
        drawn = [how(pixels, np.random.default_rng(seed)) for seed in (1, *range(1, 20))]
        for one in drawn:
            assert one.shape == pixels.shape and one.dtype == np.float32
            assert one.min() >= -1 and one.max() <= 1
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert all(np.abs(drawn[0] - other).mean() > 0.05 for other in drawn[2:])
