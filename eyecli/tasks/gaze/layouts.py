"""Raw layouts of gaze data: folders of eye crops, and image tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from eyecli.data.arrays import ArraySpec
from eyecli.data.fields import parse_cell
from eyecli.data.filenames import compile_pattern
from eyecli.data.raw import Raw, Read
from eyecli.data.tables import (
    Line,
    Table,
    convert_lines,
    names_suffice,
    read_names,
    read_table,
    refuse_settings,
)
from eyecli.errors import DataError, UsageError, suggest
from eyecli.imaging.decode import decode_rgb, resize_square
from eyecli.signals.gaze_samples import BYTES, refuse_gaze_samples
from eyecli.sources.source import Source
from eyecli.tasks.gaze.face_layouts import WHERE, Row, list_pictures, list_sessions, setup_of
from eyecli.tasks.gaze.faces import MIRRORED
from eyecli.tasks.gaze.fields import (
    BOXES,
    CROP,
    EYE,
    FRAME,
    IMAGES,
    LAYOUTS,
    TABLE_FIELDS,
    TARGETS,
)
from eyecli.tasks.gaze.settings import GazePreprocess, parse_size

SIZES = range(16, 257)
# Files that are samples where their names alone tell all.
SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")

# What changes when other rows come before.
PLACES = ("sample", WHERE)

Found = tuple[list[Row], list[list[str]], list[str]]


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
    if source.layout == "face-sessions":
        return list_sessions(source, settings)
    readers = {"eye-crops": read_eye_crops, "image-table": read_image_table}
    if source.layout in LAYOUTS and source.layout not in readers:
        raise DataError(
            f"layout {source.layout} is recognised, but not read yet",
            f"bring it into one of {', '.join(['face-sessions', *readers])}",
        )
    if source.layout not in readers:
        raise DataError(f"layout {source.layout} is not one of gaze", suggest("", LAYOUTS))
    samples, files, problems = readers[source.layout](source)
    if not samples and not problems:
        raise DataError(f"{source.folder}: no samples found", "see `eyecli schema`")
    problems += _off_screen(samples, settings, source)
    if samples and FRAME in samples[0]:
        return list_pictures(source, samples, files, problems, settings)
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
        {key: value for key, value in sample.items() if key not in (*IMAGES, *BOXES, WHERE)}
        for sample in samples
    ]
    return Raw(
        table, files, specs, convert, setup_of(settings, images, has_boxes), problems,
        targets=TARGETS, identifying=images, where=[sample[WHERE] for sample in samples],
        details=[{k: v for k, v in sample.items() if k not in PLACES} for sample in samples],
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


def _off_screen(samples: list[Row], settings: GazePreprocess, source: Source) -> list[str]:
    if settings.unit == "cm":
        return _beyond_screen_cm(samples, settings, source)
    screen = parse_size(settings.screen_px, "--screen-px")
    if screen is None:
        return []
    return [
        f"{sample[WHERE]}: {source.columns.get(name, name)} {sample[name]:g} px is outside the "
        f"screen of {screen[0]:g}x{screen[1]:g} px"
        for sample in samples
        for name, side in zip(TARGETS, screen, strict=True)
        if not 0 <= sample[name] <= side
    ]


def _beyond_screen_cm(samples: list[Row], settings: GazePreprocess, source: Source) -> list[str]:
    """Find targets that cannot be cm: wherever the origin is, the screen is not that large."""
    screen = parse_size(settings.screen_cm, "--screen-cm")
    if screen is None:
        return []
    return [
        f"{sample[WHERE]}: {source.columns.get(name, name)} {sample[name]:g} cannot be cm on a "
        f"screen of {screen[0]:g}x{screen[1]:g} cm"
        for sample in samples
        for name, side in zip(TARGETS, screen, strict=True)
        if abs(sample[name]) > 2 * side
    ]


def read_eye_crops(source: Source) -> Found:
    """Pair ``left/<X>_<Y>`` with ``right/<X>_<Y>``; no subjects are known in this layout.

    Returns
    -------
    samples, files, problems
        See `Raw`.
    """
    refuse_settings(source, "eye-crops")
    matches = [(path, CROP.fullmatch(path)) for path in source.digests]
    eyes = [(PurePosixPath(path).stem, m["side"].lower(), path) for path, m in matches if m]
    pairs, problems = _pair(source, eyes)
    samples: list[Row] = []
    for stem, pair in sorted(pairs.items()):
        x, y = (float(part) for part in stem.split("_"))
        samples.append(
            {"sample": stem, "subject": "", "session": "", "point": stem, "target_x": x,
             "target_y": y, WHERE: str(source.folder / pair["left"]), **pair}
        )  # fmt: skip
    return samples, [[sample["left"], sample["right"]] for sample in samples], problems


def _pair(
    source: Source, eyes: Iterable[tuple[Any, str, str]]
) -> tuple[dict[Any, dict[str, str]], list[str]]:
    """From (key, side, path) to the left and right path of every key that has both."""
    pairs: dict[Hashable, dict[str, str]] = {}
    problems = []
    for key, side, path in eyes:
        first = pairs.setdefault(key, {}).setdefault(side, path)
        if first != path:
            problems.append(f"{source.folder / path}: a second {side} eye besides {first}")
    for key, pair in sorted(pairs.items()):
        if len(pair) < 2:
            (side,) = {"left", "right"} - pair.keys()
            path = next(iter(pair.values()))
            of = f" of {key}" if isinstance(key, str) else ""
            problems.append(f"{source.folder / path}: no {side} eye{of}")
            del pairs[key]
    return pairs, problems


def read_image_table(source: Source) -> Found:
    """Read the table: a row a sample, with paths relative to the folder of the source.

    Where file names alone tell all (`Source.filename`), no table is needed.

    Returns
    -------
    samples, files, problems
        See `Raw`.

    Raises
    ------
    DataError
        If a column is missing or the table is no CSV.
    UsageError
        If the user's names of columns, or fields in file names, are none of the layout.
    """
    if names_suffice(source, TABLE_FIELDS):
        table, problems = _table_of_names(source)
    else:
        try:
            table, problems = read_table(source, TABLE_FIELDS), []
        except DataError:
            refuse_gaze_samples(
                [source.table] if source.table else source.digests,
                lambda name: source.read(name)[:BYTES],
            )
            raise
    images = [name for name in (*IMAGES, FRAME) if name in table.names]
    if FRAME in images and len(images) > 1:
        raise DataError(
            f"{table.path}: column '{table.names[FRAME]}' beside '{table.names[images[0]]}'",
            "name whole pictures (frame), or crops (left, right, face), not both",
        )
    if ("left" in images) != ("right" in images):
        (side,) = {"left", "right"} - set(images)
        raise DataError(
            f"{table.path}: column '{side}' is missing", "both eyes are needed, or neither"
        )
    if not images:
        raise DataError(
            f"{table.path}: no image column", f"name images in {', '.join((*IMAGES, FRAME))}"
        )
    boxes = [name for name in BOXES if name in table.names]
    if boxes and FRAME in images:
        raise DataError(
            f"{table.path}: column '{table.names[boxes[0]]}' beside '{table.names[FRAME]}'",
            "boxes are those of crops; in whole pictures they are found",
        )
    if boxes and len(boxes) < len(BOXES):
        lacking = next(name for name in BOXES if name not in table.names)
        raise DataError(
            f"{table.path}: column '{lacking}' is missing", "all twelve box values or none"
        )
    shown: dict[tuple[str, ...], Row] = {}
    where = {line.sample: line.where for line in table.lines}

    def convert(sample: str, values: Row) -> Row:
        row = {"sample": sample, "subject": "", "session": "", "point": "", WHERE: where[sample]}
        row |= values
        # Frames of one target belong together even where the table does not number them.
        row["point"] = row["point"] or f"{row['target_x']:g}_{row['target_y']:g}"
        _require_one_place(row, shown)
        return row

    samples, found = convert_lines(table, TABLE_FIELDS, source, convert)
    return samples, [[sample[name] for name in images] for sample in samples], problems + found


def _table_of_names(source: Source) -> tuple[Table, list[str]]:
    """Make a table of files whose names tell all: each a face, or pairs of eyes."""
    named = read_names(source, TABLE_FIELDS, SUFFIXES)
    fields = {field: field for field in compile_pattern(source.filename).fields if field}
    if fields.pop("eye", None) is None:
        lines = [replace(line, cells={**line.cells, "face": path}) for path, line, _ in named]
        return Table(str(source.folder), fields | {"face": "face"}, lines), []
    eyes, problems = [], []
    for path, line, rest in named:
        try:
            if line.problem:
                raise DataError(line.problem)
            side = str(parse_cell(line.cells["eye"], EYE, "eye"))
        except DataError as error:
            problems.append(f"{line.where}: {error.message}")
            continue
        # Files that differ in nothing but the eye are a pair.
        eyes.append(((rest, tuple(line.cells[field] for field in fields)), side, path))
    pairs, lonely = _pair(source, eyes)
    lines = [
        Line(
            pair["left"],
            str(source.folder / pair["left"]),
            {**dict(zip(fields, cells, strict=True)), **pair},
        )
        for (_, cells), pair in pairs.items()
    ]
    sides = {"left": "left", "right": "right"}
    return Table(str(source.folder), fields | sides, lines), problems + lonely


def _require_one_place(sample: Row, shown: dict[tuple[str, ...], Row]) -> None:
    """Refuse a point that is shown in two places: its frames could not be left out as one."""
    first = shown.setdefault((sample["subject"], sample["session"], sample["point"]), sample)
    here, there = ((s["target_x"], s["target_y"]) for s in (sample, first))
    if here != there:
        raise DataError(
            f"point '{sample['point']}' is at ({here[0]:g}, {here[1]:g}), in {first[WHERE]} at "
            f"({there[0]:g}, {there[1]:g})"
        )
