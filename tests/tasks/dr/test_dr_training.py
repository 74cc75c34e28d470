"""Training step by step on tiny photographs whose light tells the grade."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from eyecli.data.arrays import Arrays, ArraySpec, ArrayWriter
from eyecli.data.loader import Row
from eyecli.errors import UsageError
from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.tasks.dr import learning
from eyecli.tasks.dr.grading import Loss
from eyecli.tasks.dr.model import build, coarser
from eyecli.tasks.dr.settings import DrTrain, check_train
from eyecli.training.backend import load_keras, make_deterministic
from eyecli.training.features import kept_outputs, outputs_by_kept
from eyecli.training.fit import fit, predict

SIZE, COUNT = 32, 80
TRAIN, VAL, TEST = np.split(np.random.default_rng(0).permutation(COUNT), [40, 60])
# Half of the photographs are of grade 0, as in the world.
GRADES = np.repeat([0, 1, 2, 3, 4], [40, 10, 10, 10, 10])
EYENET = DrTrain(
    backbone="eyenet", pretrained=False, trainable="all", epochs=12, batch_size=8,
    learning_rate=1e-3,
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """As much of prepared photographs as a learner reads."""

    folder: Path
    artifact: Any
    setup: dict[str, Any]

    @cached_property
    def index(self) -> pd.DataFrame:
        return pd.DataFrame({"grade": GRADES})

    @cached_property
    def arrays(self) -> Arrays:
        return Arrays(self.folder)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Discs on black, the brighter the higher the grade."""
    folder, rng = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    writer = ArrayWriter(folder, {"pixels": ArraySpec((SIZE, SIZE, 3), "uint8")})
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    inside = (x**2 + y**2 < (SIZE / 2) ** 2)[..., None]
    for grade in GRADES:
        light = 12 * 1.9**grade * inside + rng.normal(0, 3, (SIZE, SIZE, 3))
        writer.append({"pixels": np.clip(light, 0, 255).astype(np.uint8)})
    writer.close()

    class Artifact:
        class manifest:  # noqa: N801
            digest = "drawn"

    return Drawn(folder, Artifact, {"size": SIZE})


