from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gaze_tables import with_index

from eyecli.data.prepared import Prepared
from eyecli.errors import UsageError
from eyecli.evaluation.ridge import fit_ridge
from eyecli.tasks.gaze import learning
from eyecli.tasks.gaze.exporting import contract
from eyecli.tasks.gaze.learning import augment, scale, tabulate
from eyecli.tasks.gaze.settings import GazeTrain, chosen_inputs
from eyecli.training.fit import Learner, predict

pytest_plugins = ["rendered_gaze"]

TRAIN = np.arange(0, 40)
SETTINGS = GazeTrain(epochs=1)


@pytest.fixture(scope="module")
def learner(prepared: Prepared) -> Learner:
    return learning.learner(prepared, TRAIN, SETTINGS)


def targets(prepared: Prepared) -> np.ndarray:
    return prepared.index[["target_x", "target_y"]].to_numpy(float)


def test_inputs_come_in_the_order_of_the_network() -> None:
    assert chosen_inputs("", ["eyes", "face"]) == ["face", "eyes"]
    assert chosen_inputs("boxes, eyes", ["face", "eyes", "boxes"]) == ["eyes", "boxes"]
    assert chosen_inputs("eyes,eyes", ["face", "eyes"]) == ["eyes"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("eye", "unknown 'eye'"), ("eyes,", "unknown ''"), ("face", "'face' was not prepared")],
)
def test_other_inputs_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        chosen_inputs(text, ["eyes"])


def test_targets_are_standardised_by_the_train_rows_only(
    learner: Learner, prepared: Prepared, tmp_path: Path
) -> None:
    known = targets(prepared)
    np.testing.assert_allclose(learner.facts["mean"], known[TRAIN].mean(axis=0))
    np.testing.assert_allclose(learner.facts["std"], known[TRAIN].std(axis=0))
    scaled = learner.targets["gaze"]
    assert scaled.shape == (len(known), 1, 1, 2)
    np.testing.assert_allclose(scaled[TRAIN].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[TRAIN].std(axis=0), 1, atol=1e-6)
    # Other rows may hold anything.
    index = prepared.index.copy()
    index.loc[index.index >= 40, ["target_x", "target_y"]] += 1e4
    changed = learning.learner(with_index(prepared, index, tmp_path / "p"), TRAIN, SETTINGS)
    assert changed.facts == learner.facts
    np.testing.assert_array_equal(changed.targets["gaze"][TRAIN], scaled[TRAIN])


def test_a_target_that_never_moves_is_left_unscaled(prepared: Prepared, tmp_path: Path) -> None:
    index = prepared.index.assign(target_y=300.0)
    flat = learning.learner(with_index(prepared, index, tmp_path / "p"), TRAIN, SETTINGS)
    assert flat.facts["std"][1] == 1 and not flat.targets["gaze"][..., 1].any()


def test_the_learner_fits_the_arrays(learner: Learner, prepared: Prepared) -> None:
    assert learner.names == ["left", "right"] and set(learner.losses) == {"gaze"}
    assert set(learner.model.output_names) == {"gaze", "embedding"}
    outputs = predict(learner.model, prepared.arrays, learner.names, TRAIN[:5], learner.scale, 2)
    assert outputs["gaze"].shape == (5, 1, 1, 2)
    whole = predict(learner.model, prepared.arrays, learner.names, TRAIN[:5], learner.scale, 64)
    for name in outputs:
        np.testing.assert_allclose(outputs[name], whole[name], atol=1e-4)


def test_pixels_become_minus_one_to_one() -> None:
    stored: dict[str, np.ndarray] = {
        "left": np.array([0, 255, 127], np.uint8),
        "boxes": np.array([0.25, 3], np.float32),
    }
    scaled = scale(stored, {})
    assert scaled["left"].dtype == np.float32
    np.testing.assert_allclose(scaled["left"], [-1, 1, -1 / 255], atol=1e-6)
    np.testing.assert_array_equal(scaled["boxes"], stored["boxes"])


