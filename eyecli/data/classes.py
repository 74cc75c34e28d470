"""Pictures in folders that are named like their class, as many data sets are published."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

IMAGE = r".*\.(?:bmp|png|jpe?g|tiff?|webp)"
_IMAGE = re.compile(IMAGE, re.I | re.S)
# Fields of eyes: the owner's left is OS, the right OD.
LATERALITY = {"os": "OS", "od": "OD", "left": "OS", "right": "OD", "l": "OS", "r": "OD"}
PARTS = {"train": "train", "val": "val", "test": "test"}


def images(names: Iterable[str]) -> list[str]:
    """Return those files that are pictures by their names."""
    return [name for name in names if _IMAGE.fullmatch(name)]


def class_folders(names: Iterable[str]) -> set[str]:
    """Return the names of the folders that pictures lie in, in lower case."""
    return {PurePosixPath(name).parent.name.strip().lower() for name in images(names)}


def mostly(names: Iterable[str], pattern: str) -> bool:
    """Say whether more than half of the pictures among files are named like this."""
    found = images(names)
    fit = re.compile(pattern, re.I | re.S)
    return 2 * sum(fit.fullmatch(name) is not None for name in found) > len(found)
