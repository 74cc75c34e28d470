"""Remotes that are folders of this machine, under whatever name: a copy must not land in itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from eyecli.errors import UsageError
from eyecli.sources.rclone_run import Binary, rclone
from eyecli.sources.remotes import Remote, child, parameters, parse_remote
from eyecli.workspace.manifest import DAMAGED

# An alias can name an alias; nobody has longer chains, but circles can be configured.
DEPTH = 8


def refuse_inside(binary: Binary, remote: Remote, *folders: Path) -> None:
    """Refuse a remote that is a folder of this machine with one of these folders in it.

    Raises
    ------
    UsageError
        Naming the folder.
    """
    place = local_folder(binary, remote)
    for folder in folders if place else ():
        if place and folder.resolve().is_relative_to(place.resolve()):
            raise UsageError(
                f"{folder} is inside {remote.shown}",
                "`eyecli fetch path` takes a local folder as it is; "
                "or name another --folder and --workspace",
            )


def local_folder(binary: Binary, remote: Remote, depth: int = DEPTH) -> Path | None:
    """Return which folder of this machine a remote is, None where it is none.

    Remotes that lie over another one (alias, hasher, chunker...) have that one in ``remote``.
    """
    if remote.name is None:
        return Path(remote.path)
    options = {**_configured(binary, remote.name), **parameters(remote.text)}
    if options.get("type") == "local":
        return Path(remote.path)
    below = options.get("remote")
    if not below or not depth:
        return None
    return local_folder(binary, child(parse_remote(below), remote.path), depth - 1)


def _configured(binary: Binary, name: str) -> dict[str, str]:
    """Return what rclone knows of a remote from its configuration and the environment."""
    if name.startswith(":"):
        return {"type": name[1:]}
    prefix = f"RCLONE_CONFIG_{name.upper()}_"
    given = {key.removeprefix(prefix).lower(): value for key, value in os.environ.items()
             if key.startswith(prefix)}  # fmt: skip
    done = rclone(binary, ["config", "dump"], [], parse_remote(f"{name}:"))
    try:
        found: Any = msgspec.json.decode(done.out, type=dict[str, dict[str, Any]])
    except DAMAGED:
        # Why its configuration cannot be read is said when the remote is listed.
        found = {}
    return {**found.get(name, {}), **given}
