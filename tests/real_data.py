"""Real data for local testing, which are never part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "EYE_DATA"


def real_data(name: str) -> Path:
    """Return a folder of real data, such as ``dr/idrid``; without it the test is skipped."""
    folder = Path(os.environ.get(VARIABLE, "no-such-folder"), name)
    if not folder.is_dir():
        pytest.skip(f"set {VARIABLE} to a folder that holds {name}")
    return folder
