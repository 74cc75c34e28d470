"""Which data of how many users a file or a folder holds; nothing is read but names and headers.

A folder is one of

- a known layout, of one or several users (an image table, eye crops...): read as a whole;
- a folder of users: embeddings files, each of one or several users, and sub-folders, each of one
  user in any form that a single user's data may have.

Who it is, the data say; where they do not, a file's or a sub-folder's name does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eyecli.errors import DataError
from eyecli.sources.layouts import Layouts, Listing, recognise
from eyecli.sources.tree import walk

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".npz")
EMBEDDINGS = "embeddings"


@dataclass(frozen=True)
class Part:
    """Data that are read together.

    Attributes
    ----------
    place
        The file or folder, for messages.
    layout
        `EMBEDDINGS`, or a layout of images.
    files
        The embeddings files.
    table
        The image table, where that is what was named.
    name
        Who it is where the data do not say; None where nobody does.
    """

    place: Path
    layout: str
    files: tuple[Path, ...] = ()
    table: Path | None = None
    name: str | None = None


@dataclass(frozen=True)
class Found:
    """What there is to calibrate from.

    Attributes
    ----------
    parts
        In order of their names.
    refused
        What is wrong with files and sub-folders that are no part.
    many
        Whether it is a folder of users, be it of one.
    """

    parts: Sequence[Part]
    refused: Sequence[DataError] = field(default=())
    many: bool = False


def find_parts(
    path: Path, layouts: Layouts, workspace: Path | None = None, layout: str | None = None
) -> Found:
    """Find the data of one or many users.

    Parameters
    ----------
    path
        A file or a folder.
    layouts
        Layout name to (task, layout).
    workspace
        Left out where it lies in the folder.
    layout
        The folder's layout, where it is known.

    Raises
    ------
    DataError
        If there is no such file, or nothing to calibrate from in it.
    """
    if path.is_dir():
        return Found([Part(path, layout)]) if layout else _in_folder(path, layouts, workspace)
    if path.suffix.lower() == ".npz" or is_embeddings(path):
        return Found([Part(path, EMBEDDINGS, (path,))])
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix.lower() != ".csv":
        raise DataError(
            f"{path}: neither embeddings (.csv, .npz) nor an image table (.csv) nor a folder"
        )
    return Found([Part(path, "image-table", table=path)])


def is_embeddings(path: Path) -> bool:
    """Whether a file is named like embeddings, and a CSV has columns like them."""
    if path.suffix.lower() == ".npz":
        return path.is_file()
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        header = stream.readline()
    return "embedding_0" in header or "base_x" in header


def _in_folder(folder: Path, layouts: Layouts, workspace: Path | None) -> Found:
    names = [name for name, _ in walk(folder, workspace)]
    files = [folder / name for name in names if "/" not in name]
    if not any(is_embeddings(path) for path in files) and _fitting(folder, names, layouts):
        layout = recognise(_listing(folder, names), layouts, folder)
        if not _is_mixed(folder, names, layouts, layout):
            return Found([Part(folder, layout)])
    # A table without such columns is somebody's broken file: left out, a user would be missing.
    readable = [path for path in files if path.suffix.lower() in SUFFIXES]
    parts = [Part(path, EMBEDDINGS, (path,), name=path.stem) for path in readable]
    refused = []
    for sub in _sub_folders(folder, workspace):
        own = [name.removeprefix(f"{sub.name}/") for name in names
               if name.startswith(f"{sub.name}/")]  # fmt: skip
        try:
            parts.append(_of_one(sub, own, layouts))
        except DataError as error:
            refused.append(error)
    if not parts:
        raise _nothing(folder, names)
    _say_unused(folder, sorted(set(files) - set(readable)))
    return Found(parts, refused, many=True)


def _is_mixed(folder: Path, names: list[str], layouts: Layouts, layout: str) -> bool:
    """Whether sub-folders hold what a layout of the whole folder would pass over."""
    below: dict[str, list[str]] = {}
    for name in names:
        top, _, rest = name.partition("/")
        if rest:
            below.setdefault(top, []).append(rest)
    for top, own in below.items():
        alone = _fitting(folder / top, own, layouts)
        embeddings = any(is_embeddings(folder / top / name) for name in own if "/" not in name)
        if embeddings or (alone and layout not in alone):
            return True
    return False


def _fitting(folder: Path, names: list[str], layouts: Layouts) -> list[str]:
    listing = _listing(folder, names)
    return [name for name, (_, layout) in layouts.items() if layout.fits(listing)]


def _listing(folder: Path, names: list[str]) -> Listing:
    def start(name: str, size: int) -> bytes:
        with (folder / name).open("rb") as stream:
            return stream.read(size)

    return Listing(names, start)


def _sub_folders(folder: Path, workspace: Path | None) -> list[Path]:
    """Return the sub-folders, empty ones too, that are neither hidden nor the workspace."""
    own = workspace.resolve() if workspace else None
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.resolve() != own
    )


def _of_one(folder: Path, names: list[str], layouts: Layouts) -> Part:
    """Return what a sub-folder holds, which is named like its user."""
    files = [folder / name for name in names if "/" not in name]
    embeddings = tuple(path for path in files if is_embeddings(path))
    if embeddings:
        # A broken one beside them is read, and named.
        chosen = tuple(path for path in files if path.suffix.lower() in SUFFIXES)
        _say_unused(folder, sorted(set(files) - set(chosen)))
        return Part(folder, EMBEDDINGS, chosen, name=folder.name)
    if _fitting(folder, names, layouts):
        layout = recognise(_listing(folder, names), layouts, folder)
        return Part(folder, layout, name=folder.name)
    raise _nothing(folder, names)


def _nothing(folder: Path, names: list[str]) -> DataError:
    found = f"{len(names)} files, such as {names[0]}" if names else "no files"
    return DataError(
        f"{folder}: nothing to calibrate from; {found}",
        "it may hold embeddings (.csv, .npz), images of a known layout (`eyecli schema`), or "
        "sub-folders, each with those of one user",
    )


def _say_unused(folder: Path, files: list[Path]) -> None:
    if files:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        log.warning("%s: not used: %s%s", folder, files[0].name, more)
