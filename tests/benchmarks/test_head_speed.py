"""Heads a second, against one conversion each; one user on the command line."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eyecli.calibration.samples import Samples, write_samples
from eyecli.calibration.select import select
from eyecli.calibration.verdict import judge
from eyecli.coreml.heads.build import build_head
from eyecli.coreml.heads.emulation import apply_head_fp16
from eyecli.coreml.heads.forms import Kind
from eyecli.coreml.heads.template import make_head

KINDS: tuple[Kind | None, ...] = (None, "affine", "ridge", "quadratic", "rbf", "mlp")
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
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_two_hundred_heads_a_second(kind: Kind | None) -> None:
    samples = users(np.random.default_rng(0))
    make_head(select(samples[0], kind).head)  # the messages are imported once
    started = time.perf_counter()
    packages = []
    for user in samples:
        selection = select(user, kind)
        judge(selection)
        packages.append(make_head(selection.head))
        apply_head_fp16(selection.head, user.base[:32], user.embedding[:32])
    ours = (time.perf_counter() - started) / USERS
    heads = [select(user, kind).head for user in samples]
    started = time.perf_counter()
    for head in heads:
        make_head(head)
    templates = (time.perf_counter() - started) / USERS
    build_head(heads[0])
    started = time.perf_counter()
    for user in samples[:5]:
        build_head(select(user, kind).head)
    converted = (time.perf_counter() - started) / 5
    print(f"\n{1 / ours:.0f} heads a second, {1 / templates:.0f} without fitting; by conversion "
          f"{1 / converted:.1f}: {converted / ours:.1f} times faster")  # fmt: skip
    assert len(packages) == USERS
    assert templates < 1 / 200


@pytest.mark.benchmark
@pytest.mark.parametrize("kind", ["auto", "ridge", "quadratic", "rbf", "mlp"])
def test_one_user_on_the_command_line(tmp_path: Path, kind: str) -> None:
    """With the interpreter, which takes coremltools; the first run compiles."""
    (user,) = users(np.random.default_rng(0))[:1]
    write_samples(tmp_path / "eve.npz", [replace(user, user="eve", model="m" * 64)])
    words = [sys.executable, "-m", "eyecli", "calibrate", "user", "eve.npz", "--kind", kind]
    walls = []
    for _ in range(4):
        started = time.perf_counter()
        subprocess.run([*words, "--force"], cwd=tmp_path, check=True, capture_output=True)
        walls.append(time.perf_counter() - started)
    print(f"\n{kind}: {min(walls[1:]):.2f} s")
    assert min(walls[1:]) < 1.5
