"""Photographs enhanced as they are loaded: the same model as of photographs stored enhanced."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_weights import checkpoint
from weight_files import write_safetensors

from eyecli.coreml.validation import validation_samples
from eyecli.data.inputs import find_inputs
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.data.prepared import open_prepared, read_split, read_table
from eyecli.errors import UsageError
from eyecli.sources.source import fetch_path
from eyecli.synthesis.fundus import write_fundus
from eyecli.tasks.base import all_layouts
from eyecli.tasks.dr import exporting, learning, predicting
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.loading import enhanced
from eyecli.tasks.dr.settings import DrPreprocess, DrTrain, check_train
from eyecli.training.applying import PredictSettings, predicted
from eyecli.training.external import predict_external
from eyecli.training.features import kept_outputs
from eyecli.training.model import load_fold, read_facts, read_model
from eyecli.training.stage import train
from eyecli.weights.artifact import fetch_file
from eyecli.workspace.store import Artifact, open_workspace

SIZE = 64
# The quarters of the fast form are other pixels than those of the exact one.
HOW: Any = "graham-fast"
EYENET = DrTrain(backbone="eyenet", pretrained=False, trainable="all", enhance=HOW)
PROBABILITIES = [f"p_ge{grade}" for grade in (1, 2, 3, 4)]


@dataclass(frozen=True)
class Way:
    """Data, and the model and predictions made of them."""

    prepared: Artifact
    split: Artifact
    model: Artifact
    predictions: Artifact


@dataclass(frozen=True)
class Made:
    root: Path
    stored: Way
    loaded: Way
    others: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("loading")
    root = open_workspace(folder / "ws", create=True)
    for name, seed in (("photographs", 0), ("others", 7)):
        write_fundus(folder / name, 6, seed)
    write_safetensors(folder / "own.safetensors", checkpoint(1))
    weights = fetch_file(root, folder / "own.safetensors", "own", "CC0", force=False).artifact

    def way(stored: Any, loaded: Any) -> Way:
        data, split = prepared(root, folder / "photographs", stored)
        settings = DrTrain(weights="own", views=1, enhance=loaded)
        model, predictions = train(
            root, "dr", lambda: learning, data, split, settings, weights=weights
        )
        return Way(data, split, model.artifact, predictions.artifact)

    return Made(root, way(HOW, "none"), way("none", HOW), folder / "others")


def prepared(root: Path, folder: Path, enhance: Any) -> tuple[Artifact, Artifact]:
    source = fetch_path(root, folder, all_layouts(), layout="kaggle-dr").artifact
    settings = DrPreprocess(size=SIZE, processes=1, enhance=enhance)
    made = prepare(root, "dr", source, read_raw, settings, SplitSettings("kfold:2"))
    return made[0].artifact, made[1].artifact


def test_both_ways_train_the_same_model(made: Made) -> None:
    stored, loaded = (way.predictions.path for way in (made.stored, made.loaded))
    for name in ("embedding.npy", "gallery.npy"):
        np.testing.assert_array_equal(np.load(loaded / name), np.load(stored / name))
    one, other = (
        read_table(path / "predictions.csv")[PROBABILITIES].to_numpy() for path in (stored, loaded)
    )
    np.testing.assert_array_equal(one, other)
    kernel, same = (
        load_fold(way.model, 0).get_layer("logits").get_weights()[0]
        for way in (made.stored, made.loaded)
    )
    np.testing.assert_array_equal(kernel, same)


def test_features_of_photographs_as_they_are_are_kept_apart(made: Made, tmp_path: Path) -> None:
    # Of two sets of data: what training kept is what predictions found again.
    assert len(list((made.root / "cache/features").glob("*-0.npy"))) == 2
    data, rows = open_prepared(made.loaded.prepared), np.arange(3)
    mine = learning.learner(data, rows, EYENET)
    plain = replace(mine, scale=partial(learning.scale, facts={}))
    found = [kept_outputs(tmp_path, one, data, rows)["embedding"] for one in (mine, plain, mine)]
    assert len(list(tmp_path.glob("*-0.npy"))) == 2
    assert not np.allclose(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_predict_does_it(made: Made) -> None:
    folder = made.root.parent / "photographs"
    inputs = find_inputs(folder, made.root, predicting.FIELDS, predicting.wanted, predicting.WHAT)
    chosen = PredictSettings(abstain=0)
    applied = predicting.applied(made.loaded.model, [0], chosen, inputs.files)
    setup = read_model(made.loaded.model).setup
    rows = {row["file"]: row for row in predicted(inputs, predicting, applied, setup, "stop")}
    table = read_table(made.loaded.predictions.path / "predictions.csv")
    table = table[table["partition"] == 0]
    assert len(table) > 4
    for _, known in table.iterrows():
        row = rows[f"{known['sample']}.jpeg"]
        found = [row[name] for name in PROBABILITIES]
        np.testing.assert_allclose(found, known[PROBABILITIES].astype(float), atol=1e-4)


def test_data_of_others_are_enhanced_too(made: Made) -> None:
    tables = []
    for way, stored in ((made.stored, HOW), (made.loaded, "none")):
        others = prepared(made.root, made.others, stored)[0]
        outcome = predict_external(
            made.root, lambda: learning, way.model, others, 0, other_people="drawn anew"
        )
        tables.append(read_table(outcome.artifact.path / "predictions.csv"))
    assert len(tables[0]) > 4
    one, other = (table[PROBABILITIES].to_numpy() for table in tables)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_an_application_is_told_and_parity_is_tried_on_such_pixels(made: Made) -> None:
    shown = []
    for way in (made.stored, made.loaded):
        network, facts = load_fold(way.model, 0), read_facts(way.model, 0)
        contract = exporting.contract(facts, read_model(way.model).setup)
        assert contract.metadata["inputs"].endswith(f"as `preprocess dr --enhance {HOW}` does")
        shown.append(
            validation_samples(way.prepared, way.split, 0, ["pixels"], 3, network, contract)
        )
    np.testing.assert_array_equal(shown[0]["pixels"], shown[1]["pixels"])


def test_every_training_sample_is_enhanced_before_it_is_changed(made: Made) -> None:
    stored, loaded = (open_prepared(way.prepared) for way in (made.stored, made.loaded))
    learner = learning.learner(loaded, np.arange(4), EYENET)
    plain = learning.learner(stored, np.arange(4), replace(EYENET, enhance="none"))
    mine, theirs = (data.arrays.take("pixels", [0])[0] for data in (loaded, stored))
    assert learner.view and plain.view
    for by, other in ((learner.augment, plain.augment), (learner.view, plain.view)):
        one = by({"pixels": mine}, np.random.default_rng(3))
        two = other({"pixels": theirs}, np.random.default_rng(3))
        np.testing.assert_array_equal(one["pixels"], two["pixels"])


def test_the_card_says_it(made: Made) -> None:
    assert made.loaded.model.manifest.params["enhance"] == HOW
    assert HOW in (made.loaded.model.path / "card.md").read_text()
    assert "enhance" not in made.stored.model.manifest.params


def test_enhanced_twice_is_refused(made: Made) -> None:
    data, split = open_prepared(made.stored.prepared), read_split(made.stored.split)
    with pytest.raises(UsageError, match=f"--enhance clahe: .* stored enhanced, by {HOW}"):
        check_train(DrTrain(enhance="clahe"), data, split)
    check_train(DrTrain(), data, split)
    check_train(DrTrain(enhance=HOW), open_prepared(made.loaded.prepared), split)


def test_models_from_before_it_change_nothing() -> None:
    pixels = {"pixels": np.zeros((1, 8, 8, 3), np.uint8)}
    assert enhanced(pixels, {}) is pixels
