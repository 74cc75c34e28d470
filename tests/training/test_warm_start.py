"""A training that starts from weights of the workspace: their report, lineage and memo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_weights import LITE0, checkpoint
from gaze_chain import Chain
from weight_files import write_safetensors

from eyecli.cli.main import run
from eyecli.tasks.gaze import learning
from eyecli.tasks.gaze.settings import GazeTrain
from eyecli.training.folds import model_work, train_command, weights_of
from eyecli.training.model import load_fold
from eyecli.training.refit import refit
from eyecli.training.stage import train
from eyecli.weights.artifact import fetch_file
from eyecli.workspace.memo import memo_key
from eyecli.workspace.store import Artifact

pytest_plugins = ["trained_gaze"]


SETTINGS = GazeTrain(epochs=1, batch_size=16, backbone=LITE0, weights="own", trainable="head")


def bring(root: Path, folder: Path, name: str, seed: int) -> Artifact:
    write_safetensors(folder / f"{name}.safetensors", checkpoint(seed))
    fetched = fetch_file(root, folder / f"{name}.safetensors", name, "CC-BY-4.0", force=False)
    return fetched.artifact


@pytest.fixture(scope="module")
def weights(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return bring(chain.root, tmp_path_factory.mktemp("own"), "own", 1)


@pytest.fixture(scope="module")
def warm(chain: Chain, weights: Artifact) -> Artifact:
    return train(chain.root, "gaze", lambda: learning, chain.prepared, chain.split, SETTINGS,
                 weights=weights)[0].artifact  # fmt: skip


def test_the_manifest_says_what_it_started_from(
    chain: Chain, weights: Artifact, warm: Artifact
) -> None:
    roles = {entry.role: entry.digest for entry in warm.manifest.inputs}
    assert roles["weights"] == weights.manifest.digest
    assert warm.manifest.params["weights"] == "own"
    assert warm.manifest.params["backbone"] == LITE0
    facts = warm.manifest.summary["pretrained"]["eye"]
    # A file without PyTorch's counters of batches.
    assert (facts["matched"], facts["total"], facts["missing"]) == (165, 165, [])
    assert facts["source"] == "own.safetensors into eye"
    assert "CC-BY-4.0" in warm.manifest.licences
    assert weights_of(chain.root, warm) == weights and weights_of(chain.root, chain.model) is None
    card = (warm.path / "card.md").read_text()
    assert "efficientnet-lite0 sees the images" in card and "weights own" in card


def test_a_frozen_backbone_is_the_checkpoint_after_training(warm: Artifact) -> None:
    kernel = load_fold(warm, 0).get_layer("eye").get_layer("eye_block3_expand_conv").get_weights()
    expected = checkpoint(1)["_blocks.3._expand_conv.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(kernel[0], expected)


def test_other_weights_make_another_training(
    chain: Chain, weights: Artifact, warm: Artifact, tmp_path: Path
) -> None:
    other = bring(chain.root, tmp_path, "other", 2)
    works = [
        model_work("gaze", chain.prepared, chain.split, SETTINGS, weights=which)
        for which in (weights, other, None)
    ]
    assert len({memo_key(work) for work in works}) == 3
    again, _ = train(chain.root, "gaze", lambda: learning, chain.prepared, chain.split, SETTINGS,
                     weights=weights)  # fmt: skip
    assert again.cached and again.artifact == warm


def test_a_training_without_weights_is_what_it_was(chain: Chain) -> None:
    assert "weights" not in {entry.role for entry in chain.model.manifest.inputs}
    later = {"weights", "pretrained", "trainable", "backbone"}
    assert not later & chain.model.manifest.params.keys()
    assert "pretrained" not in chain.model.manifest.summary
    assert "sees the images" not in (chain.model.path / "card.md").read_text()


def test_the_line_that_trains_it_again_names_the_weights(chain: Chain) -> None:
    line = train_command("gaze", chain.prepared, chain.split, SETTINGS)
    assert "--weights own" in line and f"--backbone {LITE0}" in line
    plain = replace(SETTINGS, weights="", pretrained=True)
    assert "--pretrained" in train_command("gaze", chain.prepared, chain.split, plain)


def test_the_card_names_them_with_their_licence(warm: Artifact, weights: Artifact) -> None:
    said = f"weights/own (sha256 {weights.manifest.digest[:12]}, licence CC-BY-4.0)."
    card = (warm.path / "card.md").read_text()
    assert f"Training started from {said}" in card
    assert f"Pretrained weights: {said}" in card


def test_a_refit_starts_from_the_same_weights(
    chain: Chain, weights: Artifact, warm: Artifact
) -> None:
    made = refit(chain.root, lambda: learning, GazeTrain, warm).artifact
    assert weights_of(chain.root, made) == weights
    assert made.manifest.summary["pretrained"]["eye"]["matched"] == 165


def command(chain: Chain, *words: str) -> list[str]:
    return ["train", "gaze", *words, "--workspace", str(chain.root), "--epochs", "1"]


def test_weights_that_are_not_there_are_not_fetched(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(chain, "--pretrained", "--backbone", "efficientnet-lite1")) == 5
    said = capsys.readouterr().err
    assert "weights 'efficientnet-lite1' are not in" in said
    assert "eyecli fetch weights efficientnet-lite1" in said


def test_a_backbone_without_weights_says_which_have_some(
    chain: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(chain, "--pretrained")) == 2
    said = capsys.readouterr().err
    assert "--backbone compact has no pretrained weights" in said
    assert "efficientnet-lite0, efficientnet-lite1, efficientnet-lite2" in said


def test_the_weights_of_another_network_end_it_before_it_begins(
    chain: Chain, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "strange.safetensors"
    write_safetensors(path, {f"module.{name}": a for name, a in checkpoint(3).items()})
    fetch_file(chain.root, path, "strange", "MIT", force=False)
    assert run(command(chain, "--backbone", LITE0, "--weights", "strange")) == 4
    said = capfd.readouterr().err
    assert "strange.safetensors into eye: 0 of 412 tensors matched" in said
    assert "nothing was loaded" in said
    assert "the network has _conv_stem.weight, the file module._conv_stem.weight" in said
    assert "165 missing in the file: _conv_stem.weight, _bn0.weight" in said
