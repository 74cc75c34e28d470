from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from weight_files import Weights, write_safetensors

from eyecli.ane.check import check
from eyecli.coreml.convert import Input, convert, fold
from eyecli.errors import CheckError, UsageError
from eyecli.nets import efficientnet_lite as lite
from eyecli.tasks.gaze.exporting import contract
from eyecli.tasks.gaze.model import build, warm_start
from eyecli.tasks.gaze.settings import GazeTrain
from eyecli.training.backend import load_keras
from eyecli.training.sweep import grid
from eyecli.weights.checkpoint import read_checkpoint
from eyecli.weights.mapping import load_into

pytest_plugins = ["lite_weights"]

LITE0: Final = "efficientnet-lite0"
SETUP = {"unit": "px", "mirrored": ["right"], "eye_size": 64, "face_size": 64}


def values(tensor: Any) -> np.ndarray:
    return load_keras().ops.convert_to_numpy(tensor)


def test_which_weights_a_training_starts_from() -> None:
    assert GazeTrain().start is None and GazeTrain(backbone=LITE0).start is None
    assert GazeTrain(backbone=LITE0, pretrained=True).start == LITE0
    assert GazeTrain(backbone=LITE0, weights="own").start == "own"
    assert GazeTrain(backbone=LITE0, weights="own", pretrained=True).start == "own"
    assert GazeTrain(backbone=LITE0, weights="none").start is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pretrained": True}, "--backbone compact has no pretrained weights"),
        ({"weights": LITE0}, "--backbone compact has no pretrained weights"),
        ({"backbone": LITE0, "pretrained": True, "weights": "none"}, "--pretrained with"),
        ({"backbone": LITE0, "trainable": "head"}, "--trainable head without"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as raised:
        GazeTrain(**settings).start  # noqa: B018
    if "compact" in message:
        assert raised.value.hint and "efficientnet-lite0, efficientnet-lite1" in raised.value.hint


def test_the_defaults_of_later_settings_change_no_earlier_training() -> None:
    later = {"pretrained", "weights", "trainable", "backbone"}
    assert not later & GazeTrain().result_params().keys()
    assert not later & GazeTrain(weights="none").result_params().keys()
    warm = GazeTrain(backbone=LITE0, pretrained=True)
    assert warm.result_params() == GazeTrain(backbone=LITE0, weights=LITE0).result_params()
    assert warm.result_params()["weights"] == LITE0
    assert GazeTrain(**warm.result_params()).start == LITE0


def test_backbones_can_be_compared_in_one_command() -> None:
    names = [LITE0, "efficientnet-lite1"]
    found = grid(GazeTrain(pretrained=True), None, [f"backbone={','.join(names)}"])
    assert [one.settings.start for one in found] == names


@pytest.mark.parametrize("size", [7, 64, 160])
def test_any_size_of_crops_ends_in_a_small_map(size: int) -> None:
    model = build(["face"], face_size=size, backbone=LITE0)
    assert model.output["embedding"].shape == (None, 1, 1, 128)
    kernel = model.get_layer("face_branch").get_layer("face_branch_map_conv").kernel_size[0]
    assert kernel == {7: 1, 64: 4, 160: 5}[size]


def test_the_backbone_gives_what_the_pretrained_one_gives(lite_weights: Weights) -> None:
    keras = load_keras()
    _, path = lite_weights(LITE0)
    model = build(["eyes", "face"], 64, 64, LITE0)
    facts = warm_start(model, LITE0, path, "all")
    assert set(facts) == {"eye", "face_branch"}
    assert facts["eye"]["matched"] == facts["eye"]["total"] == 198
    assert facts["eye"]["left_out"] == 98
    # The same stages, fed in the units of the weights.
    pixels = keras.Input((64, 64, 3))
    plain = keras.Model(pixels, lite.trunk(LITE0, pixels, 5, folds=True))
    left_out = lite.left_out(LITE0, 5)
    load_into(plain.layers, read_checkpoint(path), lite.checkpoint_key, "x", left_out=left_out)
    crops = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    expected = values(plain(crops / 128 - 127 / 128, training=False))
    branch = model.get_layer("eye")
    seen = keras.Model(branch.input, branch.get_layer("eye_block10_add").output)
    found = values(seen(crops / 127.5 - 1, training=False))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_statistics_stay_those_of_the_weights(lite_weights: Weights) -> None:
    model = build(["eyes"], 64, 64, LITE0)
    cold = len(model.trainable_variables)
    warm_start(model, LITE0, lite_weights(LITE0)[1], "all")
    warm = len(model.trainable_variables)
    norms = sum(type(layer).__name__ == "BatchNormalization" for layer in
                model.get_layer("eye").layers)  # fmt: skip
    assert cold - warm == 2 * norms == 66
    crops = np.random.default_rng(0).uniform(-1, 1, (4, 64, 64, 3)).astype(np.float32)
    eyes = {"left": crops, "right": crops}
    np.testing.assert_allclose(
        values(model(eyes, training=True)["embedding"]),
        values(model(eyes, training=False)["embedding"]), rtol=1e-4, atol=1e-4,
    )  # fmt: skip
    head = build(["eyes"], 64, 64, LITE0)
    warm_start(head, LITE0, lite_weights(LITE0)[1], "head")
    names = {variable.path.split("/")[-2] for variable in head.trainable_variables}
    assert names == {"eye_map_conv", "embedding", "gaze"}


def test_weights_of_another_variant_are_refused(lite_weights: Weights) -> None:
    with pytest.raises(CheckError, match="tensors matched, fewer than 90%"):
        warm_start(build(["eyes"], 64, 64, "efficientnet-lite2"), "efficientnet-lite2",
                   lite_weights(LITE0)[1], "all")  # fmt: skip


def test_the_scaling_of_pixels_folds_into_the_stem() -> None:
    model = build(["eyes"], 64, 64, LITE0)
    names = ["left", "right"]
    facts = {"names": names, "mean": [0.0, 0.0], "std": [1.0, 1.0]}
    asked = contract(facts, SETUP)
    _, rest = fold(model, asked)
    assert all(replace(rest.inputs[n], stem=None) == Input() for n in names)


def test_a_checkpoint_is_a_file_of_tensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"conv1.weight": np.ones((2, 2), np.float32)})
    model = build(["eyes"], 64, 64, LITE0)
    with pytest.raises(CheckError, match=r"x.safetensors into eye: 0 of 166 tensors matched"):
        warm_start(model, LITE0, path, "all")


@pytest.mark.slow
def test_every_operation_is_eligible_for_the_neural_engine(tmp_path: Path) -> None:
    model = build(["eyes", "face"], 64, 160, LITE0)
    facts = {"names": ["left", "right", "face"], "mean": [0.0, 0.0], "std": [1.0, 1.0]}
    asked = contract(facts, SETUP)
    report = check(convert(model, asked, tmp_path / "m.mlpackage"))
    assert report.worst == "eligible" and report.eligible_flops == 1
