from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_training import make_learner

from eyecli.data.arrays import Arrays, ArraySpec, ArrayWriter
from eyecli.data.loader import Row
from eyecli.errors import EyecliError, UsageError
from eyecli.tasks.gaze.model import build
from eyecli.training.backend import load_keras, make_deterministic
from eyecli.training.fit import Learner, fit, predict
from eyecli.training.precision import in_precision
from eyecli.training.schedules import optimizer
from eyecli.training.settings import TrainSettings, seconds

ROWS = 40
VAL = np.arange(30, ROWS)
SETTINGS = TrainSettings(epochs=2, batch_size=8, learning_rate=0.02, seed=3)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    folder = tmp_path_factory.mktemp("numbers")
    rng = np.random.default_rng(0)
    writer = ArrayWriter(folder, {"x": ArraySpec((4,), "float32")})
    for _ in range(ROWS):
        writer.append({"x": rng.normal(size=4).astype(np.float32)})
    writer.close()
    return Arrays(folder)


def roughen(sample: Row, rng: np.random.Generator) -> Row:
    return {"x": sample["x"] + 0.1 * rng.normal(size=4).astype(np.float32)}


def learner(arrays: Arrays, targets: np.ndarray | None = None, seed: int = 0) -> Learner:
    """A net of one hidden layer that learns the sum of its inputs."""
    make_deterministic(seed)
    keras = load_keras()
    x = keras.Input((4,), name="x")
    hidden = keras.layers.Dense(8, "relu")(x)
    outputs = {"sum": keras.layers.Dense(1, name="sum")(hidden), "hidden": hidden}
    if targets is None:
        targets = arrays.take("x", range(ROWS)).sum(axis=1, keepdims=True)
    model = keras.Model({"x": x}, outputs)
    return Learner(model, ["x"], {"sum": targets}, {"sum": "mse"}, lambda rows: rows, roughen)


def run(
    made: Learner,
    arrays: Arrays,
    folder: Path,
    val: np.ndarray = VAL,
    settings: TrainSettings = SETTINGS,
    label: str = "test",
) -> list[np.ndarray]:
    folder.mkdir(exist_ok=True)
    fit(made, arrays, np.arange(30), val, settings, folder, label, lambda beat: None, "test")
    return made.model.get_weights()


def trained(
    arrays: Arrays, folder: Path, settings: TrainSettings = SETTINGS, seed: int = 0
) -> list[np.ndarray]:
    return run(learner(arrays, seed=seed), arrays, folder, settings=settings)


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def test_the_same_seed_gives_the_same_weights_to_the_bit(arrays: Arrays, tmp_path: Path) -> None:
    first, again = (trained(arrays, tmp_path / name) for name in "ab")
    assert equal(first, again)
    other = trained(arrays, tmp_path / "c", replace(SETTINGS, seed=4))
    drawn = trained(arrays, tmp_path / "d", seed=1)
    assert not equal(first, other) and not equal(first, drawn)


def test_the_coarser_network_is_trained_in_the_first_half_of_the_epochs(
    arrays: Arrays, tmp_path: Path
) -> None:
    steps: list[int] = []

    def coarser(network: Any) -> Any:
        keras = load_keras()
        x = keras.Input((4,), name="x")
        hidden = network.layers[1](x)
        coarse = keras.Model({"x": x}, {"sum": network.get_layer("sum")(hidden), "hidden": hidden})
        step = coarse.train_on_batch

        def count(*batch: Any, **how: Any) -> Any:
            steps.append(1)
            return step(*batch, **how)

        coarse.train_on_batch = count
        return coarse

    settings = replace(SETTINGS, epochs=5)
    run(replace(learner(arrays), coarser=coarser), arrays, tmp_path / "a", settings=settings)
    # Two of five epochs of four batches, and three to trace.
    assert len(steps) == 2 * 4 + 3
    strange = replace(learner(arrays), coarser=lambda network: learner(arrays).model)
    with pytest.raises(EyecliError, match="does not share the trained layers"):
        run(strange, arrays, tmp_path / "b")


