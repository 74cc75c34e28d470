"""Which layout a folder or an archive is of, told by file names and the first bytes of files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eyecli.errors import DataError, UsageError, suggest
from eyecli.sources.archive import kind_of
from eyecli.sources.contents import (
    Entries,
    copy_it,
    list_files,
    open_archives,
    open_entry,
    refuse_closed,
)
from eyecli.sources.tree import base_of

# How deep in archives it is looked for data.
DEEPEST = 3


@dataclass(frozen=True)
class Listing:
    """File names, and a way to look into the files.

    Attributes
    ----------
    names
        Relative paths, sorted.
    start
        Returns that many of the first bytes of a file.
    """

    names: Sequence[str]
    start: Callable[[str, int], bytes]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)


# Says whether files are of a layout.
Recogniser = Callable[[Listing], bool]


class Recognisable(Protocol):
    """What must be known of a layout to recognise it."""

    @property
    def meaning(self) -> str:
        """In a sentence."""

    @property
    def fits(self) -> Recogniser:
        """Says whether files are of it."""

    @property
    def files(self) -> str:
        """Regular expression of the paths that it uses; empty if any may matter."""

    @property
    def general(self) -> bool:
        """Whether it is recognised only where no other is."""

    @property
    def by_path(self) -> bool:
        """Whether its files are opened on disk."""


Layouts = Mapping[str, tuple[str, Recognisable]]


@dataclass(frozen=True)
class Found:
    """What a place was recognised as.

    Attributes
    ----------
    task, layout
        Their names.
    depth
        How often archives were opened to get there.
    names
        Files.
    unused
        Those that are no part of the layout.
    """

    task: str
    layout: str
    depth: int
    names: Sequence[str]
    unused: Sequence[str]


def recognise(listing: Listing, layouts: Layouts, place: Path) -> str:
    """Return the name of the layout that files are of.

    Raises
    ------
    DataError
        If no layout, or more than one, fits.
    """
    fits = _fitting(listing, layouts)
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise DataError(f"{place}: could be {', '.join(fits)}", "say which with --layout")
    raise DataError(
        f"{place}: none of the known layouts ({', '.join(layouts)}); "
        f"{len(listing.names)} files, such as {listing.names[0]}",
        "see `eyecli schema`, or say which with --layout; where file names hold the fields: "
        "--layout image-table, then `eyecli preprocess TASK --filename '{subject}_...'`",
    )


def _fitting(listing: Listing, layouts: Layouts) -> list[str]:
    fits = [name for name, (_, layout) in layouts.items() if layout.fits(listing)]
    return [name for name in fits if not layouts[name][1].general] or fits


def find_layout(
    place: Path,
    layouts: Layouts,
    workspace: Path,
    layout: str | None = None,
    copy_of: Path | None = None,
) -> Found:
    """Find the layout of a folder or an archive, or take the one named.

    Archives are opened only where their files are no layout without.

    Parameters
    ----------
    place
        A folder, or the first part of an archive; absolute.
    layouts
        Layout name to (task, layout).
    workspace
        Left out where it lies in the folder.
    layout
        The one it is, where that is known.
    copy_of
        What messages name in place of a copy that is being made.

    Raises
    ------
    UsageError
        If there is no layout of that name, or archives cannot be read where they lie.
    DataError
        If no layout, or more than one, fits; no file is of the one named; or the files cannot be
        read.
    """
    if layout and layout not in layouts:
        raise UsageError(f"unknown layout '{layout}'", suggest(layout, layouts))
    sought = {layout: layouts[layout]} if layout else layouts
    entries = list_files(place, workspace)
    listings = [_listing(place, entries)]
    shown = copy_of or place
    closed: list[str] = []
    while not _fitting(listings[-1], sought):
        opened, closed = open_archives(place, entries)
        if opened.keys() == entries.keys() or len(listings) > DEEPEST:
            if layout is None or all(kind_of(name) for name in listings[-1]):
                refuse_closed(shown, closed)
            break
        entries = opened
        listings.append(_listing(place, entries))
    depth = len(listings) - 1
    if layout is None:
        layout = recognise(listings[depth], layouts, shown)
    elif not _fitting(listings[depth], sought):
        # Who names it knows better: archives are opened where there is nothing else.
        loose = (n for n, one in enumerate(listings) if not all(kind_of(name) for name in one))
        depth = next(loose, depth)
    names = listings[depth].names
    task, entry = layouts[layout]
    if depth and entry.by_path:
        raise DataError(
            f"{place}: the files of layout {layout} are opened on disk, not in an archive",
            copy_it(place),
        )
    own = re.compile(entry.files or ".*", re.I | re.S)
    if not any(own.fullmatch(name) for name in names):
        refuse_closed(shown, closed)
        raise DataError(
            f"{shown}: no file of layout {layout}; {len(names)} files, such as {names[0]}",
            f"{layout} is {entry.meaning}; see `eyecli schema`, or leave out --layout",
        )
    # What generators of data leave is known to everybody.
    used = re.compile(f"{entry.files or '.*'}|provenance\\.json", re.I | re.S)
    return Found(task, layout, depth, names, [n for n in names if not used.fullmatch(n)])


def fits_as_it_lies(
    place: Path, layouts: Layouts, workspace: Path, layout: str | None = None
) -> bool:
    """Say whether the files of a folder are a layout, or the one named, with archives closed."""
    sought = {layout: layouts[layout]} if layout else layouts
    return bool(_fitting(_listing(place, list_files(place, workspace)), sought))


def _listing(place: Path, entries: Entries) -> Listing:
    base = base_of(place)

    def start(name: str, size: int) -> bytes:
        with open_entry(base, entries[name]) as stream:
            return stream.read(size)

    return Listing(list(entries), start)
