"""One small real chain, made once, and copies of it to work on."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from shell import Done, eyecli_process

from eyecli.cli.main import run
from eyecli.workspace.references import resolve

CHAIN = {
    "fetch": "fetch sample gaze-eyes --subjects 4 --points 4 --frames 1",
    "preprocess": "preprocess gaze --split kfold:4",
    "train": "train gaze --epochs 1",
    "evaluate": "evaluate",
    "compare": "compare",
    "export": "export coreml --fold 0",
    "check-ane": "check-ane",
    "calibrate": "calibrate user embeddings.csv --fold 0 --user eve",
}


@dataclass(frozen=True)
class Chain:
    """A folder in which every stage has run, and what each left behind."""

    folder: Path
    done: dict[str, Done]

    @property
    def root(self) -> Path:
        """Its workspace."""
        return self.folder / "eyecli-workspace"

    def run(self, stage: str, *options: str) -> Done:
        """Run a stage of the chain again."""
        return eyecli_process(*CHAIN[stage].split(), cwd=self.folder, options=options)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("EYECLI_")]:
        patch.delenv(name)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    made = Chain(tmp_path_factory.mktemp("chain"), {})
    for stage in CHAIN:
        if stage == "calibrate":
            write_embeddings(made.root, made.folder / "embeddings.csv")
        made.done[stage] = made.run(stage)
        assert made.done[stage].code == 0, made.done[stage].err
    return made


@pytest.fixture
def copy(chain: Chain, tmp_path: Path) -> Chain:
    """Return a copy of the chain that a test may change."""
    folder = tmp_path / "copy"
    shutil.copytree(chain.folder, folder)
    return Chain(folder, chain.done)


def write_embeddings(root: Path, path: Path, model: str | None = None) -> None:
    """Write the stored predictions of fold 0 as one user's calibration samples."""
    predictions = resolve(root, "predictions/gaze").path
    with (predictions / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    embedding = np.load(predictions / "embedding.npy", allow_pickle=False)
    own = [n for n, row in enumerate(rows) if row["partition"] == "0"]
    columns = [f"embedding_{i}" for i in range(embedding.shape[1])]
    digest = model or resolve(root, "coreml/gaze").manifest.summary["model_digest"]
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*columns, "base_x", "base_y", "target_x", "target_y", "point", "model"])
        for n in own:
            row = rows[n]
            point = f"{row['subject']}-{row['point']}"
            writer.writerow([*embedding[n].tolist(), row["pred_x"], row["pred_y"],
                             row["target_x"], row["target_y"], point, digest])  # fmt: skip


@pytest.fixture
def eyecli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Done:
        capfd.readouterr()
        code = run([str(word) for word in words])
        out, err = capfd.readouterr()
        if "--json" in words:
            json.loads(out)
        return Done(code, out, err)

    return call
