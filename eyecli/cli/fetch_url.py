"""``eyecli fetch url``: files that somebody offers over https, such as those of Dataverse."""

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


def url(
    shell: Shell,
    urls: Annotated[
        list[str], typer.Argument(metavar="URL...", help="https addresses of files or archives.")
    ],
    sha256: Annotated[
        list[str] | None, typer.Option(help="What a file must hash to; once for every address.")
    ] = None,
    md5: Annotated[
        list[str] | None, typer.Option(help="The same, where only an MD5 is published.")
    ] = None,
    folder: Folder = None,
    layout: Layout = None,
    name: Name = None,
    licence: Licence = "not stated",
    timeout: Timeout = 30.0,
) -> Result:
    """Files over https, from Dataverse, Mendeley, Zenodo...; a download that was cut goes on."""
    from eyecli.sources.remote import shown
    from eyecli.sources.source import Origin
    from eyecli.sources.url import download_urls, label, offers, wanted

    check_labels(layout, name)
    files = wanted(urls, sha256 or [], md5 or [])
    if shell.dry_run:
        found = offers(files, timeout=timeout, say=shell.say)
        sizes = [offer.size for offer in found if offer.size is not None]
        lines = [f"{'?' if o.size is None else o.size} {o.name}" for o in found]
        unknown = ", and those of unknown size" if len(sizes) < len(found) else ""
        return Result(
            [*lines, f"{len(found)} files, {sum(sizes)} bytes{unknown}"],
            {"files": [{"name": o.name, "bytes": o.size} for o in found], "bytes": sum(sizes)},
        )
    target = download_folder(shell, folder, label(files))
    shell.open(create=True)
    facts = download_urls(files, target, timeout=timeout, say=shell.say, again=shell.force)
    words = ["eyecli", "fetch", "url", *map(shown, urls)]
    words += [word for digest in sha256 or [] for word in ("--sha256", digest)]
    words += [word for digest in md5 or [] for word in ("--md5", digest)]
    again = words_again(words, folder, layout, name, licence)
    return fetch_folder(shell, target, layout, name, licence,
                        origin=Origin("fetch url", facts, again))  # fmt: skip
