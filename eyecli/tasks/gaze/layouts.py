"""Raw layouts of gaze data: folders of eye crops, and image tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from eyecli.data.arrays import ArraySpec
from eyecli.data.prepare import Raw, Read
from eyecli.errors import DataError, UsageError, suggest
from eyecli.imaging.decode import decode_rgb, resize_square
from eyecli.sources.source import Source
from eyecli.tasks.gaze.settings import GazePreprocess, parse_size

CROP = re.compile(r"(?P<side>left|right)/(?P<x>-?\d+)_(?P<y>-?\d+)\.(?:bmp|png|jpe?g)", re.I)
TABLE = "table.csv"
# Image columns of a table and the arrays they become.
IMAGES = ("left", "right", "face")
BOXES = tuple(
    f"{part}_box_{side}" for part in ("face", "left", "right") for side in ("x", "y", "w", "h")
)
TARGETS = ("target_x", "target_y")
REQUIRED = ("subject", *TARGETS)
OPTIONAL = ("session", "point", *IMAGES, *BOXES)
# The two eyes of a person differ by a reflection: mirrored, both can share one branch.
MIRRORED = ("right",)
SIZES = range(16, 257)
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# Far beyond any screen, in pixels or centimetres.
LARGEST = 1e6
# Boxes are fractions of the frame; a face at its edge reaches out of it.
BOX_RANGE = (-1.0, 2.0)

Row = dict[str, Any]


def is_eye_crops(names: Iterable[str]) -> bool:
    """``left/<X>_<Y>.bmp`` and ``right/<X>_<Y>.bmp``, the name being the target."""
    found = [CROP.fullmatch(name) for name in names]
    return any(found) and sum(match is None for match in found) <= len(found) / 2


def is_image_table(names: Iterable[str]) -> bool:
    """A table that names the images beside it or below."""
    return find_table(names) is not None


def find_table(names: Iterable[str]) -> str | None:
    """Return ``table.csv``, or the only CSV at the top."""
    tables = [name for name in names if "/" not in name and name.lower().endswith(".csv")]
    return TABLE if TABLE in tables else tables[0] if len(tables) == 1 else None


LAYOUTS = {"eye-crops": is_eye_crops, "image-table": is_image_table}


def read_raw(source: Source, settings: GazePreprocess) -> Raw:
    """Read the samples of a source.

    Raises
    ------
    DataError
        If the layout is another task's, or the table has no such column.
    UsageError
        If the settings make no sense.
    """
    for size, flag in ((settings.eye_size, "--eye-size"), (settings.face_size, "--face-size")):
        if size not in SIZES:
            raise UsageError(f"{flag} {size} is out of range", "use 16 to 256")
    if not 0 <= settings.distance_cm < 1e4:
        raise UsageError(f"--distance-cm {settings.distance_cm:g} is no distance", "use cm, or 0")
    readers = {"eye-crops": read_eye_crops, "image-table": read_image_table}
    if source.layout not in readers:
        raise DataError(f"layout {source.layout} is not one of gaze", suggest("", readers))
    samples, files, problems = readers[source.layout](source)
    if not samples and not problems:
        raise DataError(f"{source.folder}: no samples found", "see the layouts in the README")
    problems += _off_screen(samples, settings, source)
    images = [name for name in IMAGES if samples and name in samples[0]]
    has_boxes = bool(samples) and BOXES[0] in samples[0]
    specs = {name: _image_spec(name, settings) for name in images}
    if has_boxes:
        specs["boxes"] = ArraySpec((1, 1, len(BOXES)), "float32")

    def convert(position: int, read: Read) -> dict[str, np.ndarray]:
        sample = samples[position]
        row = {
            name: read_crop(
                read(sample[name]),
                name,
                specs[name].shape[0],
                f"{source.folder / sample[name]} ({sample['sample']}, {name})",
            )
            for name in images
        }
        if has_boxes:
            row["boxes"] = np.array([[[sample[name] for name in BOXES]]], dtype=np.float32)
        return row

    table = [
        {key: value for key, value in sample.items() if key not in (*IMAGES, *BOXES)}
        for sample in samples
    ]
    return Raw(
        table, files, specs, convert, _setup(settings, images, has_boxes), problems,
        targets=TARGETS, identifying=images,
    )  # fmt: skip


def _image_spec(name: str, settings: GazePreprocess) -> ArraySpec:
    size = settings.face_size if name == "face" else settings.eye_size
    return ArraySpec((size, size, 3), "uint8")


def read_crop(content: bytes, name: str, size: int, where: str) -> np.ndarray:
    """Decode a crop, scale it to (size, size, 3) and mirror a right eye.

    Raises
    ------
    DataError
        If it is not a readable image.
    """
    pixels = resize_square(decode_rgb(content, where), size)
    return np.ascontiguousarray(pixels[:, ::-1] if name in MIRRORED else pixels)


def _setup(settings: GazePreprocess, images: list[str], has_boxes: bool) -> dict[str, Any]:
    inputs = (["face"] if "face" in images else []) + (["eyes"] if "left" in images else [])
    return {
        "inputs": inputs + (["boxes"] if has_boxes else []),
        "eye_size": settings.eye_size,
        "face_size": settings.face_size,
        "mirrored": list(MIRRORED),
        "unit": settings.unit,
        "screen_px": parse_size(settings.screen_px, "--screen-px"),
        "screen_cm": parse_size(settings.screen_cm, "--screen-cm"),
        "distance_cm": settings.distance_cm or None,
    }


def _off_screen(samples: list[Row], settings: GazePreprocess, source: Source) -> list[str]:
    if settings.unit == "cm":
        return _beyond_screen_cm(samples, settings, source)
    screen = parse_size(settings.screen_px, "--screen-px")
    if screen is None:
        return []
    width, height = screen
    return [
        f"{source.folder}: {sample['sample']}: target ({sample['target_x']:g}, "
        f"{sample['target_y']:g}) px is outside the screen of {width:g}x{height:g} px"
        for sample in samples
        if not (0 <= sample["target_x"] <= width and 0 <= sample["target_y"] <= height)
    ]


def _beyond_screen_cm(samples: list[Row], settings: GazePreprocess, source: Source) -> list[str]:
    """Find targets that cannot be cm: wherever the origin is, the screen is not that large."""
    screen = parse_size(settings.screen_cm, "--screen-cm")
    if screen is None:
        return []
    width, height = screen
    return [
        f"{source.folder}: {sample['sample']}: target ({sample['target_x']:g}, "
        f"{sample['target_y']:g}) cannot be cm on a screen of {width:g}x{height:g} cm"
        for sample in samples
        if abs(sample["target_x"]) > 2 * width or abs(sample["target_y"]) > 2 * height
    ]


def read_eye_crops(source: Source) -> tuple[list[Row], list[list[str]], list[str]]:
    """Pair ``left/<X>_<Y>`` with ``right/<X>_<Y>``; no subjects are known in this layout.

    Returns
    -------
    samples, files, problems
        See `Raw`.
    """
    pairs: dict[str, dict[str, str]] = {}
    problems = []
    for path in source.digests:
        match = CROP.fullmatch(path)
        if match:
            side = match["side"].lower()
            first = pairs.setdefault(PurePosixPath(path).stem, {}).setdefault(side, path)
            if first != path:
                problems.append(f"{source.folder / path}: a second {side} eye besides {first}")
    samples: list[Row] = []
    for stem, pair in sorted(pairs.items()):
        if len(pair) < 2:
            (side,) = {"left", "right"} - pair.keys()
            problems.append(f"{source.folder / next(iter(pair.values()))}: no {side} eye of {stem}")
            continue
        x, y = (float(part) for part in stem.split("_"))
        samples.append(
            {"sample": stem, "subject": "", "session": "", "point": stem, "target_x": x,
             "target_y": y, **pair}
        )  # fmt: skip
    return samples, [[sample["left"], sample["right"]] for sample in samples], problems


def read_image_table(source: Source) -> tuple[list[Row], list[list[str]], list[str]]:
    """Read the table: a row a sample, with paths relative to the table.

    Returns
    -------
    samples, files, problems
        See `Raw`.

    Raises
    ------
    DataError
        If a column is missing or the table is no CSV.
    """
    table = source.table or find_table(source.digests)
    if table is None:
        raise DataError(f"{source.folder}: no {TABLE} and no single CSV", f"name it {TABLE}")
    path = source.folder / table
    try:
        text = source.read(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text (byte {error.start})", "save it as UTF-8"
        ) from None
    columns, rows = _read_rows(text, str(path))
    if "image" in columns and "face" not in columns:
        # One picture a row is that of the face.
        columns[columns.index("image")] = "face"
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        near = suggest(missing[0], columns) if columns else "the table is empty"
        raise DataError(f"{path}: column '{missing[0]}' is missing", near)
    images = [name for name in IMAGES if name in columns]
    if ("left" in images) != ("right" in images):
        (side,) = {"left", "right"} - set(images)
        raise DataError(f"{path}: column '{side}' is missing", "both eyes are needed, or neither")
    if not images:
        raise DataError(f"{path}: no image column", f"name images in {', '.join(IMAGES)}")
    boxes = [name for name in BOXES if name in columns]
    if boxes and len(boxes) < len(BOXES):
        lacking = next(name for name in BOXES if name not in columns)
        raise DataError(f"{path}: column '{lacking}' is missing", "all twelve box values or none")
    samples: list[Row] = []
    problems: list[str] = []
    shown: dict[tuple[str, ...], Row] = {}
    for number, cells in rows:
        try:
            if len(cells) != len(columns):
                raise DataError(f"{len(cells)} cells, the header has {len(columns)}")
            row = dict(zip(columns, cells, strict=True))
            sample = _table_row(row, number, images, boxes, source)
            _require_one_place(sample, shown)
        except DataError as error:
            problems.append(f"{path}: row {number}: {error.message}")
            continue
        samples.append(sample)
    files = [[sample[name] for name in images] for sample in samples]
    return samples, files, problems


def _read_rows(text: str, path: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Columns, and the cells of every row with the line it ends on."""
    # Strict: a forgotten quote would otherwise swallow all rows below it.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns, *rows = [(reader.line_num, cells) for cells in reader if cells] or [(1, [])]
    except csv.Error as error:
        raise DataError(f"{path}: row {reader.line_num}: not a CSV: {error}") from None
    twice = next((name for name in columns[1] if columns[1].count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: column '{twice}' is there twice", "drop or rename one")
    return columns[1], rows


def _require_one_place(sample: Row, shown: dict[tuple[str, ...], Row]) -> None:
    """Refuse a point that is shown in two places: its frames could not be left out as one."""
    first = shown.setdefault((sample["subject"], sample["session"], sample["point"]), sample)
    here, there = ((s["target_x"], s["target_y"]) for s in (sample, first))
    if here != there:
        raise DataError(
            f"point '{sample['point']}' is at ({here[0]:g}, {here[1]:g}), in {first['sample']} at "
            f"({there[0]:g}, {there[1]:g})"
        )


def _table_row(
    row: Mapping[str, str], number: int, images: list[str], boxes: list[str], source: Source
) -> Row:
    sample: Row = {
        "sample": f"row{number:06d}",
        "subject": _text(row, "subject"),
        "session": _printable(row.get("session", ""), "session"),
        "point": _printable(row.get("point", ""), "point"),
        "target_x": _number(row, "target_x"),
        "target_y": _number(row, "target_y"),
    }
    # Frames of one target belong together even where the table does not number them.
    sample["point"] = sample["point"] or f"{sample['target_x']:g}_{sample['target_y']:g}"
    for name in images:
        sample[name] = _text(row, name)
        if sample[name] not in source.digests:
            raise DataError(f"{name} '{sample[name]}' is not in {source.folder}")
    return sample | {name: _number(row, name, BOX_RANGE) for name in boxes}


def _text(row: Mapping[str, str], field: str) -> str:
    value = row[field].strip()
    if not value:
        raise DataError(f"{field} is empty")
    return _printable(value, field)


def _printable(value: str, field: str) -> str:
    """Refuse control characters: they would break the tables that ids are written to."""
    if not value.isprintable():
        raise DataError(f"{field} {value!r} has control characters")
    return value


def _number(
    row: Mapping[str, str], field: str, span: tuple[float, float] = (-LARGEST, LARGEST)
) -> float:
    text = row[field]
    # float() takes more than a table may hold: 1_000, digits of other scripts, inf.
    if not NUMBER.fullmatch(text.strip()):
        raise DataError(f"{field} '{text}' is not a number")
    value = float(text)
    if not span[0] <= value <= span[1]:
        raise DataError(f"{field} {text} is out of range ({span[0]:g} to {span[1]:g})")
    return value
