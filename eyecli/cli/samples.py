"""Folders of generated data: written whole or not at all, and found again by what made them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eyecli.errors import DataError


def make_sample(
    target: Path, wanted: Mapping[str, Any], seed: int, write: Callable[[Path], None]
) -> None:
    """Write a sample, whole or not at all, unless it is there.

    Parameters
    ----------
    target
        The folder that will hold it.
    wanted, seed
        What its ``provenance.json`` says if it is there.
    write
        Writes it into a folder that does not exist yet.

    Raises
    ------
    DataError
        If the folder holds something else.
    """
    if _holds(target, wanted, seed):
        return
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(
            f"{target} is not empty and does not hold this sample", "name another --folder"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".sample-", dir=target.parent) as temporary:
        write(Path(temporary, "data"))
        try:
            Path(temporary, "data").replace(target)
        except OSError:
            # Another job was faster, with the same sample.
            if not _holds(target, wanted, seed):
                raise


def _holds(target: Path, wanted: Mapping[str, Any], seed: int) -> bool:
    """Say whether a folder holds the sample of these parameters."""
    try:
        found = json.loads((target / "provenance.json").read_bytes())
        return bool(found["seed"] == seed and wanted.items() <= found["parameters"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
