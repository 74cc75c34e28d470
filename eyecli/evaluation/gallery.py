"""A gallery for a report: some pictures of the test part, and what spoke for each answer."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eyecli.data.arrays import read_npy
from eyecli.data.prepared import Prepared, read_table, write_table
from eyecli.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

GALLERY, MAPS = "gallery.csv", "gallery.npy"
COLUMNS = ("sample", "array", "truth", "answer")
TILE, CAPTION, ACROSS = 192, 18, 6
QUALITY = 85
# A single maximum can be ten times what is all around.
HIGH = 0.995


def write_gallery(folder: Path, table: pd.DataFrame, maps: np.ndarray) -> None:
    """Write ``gallery.csv`` and ``gallery.npy`` beside predictions.

    Parameters
    ----------
    folder
        Where they go.
    table
        A row a map, those of one picture in turn: ``sample``; ``array``, which of the prepared
        arrays shows it; ``truth``; ``answer``, what the map speaks for.
    maps
        (n, rows, columns), what each pixel adds to that answer. Kept is what speaks for it, in
        parts of the `HIGH` quantile of each map: two maps do not compare.
    """
    positive = np.maximum(maps, 0)
    peaks = np.quantile(positive, HIGH, axis=(1, 2), keepdims=True)
    peaks = np.where(peaks > 0, peaks, positive.max(axis=(1, 2), keepdims=True))
    shares = np.divide(positive, peaks, out=np.zeros_like(positive), where=peaks > 0).clip(max=1)
    write_table(folder / GALLERY, table[list(COLUMNS)])
    np.save(folder / MAPS, np.rint(255 * shares).astype(np.uint8), allow_pickle=False)


def draw_gallery(folder: Path, data: Prepared) -> str | None:
    """Draw the gallery of predictions as SVG, with pictures inside; nobody is named.

    Parameters
    ----------
    folder
        Of the predictions.
    data
        The prepared data that they are of.

    Returns
    -------
    str or None
        None if these predictions have none.

    Raises
    ------
    DataError
        If its files do not belong together.
    """
    if not (folder / GALLERY).is_file():
        return None
    table, maps = read_table(folder / GALLERY), read_npy(folder / MAPS)
    row_of = {sample: row for row, sample in enumerate(data.index["sample"])}
    if len(table) != len(maps) or not set(table["sample"]) <= row_of.keys():
        raise DataError(f"{folder}: {GALLERY} and {MAPS} are not of these data",
                        "eyecli workspace verify")  # fmt: skip
    tiles: list[tuple[np.ndarray, str]] = []
    for _, answers in table.groupby(["sample", "truth"], sort=False):
        first = answers.iloc[0]
        picture = data.arrays.take(first["array"], [row_of[first["sample"]]])[0]
        tiles.append((picture, first["truth"]))
        tiles += [(_lit(picture, maps[row]), answers["answer"][row]) for row in answers.index]
    return _grid(tiles)


def _lit(picture: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Colour a picture, in grey, by shares of 0 to 255."""
    import cv2

    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    colour = cv2.applyColorMap(share, cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = (share / 255)[..., None] ** 0.5 * 0.8
    return np.asarray((grey * (1 - weight) + colour * weight).astype(np.uint8))


def _grid(tiles: list[tuple[np.ndarray, str]]) -> str:
    rows = -(-len(tiles) // ACROSS)
    size = f'viewBox="0 0 {ACROSS * TILE} {rows * (TILE + CAPTION)}" width="{ACROSS * TILE}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">']
    for number, (picture, caption) in enumerate(tiles):
        x, y = number % ACROSS * TILE, number // ACROSS * (TILE + CAPTION)
        lines.append(
            f'<image x="{x}" y="{y}" width="{TILE - 2}" height="{TILE}" href="{_jpeg(picture)}"/>'
            f'<text x="{x + 4}" y="{y + TILE + 13}" font-size="12">{html.escape(caption)}</text>'
        )
    return "\n".join([*lines, "</svg>"])


def _jpeg(picture: np.ndarray) -> str:
    import cv2

    scale = min(1, 2 * TILE / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
