"""Copying a folder, or unpacking an archive, into the workspace: whole or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from eyecli.progress import track
from eyecli.sources.archive import (
    NAME,
    archive_of,
    extract,
    find_archives,
    forget_archives,
    list_members,
)
from eyecli.sources.contents import folder_for, list_files
from eyecli.sources.folder import require_room
from eyecli.sources.layouts import DEEPEST, Layouts, find_layout, fits_as_it_lies
from eyecli.sources.tree import base_of, hash_tree
from eyecli.workspace.manifest import canonical
from eyecli.workspace.store import fsync_folder, staging

log = logging.getLogger(__name__)

WORKSPACE = "--workspace"


def copy_place(root: Path, place: Path, layouts: Layouts, layout: str | None = None) -> Path:
    """Copy a folder, or unpack an archive, unless the same was copied before.

    Archives in it are unpacked where its files are no layout without.

    Parameters
    ----------
    root
        The workspace.
    place
        A folder, or the first part of an archive; absolute.
    layouts
        Layout name to (task, layout).
    layout
        The one it is, where that is known.

    Returns
    -------
    Path
        ``copies/<name>-<digest>`` in the workspace.

    Raises
    ------
    DataError
        If something cannot be read, an archive is damaged or holds what is refused, or no layout
        fits.
    EyecliError
        If the disk has no room for it.
    """
    tree = hash_tree(root, place)
    digest = hashlib.sha256(canonical([[path, state.sha256] for path, state in tree.items()]))
    match = NAME.fullmatch(place.name) if place.is_file() else None
    name = match["stem"] if match else place.name
    target = root / "copies" / f"{name}-{digest.hexdigest()[:12]}"
    if target.exists():
        log.info("%s: copied before", target)
        return target
    with staging(root) as scratch:
        folder = scratch / "data"
        folder.mkdir()
        if place.is_file():
            _unpack(base_of(place), list(tree), folder)
        else:
            require_room(scratch, sum(state.size for state in tree.values()), WORKSPACE)
            for path in track(list(tree), "copy"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(place / path, folder / path)
        _unpack_inner(folder, root, layouts, layout)
        # A copy that is no source would never be used.
        find_layout(folder, layouts, root, layout, copy_of=place)
        # One flush of all: thousands of single ones take minutes.
        os.sync()
        target.parent.mkdir(exist_ok=True)
        try:
            folder.rename(target)
        except OSError:
            # Another job was faster.
            if not target.is_dir():
                raise
        fsync_folder(target.parent)
    return target


def _unpack_inner(folder: Path, root: Path, layouts: Layouts, layout: str | None) -> None:
    """Replace archives by what is in them until the files are a layout."""
    for _ in range(DEEPEST):
        if fits_as_it_lies(folder, layouts, root, layout):
            return
        files = list_files(folder, root)
        for first, parts in find_archives(files).items():
            _unpack(folder, parts, folder, first, alone=len(parts) == len(files))
            for part in parts:
                (folder / part).unlink()


def _unpack(
    base: Path, parts: Sequence[str], folder: Path, inner: str = "", alone: bool = False
) -> None:
    """Unpack an archive of these parts; an `inner` one into the folder that its members lie in."""
    archive = archive_of(base, parts)
    members = list_members(archive)
    require_room(folder, sum(members.values()), WORKSPACE)
    try:
        extract(archive, folder / folder_for(inner, members, alone=alone) if inner else folder)
    finally:
        # An open file is not gone when it is deleted.
        forget_archives()
