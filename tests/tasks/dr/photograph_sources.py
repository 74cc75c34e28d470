"""Sources of fundus photographs for tests."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from eyecli.sources.source import Source
from eyecli.synthesis.fundus import write_fundus
from eyecli.workspace.manifest import sha256_file


def make_source(folder: Path, layout: str, files: Mapping[str, bytes], **more: Any) -> Source:
    """Write files and describe them as `fetch path` does."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Source(folder, layout, digests(folder), **more)


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}


def write_telling(folder: Path, subjects: int) -> None:
    """Write both eyes of people: the less green, the worse, with noise of each eye's own."""
    write_fundus(folder, subjects, 0)
    rng = np.random.default_rng(0)
    with (folder / "trainLabels.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            path = str(folder / f"{row['image']}.jpeg")
            picture = cv2.imread(path).astype(float)
            picture[..., 1] *= 1 - 0.12 * (int(row["level"]) + rng.normal())
            cv2.imwrite(path, np.clip(picture, 0, 255).astype(np.uint8))