def test_only_the_seed_decides_the_order(arrays: Arrays, tmp_path: Path) -> None:
    """Not whatever else has drawn numbers before."""
    weights = []
    for name, noise in (("a", 0), ("b", 1)):
        made = learner(arrays)
        random.seed(noise)
        np.random.seed(noise)
        weights.append(run(made, arrays, tmp_path / name, np.arange(0)))
    assert equal(*weights)


def test_it_learns_and_keeps_a_journal(arrays: Arrays, tmp_path: Path) -> None:
    trained(arrays, tmp_path, TrainSettings(30, 8, 0.02))
    journal = (tmp_path / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in journal.splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 31))
    assert all({"loss", "val_loss"} <= line.keys() for line in lines)
    assert lines[-1]["val_loss"] < 0.3 * lines[0]["val_loss"]


def test_validation_rows_are_only_watched(arrays: Arrays, tmp_path: Path) -> None:
    weights = []
    for name, val in (("a", VAL), ("b", np.arange(30, 32)), ("c", np.arange(0))):
        weights.append(run(learner(arrays), arrays, tmp_path / name, val))
    assert equal(weights[0], weights[1]) and equal(weights[0], weights[2])
    assert "val_loss" not in (tmp_path / "c" / "metrics.jsonl").read_text()


def test_targets_of_other_rows_play_no_part(arrays: Arrays, tmp_path: Path) -> None:
    targets = arrays.take("x", range(ROWS)).sum(axis=1, keepdims=True)
    weights = []
    for name in "ab":
        made = learner(arrays, targets.copy())
        weights.append(run(made, arrays, tmp_path / name, np.arange(30, 35)))
        targets[35:] = np.nan
    assert equal(*weights)


@pytest.mark.parametrize("where", ["train", "val"])
def test_a_loss_that_is_no_number_is_an_error(arrays: Arrays, tmp_path: Path, where: str) -> None:
    targets = np.zeros((ROWS, 1), np.float32)
    targets[3 if where == "train" else 33] = np.nan
    made = learner(arrays, targets)
    with pytest.raises(EyecliError, match="fold 1: the loss is no longer a number in epoch 1") as e:
        run(made, arrays, tmp_path, label="fold 1")
    assert e.value.exit_code == 1 and "--learning-rate" in str(e.value.hint)


def test_predictions_come_in_the_order_of_the_rows(arrays: Arrays) -> None:
    made = learner(arrays)
    rows = np.array([7, 3, 3, 39, 0])
    found = predict(made.model, arrays, ["x"], rows, lambda r: r, batch_size=2)
    single = [predict(made.model, arrays, ["x"], rows[i : i + 1], lambda r: r) for i in range(5)]
    assert found["sum"].shape == (5, 1) and found["hidden"].shape == (5, 8)
    for name, values in found.items():
        expected = np.concatenate([one[name] for one in single])
        np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0}, {"batch_size": 0}, {"batch_size": -4}, {"seed": -1}, {"learning_rate": -0.1},
        {"learning_rate": float("nan")}, {"learning_rate": float("inf")}, {"accumulate": 0},
        {"patience": -1}, {"ema": 1.0}, {"ema": -0.1}, {"ema": float("nan")}, {"max_time": "soon"},
        {"max_time": ""}, {"max_time": "-5s"}, {"checkpoint_minutes": -1.0},
        {"checkpoint_minutes": float("nan")}, {"max_time": f"{'9' * 5000}h"},
        *({name: 10**20} for name in ("epochs", "batch_size", "seed", "accumulate", "patience")),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    (name,) = change
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}"):
        TrainSettings(**change)


def test_what_is_too_much_is_said_to_be() -> None:
    for change, hint in (
        ({"epochs": 2**31}, "use 2147483647 or less"),
        ({"learning_rate": 1e300}, "use less than 1000000, or 0 for the usual one"),
        ({"checkpoint_minutes": float("inf")}, "use 0 or a number of minutes"),
    ):
        with pytest.raises(UsageError) as error:
            TrainSettings(**change)
        assert error.value.hint == hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("90m", 5400), ("1h30m", 5400), ("3600s", 3600), ("45", 45), ("2h5s", 7205)],
)
def test_times(text: str, expected: int) -> None:
    assert seconds(text) == expected


