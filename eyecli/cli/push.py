"""``eyecli push``: artifacts to remote storage."""

from __future__ import annotations

from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group
from eyecli.cli.fetch_rclone import Bandwidth, Transfers
from eyecli.workspace.references import resolve

app = group("Copy artifacts to remote storage.")


@command(app, "rclone", makes=False, changes=True)
def rclone(
    shell: Shell,
    reference: Annotated[
        str, typer.Argument(metavar="ARTIFACT", help="Reference, digest prefix or path.")
    ],
    remote: Annotated[
        str, typer.Argument(metavar="REMOTE:PATH", help="Folder, as rclone names it.")
    ],
    bandwidth: Bandwidth = None,
    transfers: Transfers = None,
) -> Result:
    """An artifact to REMOTE:PATH/<kind>/<task>/[name]/vNNNN, compared there; prints the place.

    Nothing is overwritten or deleted there. SHA256SUMS goes last: without it the copy is not whole.
    """
    from eyecli.sources.push import plan_push, push
    from eyecli.sources.rclone_run import find_rclone
    from eyecli.sources.remotes import parse_remote

    artifact = resolve(shell.open(), reference)
    shell.say_input(reference, artifact.ref)
    binary = find_rclone()
    planned = plan_push(binary, artifact, parse_remote(remote))
    if artifact.manifest.kind == "source":
        shell.say(f"{artifact.ref}: the list of its files, not the files themselves")
    place = planned.place.shown
    document = {
        "ref": artifact.ref,
        "digest": artifact.manifest.digest,
        "place": place,
        "files": planned.files,
        "bytes": planned.bytes,
        "already_there": planned.there,
    }
    if shell.dry_run:
        return Result([place], document)
    verified = push(binary, planned, bandwidth=bandwidth, transfers=transfers)
    shell.say(f"{planned.files} files, {planned.bytes} bytes, compared by {verified}")
    return Result([place], document | {"verified": verified})