def trained(drawn: Any, folder: Path, settings: DrTrain) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train on the train rows, settle on the validation rows, predict the test rows."""
    load_keras().utils.clear_session()
    make_deterministic(0)
    made = learning.learner(drawn, TRAIN, settings)
    fit(made, drawn.arrays, TRAIN, VAL, settings, folder, "test", lambda beat: None, "test")

    def run(rows: np.ndarray) -> dict[str, np.ndarray]:
        return predict(made.model, drawn.arrays, made.names, rows, made.scale,
                       views=made.test_views)  # fmt: skip

    rows = np.sort(np.concatenate([TRAIN, VAL]))
    facts = learning.finish(made, drawn, rows, rows.astype(str), run, settings)
    return facts, learning.tabulate(run(TEST), facts)[0]


@pytest.mark.parametrize("loss", get_args(Loss))
def test_each_loss_learns_the_grade(drawn: Any, tmp_path: Path, loss: Loss) -> None:
    # Two of them with a balance.
    balanced: dict[Loss, Any] = {"cross-entropy": "weights", "corn": "resampling"}
    settings = replace(EYENET, loss=loss, balance=balanced.get(loss, "none"))
    facts, made = trained(drawn, tmp_path, settings)
    assert facts["loss"] == loss and len(facts["cuts"]) == 4
    table = confusion(GRADES[TEST], made["grade_predicted"], 5)
    assert quadratic_weighted_kappa(table) > 0.7
    referable = GRADES[TEST] >= 2
    assert made["p_ge2"][referable].mean() > made["p_ge2"][~referable].mean() + 0.3


def test_weights_and_chances_are_those_of_the_train_rows(drawn: Any) -> None:
    counts = np.bincount(GRADES[TRAIN])
    plain, weighed, drawn_again = (
        learning.learner(drawn, TRAIN, replace(EYENET, balance=how))
        for how in ("none", "weights", "resampling")
    )
    weights = weighed.targets["logits"][:, 0, 0, -1]
    assert (plain.targets["logits"][..., -1] == 1).all() and plain.chances is None
    sums = np.bincount(GRADES[TRAIN], weights[TRAIN])
    np.testing.assert_allclose(sums, sums[0], rtol=1e-5)
    assert weights[TRAIN].mean() == pytest.approx(1)
    assert drawn_again.chances
    np.testing.assert_allclose(
        np.bincount(GRADES[TRAIN], drawn_again.chances(0)), np.full(5, 0.2), rtol=1e-6
    )
    late = np.bincount(GRADES[TRAIN], drawn_again.chances(1000))
    np.testing.assert_allclose(late, counts * [1, 2, 2, 2, 2] / (counts @ [1, 2, 2, 2, 2]))


def test_the_kept_weights_are_the_average_of_those_of_all_steps(drawn: Any, tmp_path: Path) -> None:
    settings = replace(EYENET, ema=0.5, epochs=2)
    made = learning.learner(drawn, TRAIN, settings)
    layer = made.model.get_layer("logits")
    steps = [layer.get_weights()]
    fit(made, drawn.arrays, TRAIN, VAL, settings, tmp_path, "test",
        lambda beat: steps.append(layer.get_weights()), "test")  # fmt: skip
    kept = layer.get_weights()[0]
    # Before the first step Keras has the weights as they were drawn.
    average = steps[0][0]
    for step in steps[1:]:
        average = 0.5 * average + 0.5 * step[0]
    np.testing.assert_allclose(kept, average, atol=1e-5)
    assert np.abs(kept - steps[-1][0]).max() > 1e-4


def test_features_are_averaged_over_views_and_kept_apart(drawn: Any, tmp_path: Path) -> None:
    rows = np.array([5, 70])
    made = learning.learner(drawn, TRAIN, replace(EYENET, test_views=4))
    plain = replace(made, test_views=1)
    kept = {n: kept_outputs(tmp_path, one, drawn, rows)["embedding"]
            for n, one in ((4, made), (1, plain))}  # fmt: skip
    assert len(list(tmp_path.glob("*-0.npy"))) == 2
    shown = [
        predict(made.model, drawn.arrays, made.names, rows,
                partial(_lying, view=view))
        for view in range(4)
    ]  # fmt: skip
    by_hand = np.mean([each["embedding"].reshape(2, -1) for each in shown], axis=0)
    np.testing.assert_allclose(kept[4], by_hand, atol=1e-5)
    assert not np.allclose(kept[1], by_hand, atol=1e-4)
    # Logits are linear in the embedding: their mean is what the mean embedding gives.
    kernel, bias = made.model.get_layer("logits").get_weights()
    logits = np.mean([each["logits"].reshape(2, -1) for each in shown], axis=0)
    np.testing.assert_allclose(kept[4] @ kernel[0, 0] + bias, logits, atol=1e-5)
    # Views to fit on are drawn once, however many a prediction is averaged over.
    for one in (made, plain):
        kept_outputs(tmp_path, one, drawn, rows, 1)
    assert len(list(tmp_path.glob("*-1.npy"))) == 1


def test_outputs_by_kept_features_are_those_of_the_whole_network(
    drawn: Any, tmp_path: Path
) -> None:
    rows = np.array([3, 60, 7])
    made = learning.learner(drawn, TRAIN, EYENET)
    kept = outputs_by_kept(tmp_path, made, drawn, rows)
    whole = predict(made.model, drawn.arrays, made.names, rows, made.scale)
    assert kept["logits"].shape == whole["logits"].shape
    np.testing.assert_allclose(kept["logits"], whole["logits"], atol=1e-5)
    np.testing.assert_allclose(kept["embedding"].ravel(), whole["embedding"].ravel(), atol=1e-5)


def test_views_drawn_by_other_code_are_other_features(drawn: Any, tmp_path: Path) -> None:
    made = learning.learner(drawn, TRAIN, EYENET)
    assert made.view
    draw = made.view

    def darker(sample: Row, rng: np.random.Generator) -> Row:
        return {name: values - 0.1 for name, values in draw(sample, rng).items()}

    for view in (draw, draw, darker):
        kept_outputs(tmp_path, replace(made, view=view), drawn, np.arange(2), 1)
    assert len(list(tmp_path.glob("*-1.npy"))) == 2


def _lying(stored: dict[str, np.ndarray], view: int) -> dict[str, np.ndarray]:
    pixels = learning.scale(stored, {})["pixels"]
    views = [pixels, pixels[:, :, ::-1], pixels[:, ::-1], pixels[:, ::-1, ::-1]]
    return {"pixels": views[view]}


def test_half_the_resolution_is_the_same_network_built_for_it() -> None:
    keras = load_keras()
    model = build("efficientnet-lite0", 128, 4)
    coarse = coarser(model, "efficientnet-lite0", "avgmax")
    assert [id(v) for v in coarse.trainable_variables] == [id(v) for v in model.trainable_variables]
    small = build("efficientnet-lite0", 64, 4)
    for layer in small.layers:
        # Means over a map have windows of its size.
        if layer.weights and "mean" not in layer.name:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 128, 128, 3)).astype(np.float32)
    halved = pixels.reshape(2, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    for name in ("logits", "embedding"):
        np.testing.assert_allclose(
            coarse({"pixels": pixels})[name], small({"pixels": halved})[name], atol=1e-4
        )
    # What is kept is the whole network, as if there had been no other.
    again = keras.models.model_from_json(model.to_json())
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_half_of_a_small_photograph_is_refused() -> None:
    model = build("mobilenetv2", 64, 4)
    with pytest.raises(UsageError, match="32 pixels, half of 64, are too small") as raised:
        coarser(model, "mobilenetv2", "avgmax")
    assert "--size 128 or more" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss": "corn"}, "--loss corn with --trainable head"),
        ({"balance": "weights"}, "--balance weights with --trainable head"),
        ({"progressive": True}, "--progressive with --trainable head"),
        ({"test_views": 3}, "--test-views 3"),
        ({"backbone": "eyenet", "pretrained": False, "trainable": "all", "progressive": True},
         "--progressive with --backbone eyenet"),
        ({"trainable": "all", "progressive": True, "epochs": 1}, "--progressive with --epochs 1"),
        ({"trainable": "last20", "views": 0}, "--views 0 with --trainable last20"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        DrTrain(**change)


@pytest.mark.parametrize(
    "text",
    ["block99", "last0", "last-5", "last99999", "last", "block1;rm", "block_1", "conv5", "", "all ",
     "last٣", "block1\n"],
)  # fmt: skip
def test_what_names_no_part_of_a_backbone_is_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError, match="--trainable '") as raised:
        DrTrain(trainable=text)
    assert "lastN such as last20; block0 to block15" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("backbone", "blocks"),
    [
        ("efficientnet-lite0", "block0 block9 block15"),
        ("efficientnet-lite2", "block20"),
        ("efficientnetb0", "block1a block6a block7a block4"),
        ("efficientnetb3", "block5e"),
        ("resnet50", "conv2 conv5 conv5_block2"),
        ("densenet121", "conv5 conv5_block16"),
        ("xception", "block1 block14"),
        ("mobilenetv2", "block_1 block_16"),
        ("eyenet", "all"),
    ],
)
def test_parts_of_backbones_are_known(backbone: Any, blocks: str) -> None:
    for text in (*blocks.split(), "head", "all", "last1", "last20"):
        assert DrTrain(backbone=backbone, trainable=text).trainable == text
    if backbone != "eyenet":
        with pytest.raises(UsageError, match=f"of {backbone}"):
            DrTrain(backbone=backbone, trainable="dense3")


def test_a_part_of_a_backbone_needs_its_weights() -> None:
    with pytest.raises(UsageError, match="--trainable last20 without pretrained weights"):
        _ = DrTrain(pretrained=False, trainable="last20").start


@pytest.mark.parametrize("size", [64, 96, 160])
def test_half_resolution_has_a_least_size(size: int) -> None:
    small: Any = Drawn(Path(), None, {"size": size})
    with pytest.raises(UsageError, match=f"--progressive with photographs of {size} pixels"):
        check_train(DrTrain(trainable="all", progressive=True), small, small)


def test_a_training_of_before_is_found_again() -> None:
    new = {"loss", "balance", "progressive", "test_views"}
    assert not new & DrTrain().result_params().keys()
    changed = DrTrain(trainable="last20", loss="mse", balance="weights", progressive=True,
                      test_views=2)  # fmt: skip
    assert new < changed.result_params().keys()
