"""The report on a dr model: its gallery, its subgroups, and judgement by another camera."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.data.prepared import open_prepared, read_table
from eyecli.errors import DataError
from eyecli.evaluation.gallery import draw_gallery
from eyecli.evaluation.gradcam import pooled_cam
from eyecli.evaluation.stage import GALLERY_TITLE, EvaluateSettings, evaluate
from eyecli.nets.heads import Pooling
from eyecli.sources.source import fetch_path
from eyecli.synthesis.fundus import write_fundus
from eyecli.tasks.base import all_layouts
from eyecli.tasks.dr import learning, reporting
from eyecli.tasks.dr.explanation import drawn, questions
from eyecli.tasks.dr.grading import Loss
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.reporting import resolution
from eyecli.tasks.dr.settings import DrPreprocess, DrTrain
from eyecli.training.backend import load_keras
from eyecli.training.external import predict_external
from eyecli.training.stage import train
from eyecli.workspace.store import Artifact, open_workspace

SIZE = 64
SETTINGS = DrTrain(backbone="eyenet", pretrained=False, trainable="all", epochs=1)


@dataclass(frozen=True)
class Made:
    root: Path
    prepared: Artifact
    split: Artifact
    model: Artifact
    predictions: Artifact

    def report(self, settings: EvaluateSettings | None = None) -> Path:
        return evaluate(
            self.root, lambda: reporting, self.predictions, self.model, self.prepared, self.split,
            settings or EvaluateSettings(),
        ).artifact.path  # fmt: skip


def photographs(root: Path, folder: Path, subjects: int, seed: int, size: int = SIZE) -> Artifact:
    """Prepare drawn photographs; those of other seeds are of other people, by another camera."""
    write_fundus(folder, subjects, seed)
    if seed:
        for path in folder.glob("*.jpeg"):
            small = cv2.resize(cv2.imread(str(path)), (200, 200), interpolation=cv2.INTER_AREA)
            framed = cv2.copyMakeBorder(small, 4, 4, 40, 60, cv2.BORDER_CONSTANT)
            path.unlink()
            cv2.imwrite(str(folder / f"{seed}{path.stem}.png"), framed // 4 * 3)
        table = folder / "trainLabels.csv"
        table.write_text(re.sub(r"(?m)^(\d)", rf"{seed}\1", table.read_text()))
    source = fetch_path(root, folder, all_layouts(), layout="kaggle-dr").artifact
    settings = DrPreprocess(size=size, processes=1)
    return prepare(root, "dr", source, read_raw, settings, SplitSettings("holdout:0.4"))[0].artifact


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("report")
    root = open_workspace(folder / "workspace", create=True)
    write_fundus(folder / "raw", 20, 0)
    source = fetch_path(root, folder / "raw", all_layouts(), layout="kaggle-dr").artifact
    prepared, split = prepare(root, "dr", source, read_raw, DrPreprocess(size=SIZE, processes=1),
                              SplitSettings("holdout:0.4"))  # fmt: skip
    model, predictions = train(
        root, "dr", lambda: learning, prepared.artifact, split.artifact, SETTINGS
    )
    return Made(root, prepared.artifact, split.artifact, model.artifact, predictions.artifact)


@pytest.fixture(scope="module")
def other(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return photographs(made.root, tmp_path_factory.mktemp("other") / "raw", 10, 7)


def test_the_gallery_lies_beside_the_predictions(made: Made) -> None:
    folder = made.predictions.path
    table, maps = read_table(folder / "gallery.csv"), np.load(folder / "gallery.npy")
    test = read_table(folder / "predictions.csv").query("part == 'test'")
    shown = sum(min(2, number) for number in test["grade"].value_counts())
    assert len(table) == len(maps) == 2 * shown and maps.shape[1:] == (SIZE, SIZE)
    assert set(table["sample"]) <= set(test["sample"])
    grades = dict(zip(test["sample"], test["grade"], strict=True))
    assert all(row.truth == f"grade {grades[row.sample]}" for row in table.itertuples())
    assert list(table["truth"]) == sorted(table["truth"])
    for _, pair in table.groupby("sample"):
        assert set(pair["answer"]) >= {"speaks for grade 2 or more"} and len(pair) == 2
        assert not np.array_equal(*maps[pair.index]), "the maps of two answers differ"


def test_the_report_shows_it_and_names_nobody(made: Made) -> None:
    folder = made.report()
    page, text = ((folder / name).read_text() for name in ("report.html", "report.md"))
    drawing = page[page.index(GALLERY_TITLE) :].partition("</figure>")[0]
    table = read_table(made.predictions.path / "gallery.csv")
    assert drawing.count("<image ") == 3 * len(table) // 2
    assert drawing.count("speaks for grade 2 or more") == len(table) // 2
    captions = " ".join(re.findall(r"<text[^>]*>([^<]*)<", drawing))
    assert not [sample for sample in table["sample"] if sample in captions]
    assert "drawn by their true class alone" in text
    without = made.report(EvaluateSettings(gallery=False))
    assert GALLERY_TITLE not in (without / "report.html").read_text()
    assert "drawn by their" not in (without / "report.md").read_text()


def test_a_gallery_of_other_data_is_refused(made: Made, other: Artifact) -> None:
    with pytest.raises(DataError, match=r"gallery\.csv and gallery\.npy are not of these data"):
        draw_gallery(made.predictions.path, open_prepared(other))
    assert draw_gallery(made.root, open_prepared(other)) is None


def test_only_true_grade_and_seed_choose(made: Made) -> None:
    table = read_table(made.predictions.path / "predictions.csv")
    chosen = drawn(table)
    assert (chosen["part"] == "test").all() and chosen["sample"].is_unique
    changed = table.assign(p_ge2=1 - table["p_ge2"], grade_predicted=4).sort_values("p_ge1")
    assert list(drawn(changed)["sample"]) == list(chosen["sample"])
    twice = pd.concat([table, table.assign(partition=1)], ignore_index=True)
    assert list(drawn(twice)["sample"]) == list(chosen["sample"])


def test_scores_are_of_the_boundaries_around_a_class() -> None:
    facts = {"boundaries": [1, 2, 3, 4], "target": "grade"}
    wanted = {0: (-1, 0, 0, 0), 1: (1, -1, 0, 0), 3: (0, 0, 1, -1), 4: (0, 0, 0, 1)}
    for grade, weights in wanted.items():
        question, own = questions(facts, grade)
        assert tuple(question[1]) == (0, 1, 0, 0) and tuple(own[1]) == weights
        assert own[0] == f"for grade {grade}, as predicted"
    question, own = questions({"boundaries": [2], "target": "referable"}, 2)
    assert (question[1], own[1]) == (1, -1) and own[0] == "speaks for less than grade 2"


def test_a_regressed_grade_has_one_score() -> None:
    facts = {"boundaries": [1, 2, 3, 4], "target": "grade", "loss": "mse"}
    assert questions(facts, 3) == [
        ("speaks for a higher grade", 1),
        ("speaks for a lower grade", -1),
    ]


@pytest.mark.parametrize("loss", ["cross-entropy", "mse", "corn"])
def test_the_report_of_every_loss_shows_it(made: Made, loss: Loss) -> None:
    model, predictions = train(
        made.root, "dr", lambda: learning, made.prepared, made.split, replace(SETTINGS, loss=loss)
    )
    one = replace(made, model=model.artifact, predictions=predictions.artifact)
    page = (one.report() / "report.html").read_text()
    table = read_table(one.predictions.path / "gallery.csv")
    answer = "speaks for a higher grade" if loss == "mse" else "speaks for grade 2 or more"
    drawing = page[page.index(GALLERY_TITLE) :].partition("</figure>")[0]
    assert drawing.count(answer) == len(table) // 2 > 0


@pytest.mark.parametrize("pooling", ["avg", "avgmax"])
def test_maps_of_all_scales_add_up_to_the_score_above_the_usual(pooling: Pooling) -> None:
    keras = load_keras()
    from eyecli.tasks.dr.model import build, maps

    keras.utils.set_random_seed(0)
    network, layers = build("efficientnet-lite0", SIZE, 4, pooling), maps("efficientnet-lite0")
    pixels = np.random.default_rng(0).uniform(-1, 1, (3, SIZE, SIZE, 3)).astype(np.float32)
    outputs = {key: np.asarray(value).reshape(3, -1) for key, value in network(pixels).items()}
    score = np.array([[0, 1, 0, 0], [0, 0, 1, -1.0], [-1, 0, 0, 0]])
    usual = outputs["embedding"][:2].mean(axis=0)
    found = pooled_cam(network, layers, pixels, score, usual).sum(axis=(1, 2))
    above = ((outputs["logits"] - outputs["logits"][:2].mean(axis=0)) * score).sum(axis=1)
    scale = np.abs(above).max()
    np.testing.assert_allclose(found, above, atol=1e-3 * scale)
    with pytest.raises((AssertionError, ValueError)):
        part = pooled_cam(network, layers[1:], pixels, score, usual).sum(axis=(1, 2))
        np.testing.assert_allclose(part, above, atol=1e-3 * scale)


def test_resolutions_double_from_the_side() -> None:
    found = resolution(np.array([100, 511.9, 512, 1000, 1024, 2500]), 512)
    assert list(found) == ["below 512 px"] * 2 + ["from 512 px"] * 2 + [
        "from 1024 px", "from 2048 px",
    ]  # fmt: skip


def test_groups_of_resolution_are_judged_where_they_are_large_enough(made: Made) -> None:
    data = open_prepared(made.prepared)
    table = read_table(made.predictions.path / "predictions.csv").query("part == 'test'")
    many = pd.concat([table] * 4, ignore_index=True)
    many["sample"] = many["subject"] = [f"x{n}" for n in range(len(many))]
    radius = np.where(np.arange(len(many)) < 25, 20.0, 100.0)
    values = many[reporting.predicted_columns(many)].to_numpy(float)
    groups = resolution(2 * radius, SIZE)
    found = reporting._by("resolution", groups, many, values, data)
    sizes = {metric.group: metric.n for metric in found}
    assert sizes == {"resolution=below 64 px": 25, "resolution=from 128 px": len(many) - 25}
    few = resolution(np.where(np.arange(len(many)) < 5, 40.0, 200.0), SIZE)
    assert {m.group for m in reporting._by("resolution", few, many, values, data)} == {
        "resolution=from 128 px"
    }


@pytest.mark.parametrize("target", ["grade", "referable"])
def test_another_camera_is_an_external_validation(made: Made, other: Artifact, target: str) -> None:
    model = made.model
    if target == "referable":
        settings = DrTrain(**{**vars(SETTINGS), "target": "referable"})
        model = train(made.root, "dr", lambda: learning, made.prepared, made.split, settings)[
            0
        ].artifact
    predicted = predict_external(made.root, lambda: learning, model, other, 0).artifact
    report = evaluate(
        made.root, lambda: reporting, predicted, model, made.prepared, made.split,
        EvaluateSettings(), on=other,
    ).artifact  # fmt: skip
    assert (report.path / "report.md").read_text().startswith(f"EXTERNAL VALIDATION on {other.ref}")
    metrics = read_table(report.path / "metrics.csv")
    own = metrics[(metrics["predictor"] == "model") & (metrics["group"] == "photographs")]
    n = len(open_prepared(other).index)
    assert n == 20 and (own["n"] == n).all() and "auc_referable" in set(own["metric"])
    assert ("auc_any" in set(own["metric"])) is (target == "grade")
    # Fitted on the training's camera, judged on the other's photographs.
    assert set(metrics["predictor"]) == {"model", *reporting.BASELINES}
    page = (report.path / "report.html").read_text()
    assert GALLERY_TITLE in page


def test_photographs_of_another_size_are_refused(
    made: Made, tmp_path_factory: pytest.TempPathFactory
) -> None:
    large = photographs(made.root, tmp_path_factory.mktemp("large") / "raw", 5, 8, size=96)
    with pytest.raises(DataError, match=rf"with size 96, {made.model.ref} .* size {SIZE}") as found:
        predict_external(made.root, lambda: learning, made.model, large, 0)
    assert "--size" in str(found.value.hint)


def test_rows_without_a_grade_are_no_external_data(made: Made, tmp_path: Path) -> None:
    write_fundus(tmp_path / "raw", 5, 9)
    table = tmp_path / "raw/trainLabels.csv"
    table.write_text(re.sub(r"(?m)^2_left,\d", "2_left,", table.read_text()))
    source = fetch_path(made.root, tmp_path / "raw", all_layouts(), layout="kaggle-dr").artifact
    with pytest.raises(DataError, match=r"row 4.*level"):
        prepare(made.root, "dr", source, read_raw, DrPreprocess(size=SIZE, processes=1),
                SplitSettings("holdout"))  # fmt: skip
