"""``eyecli fetch``: raw data into the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group
from eyecli.cli.fetch_drive import drive
from eyecli.cli.fetch_kaggle import kaggle
from eyecli.cli.fetch_rclone import rclone
from eyecli.cli.fetch_sample import sample
from eyecli.cli.fetch_url import url
from eyecli.cli.fetch_weights import weights
from eyecli.cli.folders import Layout, Licence, Name, fetch_folder

app = group("Bring raw data into the workspace.")


@command(app, "path")
def path(
    shell: Shell,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|ARCHIVE",
            help="Folder with the data, or a zip (or its first part, .zip.001) or tar of it.",
        ),
    ],
    layout: Layout = None,
    name: Name = None,
    licence: Licence = "not stated",
    copy: Annotated[
        bool,
        typer.Option("--copy", help="Copy it, or unpack it, into copies/ in the workspace first."),
    ] = False,
) -> Result:
    """A local folder or archive, by reference: its files are hashed, not copied.

    Zip and tar are read where they lie; compressed tars and face videos need --copy.
    """
    return fetch_folder(shell, folder, layout, name, licence, copy=copy)


for _name, _function in (
    ("url", url),
    ("kaggle", kaggle),
    ("drive", drive),
    ("rclone", rclone),
    ("weights", weights),
    ("sample", sample),
):
    command(app, _name)(_function)
