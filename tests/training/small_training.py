"""A training of seconds that uses all that has state: dropout, batch statistics, augmentation."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.data.arrays import Arrays, ArraySpec, ArrayWriter
from eyecli.data.loader import Row
from eyecli.errors import RetryError
from eyecli.progress import Beat
from eyecli.training.backend import load_keras, make_deterministic
from eyecli.training.fit import Learner, fit
from eyecli.training.interrupt import interruptible
from eyecli.training.model import WEIGHTS, save_fold
from eyecli.training.settings import TrainSettings

ROWS = 40
TRAIN, VAL = np.arange(30), np.arange(30, ROWS)
# Five batches an epoch of which the last is smaller, two of validation.
SETTINGS = TrainSettings(epochs=3, batch_size=7, learning_rate=0.02, seed=3)


def make_arrays(folder: Path) -> Arrays:
    rng = np.random.default_rng(0)
    writer = ArrayWriter(folder, {"x": ArraySpec((4,), "float32")})
    for _ in range(ROWS):
        writer.append({"x": rng.normal(size=4).astype(np.float32)})
    writer.close()
    return Arrays(folder)


def roughen(sample: Row, rng: np.random.Generator) -> Row:
    return {"x": sample["x"] + 0.1 * rng.normal(size=4).astype(np.float32)}


def make_learner(arrays: Arrays, uneven: bool = False) -> Learner:
    """Learn the sum of the inputs; of rows that are drawn, and coarsely at first, if `uneven`."""
    make_deterministic(0)
    keras = load_keras()
    keras.utils.clear_session()
    x = keras.Input((4,), name="x")
    hidden = keras.layers.Dense(16, "relu")(x)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras.layers.Dropout(0.3)(hidden)
    model = keras.Model({"x": x}, {"sum": keras.layers.Dense(1, name="sum")(hidden)})

    def coarser(network: Any) -> Any:
        seen = keras.Input((4,), name="x")
        _, *layers = network.layers
        x = seen / 2
        for layer in layers:
            x = layer(x)
        return keras.Model({"x": seen}, {"sum": x})

    def chances(epoch: int) -> np.ndarray:
        weights = 1.0 + (np.arange(len(TRAIN)) + epoch) % 5
        return weights / weights.sum()

    more: dict[str, Any] = {"coarser": coarser, "chances": chances} if uneven else {}
    targets = arrays.take("x", range(ROWS)).sum(axis=1, keepdims=True)
    return Learner(model, ["x"], {"sum": targets}, {"sum": "mse"}, lambda rows: rows, roughen,
                   **more)  # fmt: skip


def train_small(
    arrays: Arrays, folder: Path, settings: TrainSettings, beat: Callable[[Beat], None],
    uneven: bool = False,
) -> str:  # fmt: skip
    """Train or go on; return the digest of what would be published, the journal with it."""
    learner = make_learner(arrays, uneven)
    fit(learner, arrays, TRAIN, VAL, settings, folder, "test", beat, "same")
    save_fold(folder / "saved", learner.model, {})
    files = (folder / "saved" / WEIGHTS, folder / "metrics.jsonl")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def tell(beat: Beat) -> None:
    """Say where it is, and leave the time to be hit there."""
    print(beat.epoch, beat.batch, flush=True)
    time.sleep(0.2)


if __name__ == "__main__":
    try:
        with interruptible():
            often = replace(SETTINGS, checkpoint_minutes=0)
            print(train_small(make_arrays(Path(sys.argv[1])), Path(sys.argv[1]), often, tell))
    except RetryError:
        sys.exit(RetryError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
