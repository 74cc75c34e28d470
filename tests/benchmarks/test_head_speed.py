"""Heads a second: calibration and patched packages, against one conversion each."""

import time

import numpy as np
import pytest

from eyecli.calibration.samples import Samples
from eyecli.calibration.select import select
from eyecli.calibration.verdict import judge
from eyecli.coreml.heads import build_head, make_head

USERS, POINTS, FRAMES, EMBEDDING = 200, 9, 10, 128


def users(rng: np.random.Generator) -> list[Samples]:
    grid = np.array([(x, y) for x in (2.0, 10.0, 18.0) for y in (2.0, 7.0, 12.0)])
    target = np.repeat(grid, FRAMES, axis=0)
    mixing = rng.normal(size=(2, EMBEDDING))
    return [
        Samples(
            target @ mixing + rng.normal(size=(len(target), EMBEDDING)),
            target + rng.normal(0, 1.5, 2) + rng.normal(0, 0.8, target.shape),
            target,
            np.repeat(np.arange(POINTS), FRAMES).astype(str),
            unit="cm",
        )
        for _ in range(USERS)
    ]


@pytest.mark.benchmark
def test_two_hundred_heads_a_second() -> None:
    samples = users(np.random.default_rng(0))
    make_head(np.zeros((2, 2 + EMBEDDING)), np.zeros(2))  # the messages are imported once
    started = time.perf_counter()
    packages = []
    for user in samples:
        selection = select(user)
        judge(selection)
        packages.append(make_head(selection.head.weight, selection.head.bias))
    ours = (time.perf_counter() - started) / USERS
    build_head(np.zeros((2, 2 + EMBEDDING)), np.zeros(2))
    started = time.perf_counter()
    for user in samples[:5]:
        head = select(user).head
        build_head(head.weight, head.bias)
    converted = (time.perf_counter() - started) / 5
    print(f"\n{1 / ours:.0f} heads a second; by conversion {1 / converted:.1f}")
    print(f"{converted / ours:.1f} times faster")
    assert len(packages) == USERS