def test_augmentation_changes_every_crop_on_its_own_and_leaves_boxes() -> None:
    crop = np.random.default_rng(0).uniform(-1, 1, (32, 32, 3)).astype(np.float32)
    sample = {"left": crop, "right": crop, "boxes": np.ones((1, 1, 12), np.float32)}
    first, again = (augment(sample, np.random.default_rng(4)) for _ in range(2))
    for name in sample:
        np.testing.assert_array_equal(first[name], again[name])
    np.testing.assert_array_equal(first["boxes"], sample["boxes"])
    assert np.abs(first["left"] - crop).mean() > 0.01
    assert np.abs(first["left"] - first["right"]).mean() > 0.01


def finished(prepared: Prepared, head: str) -> tuple[Learner, dict[str, Any], Any]:
    """A learner after `finish` on the first 50 rows, and the function that runs it."""
    import keras

    keras.utils.set_random_seed(0)
    made = learning.learner(prepared, TRAIN, SETTINGS)

    def run(rows: np.ndarray) -> dict[str, np.ndarray]:
        return predict(made.model, prepared.arrays, made.names, rows, made.scale)

    rows = np.arange(50)
    groups = prepared.index["subject"].to_numpy(str)[rows]
    settings = GazeTrain(epochs=1, head=head)  # type: ignore[arg-type]
    return made, learning.finish(made, prepared, rows, groups, run, settings), run


def test_the_network_itself_gives_the_ridge_prediction(prepared: Prepared) -> None:
    _, facts, run = finished(prepared, "ridge")
    everybody = np.arange(len(prepared.index))
    outputs = run(everybody)
    embedding = outputs["embedding"].reshape(len(everybody), -1)
    known = (targets(prepared) - facts["mean"]) / facts["std"]
    ridge = fit_ridge(embedding[:50], known[:50], prepared.index["subject"].to_numpy(str)[:50])
    assert facts["alpha"] == ridge.alpha and facts["head"] == "ridge"
    expected = ridge.predict(embedding)
    assert expected.std(axis=0).min() > 0.05
    np.testing.assert_allclose(outputs["gaze"].reshape(-1, 2), expected, atol=2e-3)
    columns, kept = tabulate(outputs, facts)
    pixels = expected * facts["std"] + facts["mean"]
    np.testing.assert_allclose(np.stack([columns["pred_x"], columns["pred_y"]], 1), pixels, atol=1)
    np.testing.assert_array_equal(kept["embedding"], embedding)
    assert facts["names"] == ["left", "right"] == learning.names(facts)


def test_the_head_sees_no_test_rows(prepared: Prepared, tmp_path: Path) -> None:
    index = prepared.index.copy()
    index.loc[index.index >= 50, ["target_x", "target_y"]] = -9999.0
    other = with_index(prepared, index, tmp_path / "p")
    (one, facts, _), (two, again, _) = finished(prepared, "ridge"), finished(other, "ridge")
    assert facts == again
    for a, b in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_trained_head_may_stay(prepared: Prepared) -> None:
    ridge, _, _ = finished(prepared, "ridge")
    net, facts, _ = finished(prepared, "net")
    assert facts["head"] == "net" and "alpha" not in facts
    names = [layer.name for layer in ridge.model.layers if layer.get_weights()]
    for name in names:
        same = all(
            np.array_equal(a, b)
            for a, b in zip(
                ridge.model.get_layer(name).get_weights(),
                net.model.get_layer(name).get_weights(),
                strict=True,
            )
        )
        assert same == (name != "gaze"), name


def test_the_contract_carries_the_units(learner: Learner, prepared: Prepared) -> None:
    facts = learner.facts | {"names": learner.names}
    found = contract(facts, prepared.setup)
    assert set(found.inputs) == {"left", "right"}
    pixels = np.array([0, 255])
    entry = found.inputs["left"]
    np.testing.assert_allclose(pixels * entry.scale + entry.offset, [-1, 1], atol=1e-6)
    assert found.outputs["gaze"].scale == facts["std"]
    assert found.outputs["gaze"].offset == facts["mean"]
    assert (found.metadata["unit"], found.metadata["mirrored_inputs"]) == ("px", "right")
    face = contract({**facts, "names": ["face", "boxes"]}, prepared.setup)
    assert set(face.inputs) == {"face"} and face.metadata["mirrored_inputs"] == ""
