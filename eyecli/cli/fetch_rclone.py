"""``eyecli fetch rclone``: from whatever storage rclone reads."""

from __future__ import annotations

from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell
from eyecli.cli.folders import (
    Folder,
    Layout,
    Licence,
    Name,
    check_labels,
    download_folder,
    fetch_folder,
    words_again,
)

Bandwidth = Annotated[
    str | None, typer.Option(help="Limit, as rclone writes it: 10M is 10 MiB a second.")
]
Transfers = Annotated[int | None, typer.Option(min=1, help="Files at a time; 4 by default.")]


def rclone(
    shell: Shell,
    remote: Annotated[
        str, typer.Argument(metavar="REMOTE:PATH", help="Folder or file, as rclone names it.")
    ],
    folder: Folder = None,
    include: Annotated[
        list[str] | None,
        typer.Option(help="Only files of this pattern, such as '*.jpg'; more than one may be."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="No files of this pattern, even if included; more than one may be."),
    ] = None,
    bandwidth: Bandwidth = None,
    transfers: Transfers = None,
    checksum: Annotated[
        bool,
        typer.Option("--checksum", help="Files that are there: compare contents, not times."),
    ] = False,
    check: Annotated[
        bool, typer.Option(help="Afterwards compare all files with the remote's checksums.")
    ] = True,
    layout: Layout = None,
    name: Name = None,
    licence: Licence = "not stated",
) -> Result:
    """A remote of rclone: S3, SFTP, WebDAV, OneDrive, private Drives and dozens more."""
    from eyecli.sources.rclone import Wanted, download, hidden, list_files, missing, total
    from eyecli.sources.rclone_local import refuse_inside
    from eyecli.sources.rclone_run import find_rclone
    from eyecli.sources.remotes import parse_remote
    from eyecli.sources.source import Origin

    check_labels(layout, name)
    wanted = Wanted(
        parse_remote(remote), include or (), exclude or (), bandwidth, transfers, checksum
    )
    target = download_folder(shell, folder, wanted.label())
    binary = find_rclone()
    refuse_inside(binary, wanted.remote, target, shell.workspace)
    if shell.dry_run:
        listing = list_files(binary, wanted)
        left = missing(listing, target)
        line = (
            f"{len(listing)} files, {total(listing)} bytes; "
            f"{len(left)} files, {total(left)} bytes of them are not in {target} yet"
        )
        aside = f"{hidden(listing)} of the files are hidden, and left out of the source"
        document = {"files": len(listing), "bytes": total(listing), "folder": str(target),
                    "missing_files": len(left), "missing_bytes": total(left)}  # fmt: skip
        return Result([line, *([aside] if hidden(listing) else [])], document)
    shell.open(create=True)
    facts = download(binary, wanted, target.absolute(), check=check)
    filters = [f"--include={pattern}" for pattern in wanted.include]
    filters += [f"--exclude={pattern}" for pattern in wanted.exclude]
    again = words_again(["eyecli", "fetch", "rclone", *filters], folder, layout, name, licence)
    # Without credentials; last, since its name may begin like a flag's.
    origin = Origin("fetch rclone", facts, (*again, "--", wanted.remote.shown))
    return fetch_folder(shell, target, layout, name, licence, origin=origin)
