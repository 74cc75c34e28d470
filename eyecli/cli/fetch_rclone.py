"""``eyecli fetch rclone``: from whatever storage rclone reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from eyecli.cli.contract import Result, Shell
from eyecli.cli.folders import Folder, Layout, Licence, Name, download_folder, fetch_folder

if TYPE_CHECKING:
    from pathlib import Path

    from eyecli.sources.rclone import Wanted

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
    from eyecli.sources.rclone import Wanted, download, list_files, missing, total
    from eyecli.sources.rclone_run import find_rclone
    from eyecli.sources.remotes import parse_remote
    from eyecli.sources.source import Origin
    from eyecli.workspace.references import check_name

    if name:
        check_name(name, "--name")
    wanted = Wanted(
        parse_remote(remote), include or (), exclude or (), bandwidth, transfers, checksum
    )
    target = download_folder(shell, folder, wanted.label())
    binary = find_rclone()
    if shell.dry_run:
        listing = list_files(binary, wanted)
        left = missing(listing, target)
        line = (
            f"{len(listing)} files, {total(listing)} bytes; "
            f"{len(left)} files, {total(left)} bytes of them are not in {target} yet"
        )
        document = {"files": len(listing), "bytes": total(listing), "folder": str(target),
                    "missing_files": len(left), "missing_bytes": total(left)}  # fmt: skip
        return Result([line], document)
    shell.open(create=True)
    facts = download(binary, wanted, target.absolute(), check=check)
    again = tuple(again_words(wanted, folder, layout, name, licence))
    origin = Origin("fetch rclone", facts, again)
    return fetch_folder(shell, target, layout, name, licence, origin=origin)


def again_words(
    wanted: Wanted, folder: Path | None, layout: str | None, name: str | None, licence: str
) -> list[str]:
    """Return the words that fetch it again, without credentials."""
    options = {"--folder": folder, "--layout": layout, "--name": name}
    words = ["eyecli", "fetch", "rclone"]
    words += [f"--include={pattern}" for pattern in wanted.include]
    words += [f"--exclude={pattern}" for pattern in wanted.exclude]
    words += [f"{flag}={value}" for flag, value in options.items() if value]
    words += [f"--licence={licence}"] if licence != "not stated" else []
    return [*words, *(["--"] if wanted.remote.shown.startswith("-") else []), wanted.remote.shown]
