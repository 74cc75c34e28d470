"""Rendered eyes of a few people, prepared and split, once for the whole session; face videos."""

from __future__ import annotations

from pathlib import Path

import pytest
from face_data import write_faces

from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.data.prepared import Prepared, open_prepared, read_split
from eyecli.data.split import Split
from eyecli.sources.source import fetch_path
from eyecli.synthesis.gaze_table import write_gaze_table
from eyecli.tasks.base import all_layouts
from eyecli.tasks.gaze.layouts import read_raw
from eyecli.tasks.gaze.settings import GazePreprocess
from eyecli.workspace.store import open_workspace

SCREEN = GazePreprocess(eye_size=32, screen_px="1366x768", screen_cm="34.4x19.3", distance_cm=60.0)


@pytest.fixture(scope="session")
def prepared_and_split(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Split]:
    """Six people, five points of two frames each, in three folds."""
    folder = tmp_path_factory.mktemp("rendered")
    write_gaze_table(folder / "eyes", subjects=6, points=5, frames=2, seed=3)
    root = open_workspace(folder / "workspace", create=True)
    source = fetch_path(root, folder / "eyes", all_layouts(), synthetic=True).artifact
    made, split = prepare(root, "gaze", source, read_raw, SCREEN, SplitSettings("kfold:3"))
    return open_prepared(made.artifact), read_split(split.artifact)


@pytest.fixture(scope="session")
def prepared(prepared_and_split: tuple[Prepared, Split]) -> Prepared:
    return prepared_and_split[0]


@pytest.fixture(scope="session")
def split(prepared_and_split: tuple[Prepared, Split]) -> Split:
    return prepared_and_split[1]


@pytest.fixture
def faces(prepared: Prepared, tmp_path: Path) -> Prepared:
    """Eight subjects of face videos, made up."""
    return write_faces(prepared, tmp_path / "faces")
