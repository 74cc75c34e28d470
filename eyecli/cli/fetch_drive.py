"""``eyecli fetch drive``: public files and folders of Google Drive."""

from __future__ import annotations

from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell
from eyecli.cli.folders import (
    Folder,
    Layout,
    Licence,
    Name,
    Timeout,
    check_labels,
    download_folder,
    fetch_folder,
    words_again,
)

# Lines on names and what is left out.
SHOWN = 20


def drive(
    shell: Shell,
    link: Annotated[
        str, typer.Argument(metavar="URL|ID", help="Link or id of a public file or folder.")
    ],
    folder: Folder = None,
    layout: Layout = None,
    name: Name = None,
    licence: Licence = "not stated",
    timeout: Timeout = 30.0,
) -> Result:
    """A public file or folder of Google Drive; a download that was cut goes on."""
    from eyecli.sources.drive import parse_drive

    place = parse_drive(link)
    check_labels(layout, name)
    from eyecli.sources.drive_files import download_drive
    from eyecli.sources.drive_list import list_drive
    from eyecli.sources.source import Origin

    listing = list_drive(place, timeout=timeout, say=shell.say)
    for line in listing.remarks[:SHOWN]:
        shell.say(line)
    if listing.remarks[SHOWN:]:
        shell.say(f"and {len(listing.remarks) - SHOWN} more of these; --dry-run --json has all")
    if shell.dry_run:
        files = [entry.path for entry in listing.files]
        return Result(
            [*files, f"{len(files)} files; Drive does not list their bytes"],
            {"name": listing.name, "files": files, "remarks": listing.remarks, "bytes": None},
        )
    target = download_folder(shell, folder, f"drive-{place.id}")
    shell.open(create=True)
    facts = download_drive(listing, target, timeout=timeout, say=shell.say, again=shell.force)
    again = words_again(
        ("eyecli", "fetch", "drive", listing.place.url), folder, layout, name, licence
    )
    return fetch_folder(shell, target, layout, name, licence,
                        origin=Origin("fetch drive", facts, again))  # fmt: skip
