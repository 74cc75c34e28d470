"""A chain on rendered eyes, as small as it can be: source, prepared, split, model, predictions."""

from __future__ import annotations

import pytest
from gaze_chain import Chain

from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.sources.source import fetch_path
from eyecli.synthesis.gaze_table import write_gaze_table
from eyecli.tasks.base import all_layouts
from eyecli.tasks.gaze import learning
from eyecli.tasks.gaze.layouts import read_raw
from eyecli.tasks.gaze.settings import GazePreprocess, GazeTrain
from eyecli.training.stage import train
from eyecli.workspace.store import open_workspace


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Six people in three folds, two epochs each."""
    folder = tmp_path_factory.mktemp("chain")
    write_gaze_table(folder / "eyes", subjects=6, points=6, frames=2, seed=1)
    root = open_workspace(folder / "workspace", create=True)
    source = fetch_path(root, folder / "eyes", all_layouts(), synthetic=True).artifact
    prepared, split = prepare(
        root, "gaze", source, read_raw, GazePreprocess(eye_size=32), SplitSettings("kfold:3")
    )
    model, predictions = train(
        root, "gaze", lambda: learning, prepared.artifact, split.artifact,
        GazeTrain(epochs=2, batch_size=16),
    )  # fmt: skip
    return Chain(root, source, prepared.artifact, split.artifact, model.artifact,
                 predictions.artifact)  # fmt: skip
