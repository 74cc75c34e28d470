"""What the small samples of all tasks share: their limits, their table, their pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from eyecli.errors import UsageError
from eyecli.synthesis.provenance import require_empty, write_provenance

MOST = 999
LARGEST_SEED = 2**32


def begin(folder: Path, counts: Mapping[str, int], seed: int, generator: str) -> None:
    """Check the numbers and make the folder, with its provenance.

    Parameters
    ----------
    folder
        Where to write; new or empty.
    counts
        How many of what, each 1 to 999.
    seed
        Start of all random streams, 0 to `LARGEST_SEED`.
    generator
        The module that makes the sample.

    Raises
    ------
    UsageError
        If a number is out of range.
    DataError
        If the folder already holds something.
    """
    for name, value in counts.items():
        if not 1 <= value <= MOST:
            raise UsageError(f"{name} is {value}", f"it must be from 1 to {MOST}")
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"seed is {seed}", f"it must be from 0 to {LARGEST_SEED}")
    require_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_provenance(folder, generator, seed, dict(counts))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write a picture, (h, w) grey or (h, w, 3) RGB in 0..1, in the format of its name."""
    import cv2

    values = (255 * np.clip(pixels, 0, 1) + 0.5).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # OpenCV, when it writes itself, cannot say why it did not.
    encoded = cv2.imencode(path.suffix, values[..., ::-1] if values.ndim == 3 else values)[1]
    path.write_bytes(encoded.tobytes())


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Draw smooth noise of standard deviation 1: `scale` is the blur in samples."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.normal(size=shape), scale, mode="wrap")
    return np.asarray(noise / noise.std())
