"""New photographs through a trained model: its stored predictions again, and abstention."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import cv2
import keras
import numpy as np
import pytest
from drawn_weights import checkpoint
from photograph_sources import write_telling
from weight_files import write_safetensors

from eyecli.cli.main import run
from eyecli.data.inputs import find_inputs
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.data.prepared import read_table
from eyecli.sources.source import fetch_path
from eyecli.tasks.base import all_layouts
from eyecli.tasks.dr import grading, learning, objectives, predicting
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.model import build
from eyecli.tasks.dr.settings import DrPreprocess, DrTrain
from eyecli.training import applying
from eyecli.training.applying import PredictSettings, predicted
from eyecli.training.model import load_fold, read_facts, read_model
from eyecli.training.stage import train
from eyecli.weights.artifact import fetch_file
from eyecli.workspace.store import Artifact, open_workspace

GRADES = [f"p_ge{grade}" for grade in (1, 2, 3, 4)]
Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    root: Path
    photographs: Path
    model: Artifact
    stored: Any
    prepared: Artifact
    split: Artifact

    def rows(self, **settings: Any) -> dict[str, Row]:
        """Predict all photographs, in this process."""
        chosen = PredictSettings(**settings)
        partitions = applying.chosen_folds(self.model, chosen.fold)
        inputs = find_inputs(
            self.photographs, self.root, predicting.FIELDS, predicting.wanted, predicting.WHAT
        )
        applied = predicting.applied(self.model, partitions, chosen, inputs.files)
        setup = read_model(self.model).setup
        rows = predicted(inputs, predicting, applied, setup, chosen.on_error)
        return {row["file"]: row for row in rows}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("predicting")
    root, photographs = open_workspace(folder / "ws", create=True), folder / "photographs"
    write_telling(photographs, 6)
    source = fetch_path(root, photographs, all_layouts(), layout="kaggle-dr").artifact
    # Enhanced pixels are other pixels: to forget it shows.
    settings = DrPreprocess(size=64, processes=1, enhance="clahe")
    prepared, split = prepare(root, "dr", source, read_raw, settings, SplitSettings("kfold:2"))
    write_safetensors(folder / "own.safetensors", checkpoint(1))
    weights = fetch_file(root, folder / "own.safetensors", "own", "CC0", force=False).artifact
    model, predictions = train(
        root, "dr", lambda: learning, prepared.artifact, split.artifact,
        DrTrain(weights="own", views=0, test_views=2), weights=weights,
    )  # fmt: skip
    (photographs / "broken.jpeg").write_bytes((photographs / "3_left.jpeg").read_bytes()[:2000])
    cv2.imwrite(str(photographs / "dark.jpeg"), np.zeros((300, 400, 3), np.uint8))
    table = read_table(predictions.artifact.path / "predictions.csv")
    return Made(root, photographs, model.artifact, table, prepared.artifact, split.artifact)


@pytest.fixture(scope="module", autouse=True)
def _networks_are_loaded_once() -> Iterator[None]:
    """Loading them, and tracing their graph, is most of what a test would take."""
    networks: dict[tuple[str, int], keras.Model] = {}

    def load(model: Artifact, fold: int) -> keras.Model:
        key = model.ref, fold
        if key not in networks:
            networks[key] = load_fold(model, fold)
        return networks[key]

    run = predicting.networks
    graphs = functools.cache(lambda *models: run(models))
    patch = pytest.MonkeyPatch()
    patch.setattr(predicting, "load_fold", load)
    patch.setattr(predicting, "networks", lambda models: graphs(*models))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def trained(made: Made) -> Made:
    """Networks that share nothing, of another loss."""
    settings = DrTrain(
        backbone="eyenet", pretrained=False, trainable="all", epochs=1, loss="cross-entropy",
        test_views=4,
    )  # fmt: skip
    model, predictions = train(
        made.root, "dr", lambda: learning, made.prepared, made.split, settings
    )
    stored = read_table(predictions.artifact.path / "predictions.csv")
    return replace(made, model=model.artifact, stored=stored)


@pytest.mark.parametrize(("which", "fold"), [("made", 0), ("made", 1), ("trained", 0)])
def test_a_fold_gives_its_stored_predictions(
    which: str, fold: int, request: pytest.FixtureRequest
) -> None:
    made: Made = request.getfixturevalue(which)
    rows = made.rows(fold=fold)
    assert "eyes" not in rows["1_left.jpeg"]
    stored = made.stored[made.stored["partition"] == fold]
    assert len(stored) > 4
    for _, known in stored.iterrows():
        row = rows[f"{known['sample']}.jpeg"]
        np.testing.assert_allclose([row[g] for g in GRADES], known[GRADES].astype(float), atol=1e-4)
        # Of few held-out rows there may be no operating point.
        found = (row["grade"], row.get("referable", 0))
        assert found == (known["grade_predicted"], known["sensitive"])
        assert (row["width"], row["height"]) == (known["width"], known["height"])
        assert row["quality"] == pytest.approx(known["quality"])


def test_several_folds_give_the_mean_of_their_probabilities(made: Made) -> None:
    one, two, both = made.rows(fold=0), made.rows(fold=1), made.rows()
    assert one["1_left.jpeg"]["p_ge1"] != two["1_left.jpeg"]["p_ge1"]
    for file, row in both.items():
        if "p_ge1" in row:
            mean = np.mean([[each[file][g] for g in GRADES] for each in (one, two)], axis=0)
            np.testing.assert_allclose([row[g] for g in GRADES], mean, atol=2e-6)
            parts = [row[f"p_grade{grade}"] for grade in range(5)]
            assert sum(parts) == pytest.approx(1, abs=1e-5)
            assert row["confidence"] == max(parts)


def test_what_shows_no_fundus_has_no_probabilities(made: Made) -> None:
    rows = made.rows()
    dark = rows["dark.jpeg"]
    assert dark["status"] == "ok" and not set(dark) & {*GRADES, "grade", "referable", "confidence"}
    assert (dark["abstain"], dark["why"], dark["quality"]) == (1, "no fundus found", 0)
    assert (dark["width"], dark["height"]) == (400, 300)
    broken = rows["broken.jpeg"]
    assert broken["status"] == "error" and "breaks off" in broken["error"]
    assert set(broken) == {"file", "status", "error"}


def test_abstention_follows_quality_and_certainty(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def why(**settings: Any) -> list[str]:
        rows = made.rows(fold=0, **settings)
        assert all(row["abstain"] == bool(row["why"]) for row in rows.values() if "why" in row)
        return [row["why"] for row in rows.values() if "p_ge1" in row]

    facts = read_facts(made.model, 0)["confidence"]
    assert len(facts) == 101 and (np.diff(facts) >= 0).all()
    assert why(min_quality=1.0) == ["poor quality"] * 12
    assert why(abstain=0) == [""] * 12
    confidence = [r["confidence"] for r in made.rows(fold=0).values() if "confidence" in r]
    # Six held-out rows may all be surer than any of these.
    even = {"confidence": (np.arange(101) / 100).tolist()}
    monkeypatch.setattr(predicting, "read_facts", lambda *which: read_facts(*which) | even)
    limit = sum(sorted(set(confidence))[:2]) / 2
    expected = ["uncertain" if each < limit else "" for each in confidence]
    assert 0 < expected.count("uncertain") < 12 and why(abstain=limit) == expected


def test_an_earlier_model_calls_nothing_uncertain_and_says_so(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def without(model: Artifact, partition: int) -> Row:
        facts = read_facts(model, partition)
        del facts["confidence"]
        return facts

    monkeypatch.setattr(predicting, "read_facts", without)
    rows = made.rows(fold=0, abstain=1.0)
    assert {row["why"] for row in rows.values() if "p_ge1" in row} == {""}
    assert "trained by an earlier version" in caplog.text
    caplog.clear()
    assert predicting._limit(made.model, {"confidence": np.arange(101) / 100}, 0.5) == 0.5
    assert "earlier version" not in caplog.text


def test_facts_of_folds_agree_on_their_means() -> None:
    one = {
        "target": "grade", "cuts": [0.5, 1.5, 2.5, 3.5], "sensitive": 0.2, "specific": None,
        "confidence": [0.0, 1.0],
    }  # fmt: skip
    two = one | {"cuts": [1.5, 2.5, 3.5, 4.5], "sensitive": 0.4, "confidence": [0.5, 1.0]}
    both = grading.agreed([one, two])
    assert both["cuts"] == [1, 2, 3, 4] and both["specific"] is None
    assert both["sensitive"] == pytest.approx(0.3) and [*both["confidence"]] == [0.25, 1]
    assert grading.agreed([one, {k: v for k, v in two.items() if k != "confidence"}])[
        "confidence"
    ] is None  # fmt: skip


def same_trunk(first: keras.Model) -> keras.Model:
    other = keras.models.clone_model(first)
    other.set_weights(first.get_weights())
    layer = other.get_layer("logits")
    layer.set_weights([values + 1 for values in layer.get_weights()])
    return other


def other_trunk(first: keras.Model) -> keras.Model:
    return build("eyenet", 32, first.output["logits"].shape[-1])


@pytest.mark.parametrize(("second", "shared"), [(same_trunk, True), (other_trunk, False)])
def test_networks_give_what_each_would(
    second: Callable[[keras.Model], keras.Model], shared: bool
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    first = build("eyenet", 32, 4)
    models = [first, second(first)]
    found = predicting.networks(models)
    assert (found.__name__ == "shared") is shared
    for model, logits in zip(models, found(pixels), strict=True):
        expected = np.asarray(model(learning.scale({"pixels": pixels}, {}))["logits"])
        np.testing.assert_allclose(logits, expected.reshape(3, 4), rtol=1e-4, atol=1e-5)


def test_logits_are_averaged_over_views() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    weights = np.random.default_rng(1).normal(size=(8, 8, 3))

    def run(pixels: np.ndarray) -> list[np.ndarray]:
        first = (pixels * weights).sum(axis=(1, 2, 3))[:, None]
        return [first, first**2]

    shown = [run(each) for each in (pixels, pixels[:, :, ::-1])]
    found = predicting.over_views(run, 2)(pixels)
    for number in (0, 1):
        expected = (shown[0][number] + shown[1][number]) / 2
        np.testing.assert_allclose(found[number], expected)
    np.testing.assert_array_equal(predicting.over_views(run, 1)(pixels)[0], run(pixels)[0])


def test_binary_targets_have_a_column_for_their_question() -> None:
    folds = [{"target": "any-dr", "temperature": 1.0, "cuts": [0.5], "sensitive": 0.4,
              "specific": None, "confidence": [0.5, 1.0]}]  # fmt: skip
    (row,) = answers([np.array([[0.0]])], folds)
    assert row == {"p_ge1": 0.5, "any_dr": 1, "confidence": 0.5}
    assert set(row) < set(predicting._columns("any-dr", fuses=False))


def answers(logits: list[np.ndarray], folds: list[Row]) -> list[Row]:
    unknown = np.full(len(logits[0]), "")
    return predicting._answers(logits, folds, grading.agreed(folds), unknown, unknown)


@pytest.mark.parametrize("loss", get_args(grading.Loss))
@pytest.mark.parametrize("second", [same_trunk, other_trunk])
def test_folds_of_every_loss_give_the_mean_of_what_each_says(
    second: Callable[[keras.Model], keras.Model], loss: grading.Loss
) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 32, 32, 3), np.uint8)
    count = objectives.outputs(loss, 4)
    first = build("eyenet", 32, count)
    found = predicting.networks([first, second(first)])(pixels)
    grades = rng.permutation(np.tile(np.arange(5), 4))
    folds = [
        {"target": "grade", "loss": loss, **grading.settle(values + noise, grades, "grade", loss)}
        for values, noise in zip(found, rng.normal(0, 1, (2, 20, count)), strict=True)
    ]
    rows = answers(found, folds)
    each = [grading.columns(values, fold) for values, fold in zip(found, folds, strict=True)]
    for name in GRADES:
        mean = (each[0][name] + each[1][name]) / 2
        np.testing.assert_allclose([row[name] for row in rows], mean, atol=1e-6)


def command(made: Made, *words: object) -> int:
    return run(["predict", *map(str, words), "--workspace", str(made.root)])


def test_the_command_prints_a_table_and_counts(
    made: Made, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(made, made.photographs) == 0
    out, err = capfd.readouterr()
    rows = [*csv.DictReader(io.StringIO(out))]
    assert [row["file"] for row in rows] == sorted(
        path.name for path in made.photographs.glob("*.jpeg")
    )
    assert rows[-1]["file"] == "dark.jpeg" and rows[-1]["p_ge1"] == ""
    assert "14 photographs" in err and "1 of 14 cannot be read" in err


def test_the_command_writes_json_lines_of_a_table_when_they_are_complete(
    made: Made, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table, output = tmp_path / "list.csv", tmp_path / "out.jsonl"
    photographs = made.photographs
    table.write_text(
        f"image,subject\n{photographs}/2_left.jpeg,ann\n{photographs}/broken.jpeg,bob\n"
    )
    words = (table, "--output", output, "--format", "jsonl", "--fold", 0)
    assert command(made, *words, "--on-error", "stop") == 3
    assert not output.exists() and "breaks off" in capfd.readouterr().err
    assert command(made, *words) == 0
    assert capfd.readouterr().out == f"{output}\n"
    good, bad = map(json.loads, output.read_text().splitlines())
    assert (good["subject"], good["status"], bad["subject"]) == ("ann", "ok", "bob")
    assert list(good) == list(bad) and bad["p_ge1"] is None
    assert sorted(tmp_path.iterdir()) == [table, output]


def test_the_command_writes_over_nothing_that_is_read_or_kept(
    made: Made, capfd: pytest.CaptureFixture[str]
) -> None:
    for place in (made.model.path / "model.json", made.photographs / "2_left.jpeg"):
        before = place.read_bytes()
        assert command(made, made.photographs, "--output", place) == 2
        assert "is not written to" in capfd.readouterr().err
        assert place.read_bytes() == before


@pytest.mark.parametrize("name", ["fold-000/facts.json", "fold-001/model.weights.h5"])
def test_a_model_that_was_changed_is_refused(
    made: Made, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = made.model.path / name
    before, mode, times = path.read_bytes(), path.stat().st_mode, path.stat()
    path.chmod(0o644)
    try:
        path.write_bytes(before.replace(b"1", b"2", 1))
        # Neither size nor time tells.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert command(made, made.photographs, "--model", made.model.ref) == 3
    finally:
        path.write_bytes(before)
        path.chmod(mode)
    out, err = capfd.readouterr()
    assert not out and f"{path}: content changed" in err and "make it again" in err


@pytest.mark.slow
def test_a_reader_that_leaves_ends_it_cleanly(made: Made) -> None:
    words = [sys.executable, "-m", "eyecli", "predict", str(made.photographs)]
    words += ["--workspace", str(made.root)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith(b"file,status,")
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 1 and "Traceback" not in said and "error" not in said
