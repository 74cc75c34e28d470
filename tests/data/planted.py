"""Photographs that a dependency ships, what people do to photographs, and sets made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from eyecli.data.arrays import Arrays, ArraySpec, ArrayWriter

# Not `brick`: 5 % cut off a periodic texture moves it by about a period, and is missed.
NAMES = (
    "astronaut", "camera", "cat", "cell", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "moon", "page", "retina", "rocket",
)  # fmt: skip


def photographs() -> list[np.ndarray]:
    from skimage import data

    return [np.asarray(getattr(data, name)()) for name in NAMES]


def jpeg(pixels: np.ndarray) -> np.ndarray:
    _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_UNCHANGED))


def half(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def crop(pixels: np.ndarray) -> np.ndarray:
    """Cut 5 % off the top and the right."""
    return pixels[round(0.05 * len(pixels)) :, : round(0.95 * pixels.shape[1])]


def gamma(value: float) -> Callable[[np.ndarray], np.ndarray]:
    table = (255 * (np.arange(256) / 255) ** value).round().astype(np.uint8)
    return lambda pixels: table[pixels]


def turn(degrees: int) -> Callable[[np.ndarray], np.ndarray]:
    def turned(pixels: np.ndarray) -> np.ndarray:
        if degrees % 90 == 0:
            return np.rot90(pixels, degrees // 90)
        square = stored(pixels, 256)
        matrix = cv2.getRotationMatrix2D((127.5, 127.5), degrees, 1)
        return np.asarray(cv2.warpAffine(square, matrix, (256, 256)))

    return turned


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "jpeg": jpeg, "half": half, "crop": crop, "mirror": lambda p: p[:, ::-1],
    "turn 90": turn(90), "turn 180": turn(180), "turn 270": turn(270), "turn 120": turn(120),
    "gamma 0.7": gamma(0.7), "gamma 1.4": gamma(1.4),
    "crop, jpeg": lambda p: jpeg(crop(p)),
    "mirror, gamma 1.4": lambda p: gamma(1.4)(p[:, ::-1]),
}  # fmt: skip


def stored(pixels: np.ndarray, side: int) -> np.ndarray:
    """As preprocessing stores it, always three channels."""
    pixels = pixels[..., :3] if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    pixels = np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))


def store(folder: Path, **images: Sequence[np.ndarray]) -> Arrays:
    specs = {name: ArraySpec(rows[0].shape, str(rows[0].dtype)) for name, rows in images.items()}
    writer = ArrayWriter(folder, specs)
    for row in range(len(next(iter(images.values())))):
        writer.append({name: rows[row] for name, rows in images.items()})
    writer.close()
    return Arrays(folder)
