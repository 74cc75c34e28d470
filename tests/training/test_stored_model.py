from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.errors import DataError, UsageError
from eyecli.training.backend import load_keras
from eyecli.training.model import (
    ARCHITECTURE,
    FACTS,
    MODEL,
    WEIGHTS,
    choose_fold,
    fold_folder,
    load_fold,
    network_digest,
    read_facts,
    read_model,
    save_fold,
)
from eyecli.workspace.manifest import sha256_file
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import Artifact, open_workspace


def network(seed: int = 0) -> Any:
    """A shared branch, two outputs: what the gaze network has, smaller."""
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    keras.utils.clear_session()
    pixels = keras.Input((8, 8, 3), name="pixels")
    branch = keras.Model(pixels, keras.layers.Conv2D(4, 8, activation="relu")(pixels), name="eye")
    sides = [keras.Input((8, 8, 3), name=name) for name in ("left", "right")]
    x = keras.layers.Concatenate()([branch(side) for side in sides])
    embedding = keras.layers.Conv2D(5, 1, name="embedding")(x)
    gaze = keras.layers.Conv2D(2, 1, name="gaze")(embedding)
    return keras.Model(sides, {"gaze": gaze, "embedding": embedding}, name="net")


def publish(root: Path, partitions: tuple[int, ...] = (0,), facts: dict | None = None) -> Artifact:
    def build(folder: Path) -> Built:
        for partition in partitions:
            save_fold(fold_folder(folder, partition), network(partition), facts or {"alpha": 0.5})
        (folder / MODEL).write_text(json.dumps({"setup": {}, "partitions": partitions}))
        return Built()

    root = open_workspace(root, create=True)
    return run_stage(root, Work("train", "model", "gaze", params={"p": partitions}), build).artifact


def outputs(model: Any) -> dict[str, np.ndarray]:
    pixels = np.random.default_rng(5).normal(size=(2, 3, 8, 8, 3)).astype(np.float32)
    found = model({"left": pixels[0], "right": pixels[1]}, training=False)
    return {name: np.asarray(values) for name, values in found.items()}


def test_a_fold_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    artifact = publish(tmp_path / "w", (0, 3), {"alpha": 0.5, "mean": [1.0, 2.5]})
    for partition in (0, 3):
        expected = outputs(network(partition))
        for name, values in outputs(load_fold(artifact, partition)).items():
            np.testing.assert_array_equal(values, expected[name])
    assert np.abs(outputs(load_fold(artifact, 0))["gaze"] - expected["gaze"]).max() > 0.01
    assert read_facts(artifact, 0) == {"alpha": 0.5, "mean": [1.0, 2.5]}
    assert read_model(artifact).partitions == [0, 3]


def test_the_same_model_makes_the_same_bytes(tmp_path: Path) -> None:
    save_fold(tmp_path / "a", network(), {"b": 1, "a": [2.5]})
    save_fold(tmp_path / "b", network(), {"a": [2.5], "b": 1})
    for name in (ARCHITECTURE, WEIGHTS, FACTS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_digest_is_that_of_the_weights(tmp_path: Path) -> None:
    artifact = publish(tmp_path / "w", (0, 3))
    for partition in (0, 3):
        path = fold_folder(artifact.path, partition) / WEIGHTS
        assert network_digest(artifact, partition) == sha256_file(path)
    assert network_digest(artifact, 0) != network_digest(artifact, 3)


def test_folds_are_chosen(tmp_path: Path) -> None:
    single, several = publish(tmp_path / "w", (2,)), publish(tmp_path / "w", (0, 1, 2))
    assert choose_fold(single, -1) == 2 == choose_fold(single, 2)
    assert choose_fold(several, 1) == 1
    for artifact, fold in ((single, 0), (several, -1), (several, 3), (several, -2)):
        with pytest.raises(UsageError) as caught:
            choose_fold(artifact, fold)
        assert artifact.ref in caught.value.message and caught.value.hint == "name one with --fold"
    assert "3 folds: 0 to 2" in caught.value.message


def overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.mark.parametrize("name", [WEIGHTS, ARCHITECTURE])
def test_any_change_of_a_network_is_refused(tmp_path: Path, name: str) -> None:
    artifact = publish(tmp_path / "w")
    path = fold_folder(artifact.path, 0) / name
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (b"", whole[:-1], whole[: len(whole) // 2], bytes(flipped), b"\0" * len(whole)):
        overwrite(path, content)
        with pytest.raises(DataError, match=f"damaged model: {name} is not what was published"):
            load_fold(artifact, 0)
    path.unlink()
    with pytest.raises(DataError, match="damaged model"):
        load_fold(artifact, 0)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """Published as they are, so that their digest is right."""
    keras = load_keras()

    def build(folder: Path) -> Built:
        fold = fold_folder(folder, 0)
        save_fold(fold, network(), {})
        x = keras.Input((4,))
        keras.Model(x, keras.layers.Dense(3)(x)).save_weights(fold / WEIGHTS)
        return Built()

    root = open_workspace(tmp_path / "w", create=True)
    artifact = run_stage(root, Work("train", "model", "gaze"), build).artifact
    with pytest.raises(DataError, match="damaged model"):
        load_fold(artifact, 0)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_damaged_facts_and_descriptions_are_named(tmp_path: Path, content: bytes) -> None:
    artifact = publish(tmp_path / "w")
    overwrite(fold_folder(artifact.path, 0) / FACTS, content)
    with pytest.raises(DataError, match=r"facts\.json: damaged model"):
        read_facts(artifact, 0)
    overwrite(artifact.path / MODEL, content)
    with pytest.raises(DataError, match=r"model\.json: damaged model"):
        read_model(artifact)
