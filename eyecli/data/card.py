"""The dataset card: what a prepared artifact holds, for somebody who did not make it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.arrays import Arrays
from eyecli.data.prepared import (
    ARRAYS,
    CONTACT_SHEET,
    DOUBTFUL,
    INDEX,
    read_sessions,
    read_table,
)
from eyecli.plots import COLOURS, new_figure, to_svg
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import pandas as pd

CARD = "card.md"
PLOT = "card-targets.svg"
# Columns whose values are classes, where a task has them.
CLASSES = ("label", "grade")
GRID, GRID_COLUMNS, GRID_SIDE = 24, 8, 96
BINS = 20


def write_dataset_card(
    folder: Path,
    task: str,
    sources: Sequence[Artifact],
    *,
    targets: Sequence[str] = (),
    identifying: Sequence[str] = (),
    dropped: Mapping[str, int] | None = None,
    doubtful: Mapping[str, int] | None = None,
) -> None:
    """Write ``card.md``, a plot of the targets and grids of samples beside a prepared index.

    Subjects are counted, never named.

    Parameters
    ----------
    folder
        Holds the index and the arrays.
    task
        The task's name.
    sources
        What was prepared: references, licences, flags.
    targets
        Numeric columns of the index whose distribution is drawn.
    identifying
        Arrays that could show who somebody is: no grid is drawn of them, unless the data are
        rendered.
    dropped
        Reason to number of samples that were left out.
    doubtful
        Reason to number of samples that were kept, though something about them does not fit.
    """
    table = read_table(folder / INDEX)
    arrays = Arrays(folder / ARRAYS)
    synthetic = any(source.manifest.flags.get("synthetic") for source in sources)
    lines = ["**SYNTHETIC DATA**", ""] if synthetic else []
    lines += [f"# Dataset card: prepared/{task}", "", "## Sources", ""]
    lines += ["| source | layout | files | sha256 | licence |", "|---|---|---|---|---|"]
    lines += [_source_row(source) for source in sources]
    lines += ["", "## Counts", "", *_counts(table), *_class_counts(table)]
    lines += _recordings(folder)
    lines += ["", "## Dropped", ""]
    lines += [f"- {n}: {reason}" for reason, n in sorted((dropped or {}).items())] or [
        "None. What cannot be read stops the preparation, it is not left out."
    ]
    if doubtful:
        lines += ["", "## Kept, but doubtful", ""]
        lines += [f"- {n}: {reason}; see `{DOUBTFUL}`" for reason, n in sorted(doubtful.items())]
    lines += ["", "## Arrays", "", "| array | shape of a row | type | rows |", "|---|---|---|---|"]
    for name in arrays.names:
        spec = arrays.spec(name)
        shape = " x ".join(map(str, spec.shape))
        lines.append(f"| {name} | {shape} | {spec.dtype} | {arrays.rows(name)} |")
    lines += _target_lines(folder, table, targets)
    lines += _grid_lines(folder, arrays, len(table), () if synthetic else identifying)
    (folder / CARD).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _source_row(source: Artifact) -> str:
    manifest = source.manifest
    layout, files = (manifest.summary.get(key, "-") for key in ("layout", "files"))
    licences = ", ".join(manifest.licences) or "not stated"
    cells = (source.ref.partition("@")[0], layout, files, manifest.digest[:12], licences)
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _counts(table: pd.DataFrame) -> list[str]:
    known = table["subject"] != ""
    sizes = table[known].groupby("subject").size()
    lines = [f"- samples: {len(table)}", f"- subjects: {len(sizes)}"]
    if len(sizes):
        lines.append(
            f"- samples a subject: {sizes.min()} to {sizes.max()}, median {sizes.median():g}"
        )
    if not known.all():
        lines.append(f"- samples of unknown subjects: {int((~known).sum())}")
    return lines


def _recordings(folder: Path) -> list[str]:
    """Sum up the table of sessions, where there is one."""
    table = read_sessions(folder)
    if table is None:
        return []
    lines = ["", "## Recordings", "", f"- sessions: {len(table)}"]
    for column in ("device", "orientation"):
        counts = table.groupby(column).size()
        named = ", ".join(f"{name} {n}" for name, n in counts.items() if name)
        lines += [f"- sessions by {column}: {named}"] if named else []
    rates = table["rate_hz"].dropna().to_numpy()
    if len(rates):
        lines.append(f"- frames a second: {rates.min():.3g} to {rates.max():.3g}")
    shown, kept = int(table["shown"].sum()), int(table["kept"].sum())
    if shown:
        lines.append(f"- of {shown} frames while a target was looked at, {kept} became samples")
    lags = table["lag_ms"].dropna().to_numpy()
    lines.append(
        f"- lag of the video behind its stimuli, estimated for {len(lags)} sessions: median "
        f"{np.median(lags):+.0f} ms, {lags.min():+.0f} to {lags.max():+.0f}"
        if len(lags)
        else "- lag of the video behind its stimuli: too little to tell it by"
    )
    return lines


def _class_counts(table: pd.DataFrame) -> list[str]:
    lines: list[str] = []
    for column in (name for name in CLASSES if name in table):
        lines += ["", f"| {column} | samples | subjects |", "|---|---|---|"]
        for value, rows in table.groupby(column, sort=True):
            subjects = rows["subject"][rows["subject"] != ""].nunique()
            lines.append(f"| {value} | {len(rows)} | {subjects} |")
    return lines


def _target_lines(folder: Path, table: pd.DataFrame, targets: Sequence[str]) -> list[str]:
    if not targets:
        return []
    lines = ["", "## Targets", "", "| target | least | 5 % | median | 95 % | most |"]
    lines.append("|---|---|---|---|---|---|")
    figure, axes = new_figure(3.0 * len(targets), 2.5, columns=len(targets))
    for name, axis, colour in zip(targets, np.atleast_1d(axes), COLOURS, strict=False):
        values = table[name].to_numpy(float)
        points = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
        lines.append(f"| {name} | {' | '.join(f'{point:.4g}' for point in points)} |")
        axis.hist(values, bins=BINS, color=colour)
        axis.set(xlabel=name, ylabel="samples")
    (folder / PLOT).write_text(to_svg(figure), encoding="utf-8")
    return [*lines, "", f"![Distribution of the targets]({PLOT})"]


def _grid_lines(
    folder: Path, arrays: Arrays, samples: int, identifying: Sequence[str]
) -> list[str]:
    lines = ["", "## Samples", ""]
    images = [name for name in arrays.names if _is_image(arrays.spec(name).shape)]
    hidden = [name for name in images if name in identifying]
    if (folder / CONTACT_SHEET).is_file():
        lines.append(
            f"`{CONTACT_SHEET}` shows samples and what was left out. It shows faces: look at it, "
            "do not pass it on.\n"
        )
    drawn = [name for name in images if name not in identifying]
    if hidden:
        lines.append(
            f"Not shown in this card: {', '.join(hidden)}. These images could show who somebody "
            "is, and a card is passed on."
        )
    rows = np.linspace(0, samples - 1, min(samples, GRID)).astype(int)
    for name in drawn:
        path = folder / f"card-{name}.png"
        path.write_bytes(encode_grid(arrays.take(name, rows)))
        lines.append(f"{name}: {len(rows)} of {samples}, evenly over the index.\n")
        lines.append(f"![{len(rows)} samples of {name}]({path.name})\n")
    return lines if images else []


def _is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] in (1, 3) and min(shape[:2]) > 1


def encode_grid(images: np.ndarray) -> bytes:
    """Lay images out in rows and encode them as PNG.

    Parameters
    ----------
    images
        (n, height, width, 1 or 3) RGB or grey; floats are scaled to their range.
    """
    import cv2

    values = np.asarray(images, np.float32)
    if images.dtype != np.uint8:
        low, high = float(values.min()), float(values.max())
        values = (values - low) * (255 / (high - low) if high > low else 0)
    height, width = values.shape[1:3]
    scale = min(1.0, GRID_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: list[Any] = [
        cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
        for image in values
    ]
    blank = np.full_like(small[0], 255)
    wide = min(GRID_COLUMNS, len(small))
    small += [blank] * (math.ceil(len(small) / wide) * wide - len(small))
    rows = [np.hstack(small[start : start + wide]) for start in range(0, len(small), wide)]
    grid = np.vstack(rows).round().clip(0, 255).astype(np.uint8)
    done, encoded = cv2.imencode(".png", grid[..., ::-1])
    assert done
    return bytes(encoded)
