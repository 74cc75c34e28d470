"""Importing Keras: quietly, seeded, deterministic."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop what C libraries print while they start up; Python's own errors still raise."""
    if "importtime" in sys._xoptions:
        # Who measures imports must see all of them.
        yield
        return
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def load_keras() -> Any:
    """Import Keras with its backend, without the start-up messages of the libraries below."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A new network a fold means new graphs; TensorFlow takes that for a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with quiet_stderr():
        import keras

        # The first tensor starts the device runtime, which has messages of its own.
        keras.ops.zeros(1)
    return keras


def make_deterministic(seed: int) -> None:
    """Seed every generator, and on TensorFlow forbid operations with a random order of sums."""
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
