"""What every folder of made data is: new when it is begun, and told apart when it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import eyecli
from eyecli.errors import DataError


def require_empty(folder: Path) -> None:
    """Raise `DataError` if a folder already holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not an empty folder", "name a new one")


def write_provenance(
    folder: Path, generator: str, seed: int, parameters: Mapping[str, Any]
) -> None:
    """Write ``provenance.json``: the data are synthetic, and what made them from what.

    Parameters
    ----------
    folder
        Where the data are.
    generator
        The module that made them.
    seed, parameters
        What it was given.
    """
    provenance = {
        "synthetic": True,
        "generator": generator,
        "version": eyecli.__version__,
        "seed": seed,
        "parameters": parameters,
    }
    text = json.dumps(provenance, indent=2) + "\n"
    (folder / "provenance.json").write_text(text, encoding="utf-8")
