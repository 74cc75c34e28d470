"""A chain killed again and again ends where an undisturbed one does."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import CHAIN, write_embeddings
from shell import ROOT, Done, environment, eyecli_process

from eyecli.workspace.store import artifacts

KILLS = {"fetch": 3, "preprocess": 4, "train": 10, "evaluate": 4, "compare": 2, "export": 4,
         "check-ane": 2, "calibrate": 3}  # fmt: skip


def digests(root: Path) -> dict[tuple[str, int | None], str]:
    """Newest digest of every family and fold; of a report its figures', since it names versions."""
    return {
        (a.ref.partition("@")[0], a.manifest.params.get("partition")): a.manifest.files[
            "metrics.csv"
        ].sha256
        if a.manifest.kind == "report"
        else a.manifest.digest
        for a in artifacts(root)
    }


def run_chain(folder: Path, stage: str) -> tuple[Done, float]:
    """Run a stage to its end; return how long it took."""
    if stage == "calibrate":
        write_embeddings(folder / "eyecli-workspace", folder / "embeddings.csv")
    started = time.monotonic()
    done = eyecli_process(*CHAIN[stage].split(), cwd=folder)
    assert done.code == 0, done.err
    return done, time.monotonic() - started


def kill(folder: Path, words: list[str], after: float) -> bool:
    """Start a command and kill -9 it; return whether it was still at work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "eyecli", *words],
        cwd=folder,
        env=environment({"PYTHONPATH": str(ROOT)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


@pytest.mark.slow
def test_kill_9_at_random_moments_over_all_stages(tmp_path: Path) -> None:
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    calm.mkdir()
    rough.mkdir()
    draw = random.Random(0)
    for stage, wanted in KILLS.items():
        _, seconds = run_chain(calm, stage)
        if stage == "calibrate":
            shutil.copy(calm / "embeddings.csv", rough)
        killed, words = 0, CHAIN[stage].split()
        while killed < wanted:
            if kill(rough, words, draw.uniform(0.05, 1) * seconds):
                killed += 1
            else:
                # It is done, and the same command again would only find it.
                words = [*CHAIN[stage].split(), "--force"]
            if (rough / "eyecli-workspace/format.json").exists():
                verified = eyecli_process("workspace", "verify", cwd=rough)
                assert verified.code == 0, verified.err
        run_chain(rough, stage)
    assert digests(rough / "eyecli-workspace") == digests(calm / "eyecli-workspace")
    swept = eyecli_process("workspace", "gc", "--grace", "0", cwd=rough)
    assert swept.code == 0, swept.err
    assert not list((rough / "eyecli-workspace/tmp").iterdir())


def test_every_stage_is_killed() -> None:
    assert KILLS.keys() == CHAIN.keys()
    assert sum(KILLS.values()) >= 30
