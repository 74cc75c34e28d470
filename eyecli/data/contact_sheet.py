"""One picture to look at: some samples of every kind, and some of what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eyecli.data.arrays import Arrays
from eyecli.data.unite import Found

# It shows people: unlike the card it is not to be passed on.
CONTACT_SHEET = "contact-sheet.jpg"
TILE, CAPTION, COLUMNS = 128, 14, 10
MOST_KEPT, MOST_LEFT_OUT = 60, 40
QUALITY = 90


def write_contact_sheet(path: Path, found: Found, arrays: Arrays) -> None:
    """Draw a grid of samples, evenly over the data, then of what was left out.

    Parameters
    ----------
    path
        A JPEG.
    found
        The samples, and pictures of what was left out.
    arrays
        Their arrays: every one that holds images is shown.
    """
    import cv2

    names = [name for name in arrays.names if _is_image(arrays.spec(name).shape)]
    rows = _evenly(len(found.table), MOST_KEPT)
    taken = {name: arrays.take(name, rows) for name in names}
    kept = [
        _tile(image, str(found.table[row]["sample"]), len(image))
        for i, row in enumerate(rows)
        for image in [_beside([taken[name][i] for name in names])]
    ]
    places = _evenly(len(found.exhibits), MOST_LEFT_OUT)
    left_out = [_tile(found.exhibits[i][1], found.exhibits[i][0], TILE) for i in places]
    sheet = np.vstack([*_section(f"{len(found.table)} samples kept", kept),
                       *_section("left out", left_out)])  # fmt: skip
    done, encoded = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    path.write_bytes(bytes(encoded))


def _evenly(number: int, most: int) -> list[int]:
    """Return at most so many of the first `number` whole numbers, evenly spread."""
    chosen: list[int] = np.linspace(0, number - 1, min(number, most)).astype(int).tolist()
    return chosen


def _is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] == 3 and min(shape[:2]) > 1


def _beside(images: Sequence[np.ndarray]) -> np.ndarray:
    """Put a sample's images together: the first large, the others in a row below it."""
    import cv2

    first, *others = images
    parts = [cv2.resize(first, (TILE, TILE), interpolation=cv2.INTER_AREA)]
    if others:
        side = TILE // max(2, len(others))
        strip = np.full((side, TILE, 3), 255, np.uint8)
        for number, image in enumerate(others):
            small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
            strip[:, number * side : (number + 1) * side] = small
        parts.append(strip)
    return np.vstack(parts)


def _tile(image: np.ndarray, caption: str, height: int) -> np.ndarray:
    import cv2

    scale = min(TILE / image.shape[1], height / image.shape[0])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    tile = np.full((height + CAPTION, TILE, 3), 255, np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _write(tile, caption, height + CAPTION - 4)


def _write(canvas: np.ndarray, text: str, baseline: int) -> np.ndarray:
    import cv2

    # The fonts that OpenCV draws know no other letters.
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, (2, baseline), cv2.FONT_HERSHEY_SIMPLEX, 0.28, (0, 0, 0), 1,
                cv2.LINE_AA)  # fmt: skip
    return canvas


def _section(title: str, tiles: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Lay tiles out in rows below a title; nothing where there are none."""
    if not tiles:
        return []
    width = COLUMNS * TILE
    blank = np.full_like(tiles[0], 255)
    rows = [
        np.hstack([*tiles[start : start + COLUMNS],
                   *[blank] * (COLUMNS - len(tiles[start : start + COLUMNS]))])
        for start in range(0, len(tiles), COLUMNS)
    ]  # fmt: skip
    return [_write(np.full((24, width, 3), 255, np.uint8), title, 16), *rows]
