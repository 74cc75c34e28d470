"""``eyecli fetch kaggle``: a competition or dataset of Kaggle, through its own client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell
from eyecli.cli.folders import (
    A_DAY,
    Folder,
    Layout,
    Licence,
    Name,
    a_number,
    check_labels,
    download_folder,
    fetch_folder,
    words_again,
)

if TYPE_CHECKING:
    from eyecli.sources.kaggle import Asked, Listing, Piece

NOT_GIVEN = "as Kaggle states"


def kaggle(
    shell: Shell,
    kind: Annotated[str, typer.Argument(help="competition or dataset.")],
    slug: Annotated[
        str, typer.Argument(help="NAME of a competition, OWNER/NAME[/VERSION] of a dataset.")
    ],
    file: Annotated[
        list[str] | None, typer.Option(help="Only this file; may be given again.")
    ] = None,
    folder: Folder = None,
    layout: Layout = None,
    name: Name = None,
    licence: Licence = NOT_GIVEN,
    timeout: Annotated[
        float,
        typer.Option(
            min=1,
            max=A_DAY,
            callback=a_number,
            help="Seconds without a byte after which to give up.",
        ),
    ] = 120.0,
    retries: Annotated[int, typer.Option(min=0, help="How often to retry what fails.")] = 5,
) -> Result:
    """A competition or dataset of Kaggle; a download that was cut goes on."""
    from eyecli.sources.kaggle import (
        KNOWN,
        Limits,
        check_folder_for,
        download_kaggle,
        list_kaggle,
        parse_slug,
        plan,
        terms,
    )
    from eyecli.sources.source import Origin
    from eyecli.training.interrupt import interruptible

    asked = parse_slug(kind, slug)
    preset = KNOWN.get(asked.slug)
    layout_used = layout or (preset.layout if preset else None)
    # Before hours of downloading, not after.
    check_labels(layout_used, name)
    limits = Limits(timeout, retries)
    chosen = file or []
    with interruptible():
        listing = list_kaggle(asked, limits)
        pieces = plan(asked, listing, chosen)
        version = f"v{listing.version}" if listing.version else ""
        target = download_folder(shell, folder, str(Path("kaggle", kind, asked.slug, version)))
        check_folder_for(target, pieces, listing)
        if shell.dry_run:
            return _would_fetch(asked, listing, pieces, target, bool(chosen))
        shell.open(create=True)
        download_kaggle(asked, listing, pieces, target, limits)
    stated = terms(asked, listing) if licence == NOT_GIVEN else licence
    facts = {"kind": kind, "slug": asked.slug, "url": asked.page, "title": listing.title,
             "version": listing.version, "bytes": listing.size}  # fmt: skip
    words = ["eyecli", "fetch", "kaggle", *asked.words(listing.version)]
    words += [word for one in chosen for word in ("--file", one)]
    again = words_again(words, folder, layout, name, licence if licence != NOT_GIVEN else None)
    return fetch_folder(
        shell,
        target,
        layout_used,
        name,
        stated,
        origin=Origin("fetch kaggle", facts, again),
    )


def _would_fetch(
    asked: Asked, listing: Listing, pieces: list[Piece], target: Path, chosen: bool
) -> Result:
    """Say what would be downloaded: a line a file, then the sum."""
    there = {piece.target for piece in pieces if piece.found(target)}
    whole = len(pieces) == 1 and not pieces[0].name
    files = {p.name: p.size for p in pieces} if chosen else dict(listing.files)
    size = sum(files.values()) if chosen else listing.size
    count = f"{len(files)} files" if chosen or listing.complete else f"over {len(files)} files"
    amount = f"{size} bytes" if size else "of unknown size"
    archive = f" as {pieces[0].target}" if whole else ""
    lines = [f"{size} {name}" for name, size in files.items()]
    lines.append(
        f"{count}, {amount}, would be downloaded{archive} to {target}; {len(there)} are there"
    )
    document: dict[str, Any] = {
        "kind": asked.kind, "slug": asked.slug, "version": listing.version, "bytes": size,
        "files": [{"name": name, "bytes": size, "there": name in there}
                  for name, size in files.items()],
        "complete": listing.complete, "archive": pieces[0].target if whole else None,
        "folder": str(target),
    }  # fmt: skip
    return Result(lines, document)
