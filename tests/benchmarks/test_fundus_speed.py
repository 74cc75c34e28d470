"""CPU time of a crop, against the scaled decode alone and against the recipe of EyeNet.

That recipe is: decode in full, cut 1800 pixels out of the middle, `skimage.transform.resize`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from real_data import real_data

from eyecli.imaging.disc import disc_side
from eyecli.imaging.fundus import crop_fundus, find_fundus, read_fundus
from eyecli.imaging.quality import quality

ROUNDS = 5


@pytest.fixture(autouse=True)
def one_thread() -> None:
    cv2.setNumThreads(1)


def paths() -> list[Path]:
    return sorted((real_data("dr/idrid_full") / "images").iterdir())


def milliseconds(work: Callable[[Path], object], files: list[Path]) -> float:
    started = time.process_time()
    for path in files:
        work(path)
    return 1e3 * (time.process_time() - started) / len(files)


def decode(path: Path) -> object:
    return cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_4)


def prepare(path: Path, size: int) -> None:
    """All that is done to a photograph: read, find, cut, score, and look for the disc."""
    reading = read_fundus(path.read_bytes(), path.name, size)
    quality(reading.crop, reading.fundus)
    disc_side(reading.crop)


def eyenet(path: Path) -> object:
    from PIL import Image
    from skimage.transform import resize

    pixels = np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
    top, left = (pixels.shape[0] - 1800) // 2, (pixels.shape[1] - 1800) // 2
    return resize(pixels[top : top + 1800, left : left + 1800], (256, 256))


@pytest.mark.benchmark
@pytest.mark.parametrize(("size", "most"), [(256, 1.6), (512, 2.2)])
def test_a_crop_against_decoding_alone(size: int, most: float) -> None:
    files = paths()
    times = []
    for _ in range(ROUNDS + 1):
        alone = milliseconds(decode, files)
        ours = milliseconds(lambda p: prepare(p, size), files)
        times.append((ours / alone, ours, alone))
    ratio, ours, alone = np.median(times[1:], axis=0)
    print(f"\n{size} px: {ours:.1f} ms CPU, decoding alone {alone:.1f} ms: {ratio:.2f} times")
    assert ratio < most


@pytest.mark.benchmark
def test_a_crop_against_the_recipe() -> None:
    files = paths()
    theirs = milliseconds(eyenet, files[:6])
    ours = min(milliseconds(lambda p: prepare(p, 256), files) for _ in range(ROUNDS))
    print(f"\n256 px: {ours:.1f} ms CPU, the recipe {theirs:.0f} ms: {theirs / ours:.0f} times")
    assert theirs > 15 * ours


@pytest.mark.benchmark
def test_the_parts() -> None:
    """What the search, the cut and the score cost, beside the decoding."""
    pictures = [np.asarray(cv2.imread(str(p), cv2.IMREAD_REDUCED_COLOR_4)) for p in paths()]
    fundi = [fundus for picture in pictures if (fundus := find_fundus(picture))]
    crops = [crop_fundus(p, f, 256) for p, f in zip(pictures, fundi, strict=True)]
    for name, work in {
        "search": lambda i: find_fundus(pictures[i]),
        "cut at 256 px": lambda i: crop_fundus(pictures[i], fundi[i], 256),
        "score": lambda i: quality(crops[i], fundi[i]),
        "side of the disc": lambda i: disc_side(crops[i]),
    }.items():
        started = time.process_time()
        for i in range(len(pictures)):
            work(i)
        print(f"\n{name}: {1e3 * (time.process_time() - started) / len(pictures):.2f} ms CPU")
