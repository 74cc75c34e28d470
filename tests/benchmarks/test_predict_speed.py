"""Folds that share a frozen backbone, against running the network of every fold."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np
import pytest

from eyecli.tasks.dr.model import build
from eyecli.tasks.dr.predicting import networks

SIZE, PHOTOGRAPHS, FOLDS = 256, 8, 5


def seconds(run: Callable[[np.ndarray], object], pixels: np.ndarray) -> float:
    run(pixels)
    times = []
    for _ in range(3):
        started = time.process_time()
        run(pixels)
        times.append(time.process_time() - started)
    return min(times)


@pytest.mark.benchmark
def test_five_folds_of_a_frozen_backbone_cost_little_more_than_one() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (PHOTOGRAPHS, SIZE, SIZE, 3), np.uint8)
    first = build("efficientnet-lite0", SIZE, 4)
    folds = [first]
    for fold in range(1, FOLDS):
        other = keras.models.clone_model(first)
        other.set_weights(first.get_weights())
        head = other.get_layer("logits")
        head.set_weights([values + fold for values in head.get_weights()])
        folds.append(other)
    one, five = (seconds(networks(some), pixels) for some in (folds[:1], folds))
    alone = [networks([fold]) for fold in folds]
    each = seconds(lambda some: [run(some) for run in alone], pixels)
    print(f"\none fold {one:.2f} s, five {five:.2f} s, each by itself {each:.2f} s of CPU")
    assert five < 1.3 * one and five < each / 3