def test_only_what_can_change_the_result_identifies_a_training() -> None:
    settings = TrainSettings()
    same = replace(settings, fold=2, max_time="1h", checkpoint_minutes=1.0)
    assert same.result_params() == settings.result_params()
    for change in ({"ema": 0.9}, {"precision": "mixed_bfloat16"}, {"seed": 1}, {"patience": 4}):
        other = replace(settings, **change)
        assert other.result_params() != settings.result_params()


def test_mixed_precision_computes_in_it_and_leaves_a_float32_model(
    arrays: Arrays, tmp_path: Path
) -> None:
    weights = []
    for name in ("float32", "mixed_bfloat16"):
        made = make_learner(arrays)
        settings = replace(SETTINGS, precision=name)
        weights.append(run(made, arrays, tmp_path / name, settings=settings))
        assert "bfloat16" not in made.model.to_json()
    assert not equal(*weights)
    twin = in_precision(made.model, "mixed_bfloat16")
    dtypes = {layer.name: layer.compute_dtype for layer in twin.layers if layer.weights}
    assert dtypes.pop("sum") == "float32" and set(dtypes.values()) == {"bfloat16"}


def test_mixed_precision_reaches_into_networks_within_networks() -> None:
    twin = in_precision(build(["eyes"], 32), "mixed_float16")
    inner = twin.get_layer("eye")
    assert {layer.compute_dtype for layer in inner.layers if layer.weights} == {"float16"}
    assert {weight.dtype for weight in twin.weights} == {"float32"}
    assert {output.dtype for output in twin.outputs} == {"float32"}


def test_the_average_and_the_best_epoch_are_kept(arrays: Arrays, tmp_path: Path) -> None:
    """A rate too high makes the last epoch not the best."""
    wild = TrainSettings(6, 8, 0.8, schedule="constant")
    kept = {}
    for name, change in (("last", {}), ("best", {"keep": "best"}), ("patience", {"patience": 1}),
                         ("ema", {"ema": 0.9})):  # fmt: skip
        made = learner(arrays)
        run(made, arrays, tmp_path / name, settings=replace(wild, **change))
        found = predict(made.model, arrays, ["x"], VAL, lambda r: r)["sum"]
        loss = float(np.mean((found - made.targets["sum"][VAL]) ** 2))
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        kept[name] = loss, [json.loads(line)["val_loss"] for line in lines]
    assert kept["last"][0] == pytest.approx(kept["last"][1][-1], rel=1e-4)
    assert kept["best"][0] == pytest.approx(min(kept["best"][1]), rel=1e-4)
    assert kept["best"][1] == kept["last"][1] and min(kept["last"][1]) < kept["last"][1][-1]
    assert kept["patience"][0] == pytest.approx(min(kept["patience"][1]), rel=1e-4)
    stopped_after = len(kept["patience"][1])
    assert stopped_after < 6 and np.argmin(kept["patience"][1]) == stopped_after - 2
    assert kept["ema"][0] == pytest.approx(kept["ema"][1][-1], rel=1e-4)
    assert kept["ema"][1] != kept["last"][1]


def test_the_average_is_one_of_updates_not_of_batches() -> None:
    keras = load_keras()
    settings = TrainSettings(ema=0.8, accumulate=2, learning_rate=0.1, schedule="constant")
    made, weight = optimizer(settings, 100), keras.Variable([1.0])
    averages: list[float] = []
    for batch in range(7):
        made.apply([keras.ops.convert_to_tensor([batch + 1.0])], [weight])
        if batch in (2, 4, 6):
            value = float(weight.numpy()[0])
            averages.append(0.8 * averages[-1] + 0.2 * value if averages else value)
    made.finalize_variable_values([weight])
    assert averages[-1] < averages[0] and weight.numpy()[0] == pytest.approx(averages[-1], rel=1e-5)
