"""``eyecli fetch``: raw data into the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group
from eyecli.cli.fetch_drive import drive
from eyecli.cli.fetch_kaggle import kaggle
from eyecli.cli.fetch_sample import sample
from eyecli.cli.fetch_url import url
from eyecli.cli.fetch_weights import weights
from eyecli.cli.folders import Layout, Licence, Name, fetch_folder

app = group("Bring raw data into the workspace.")


@command(app, "path")
def path(
    shell: Shell,
    folder: Annotated[Path, typer.Argument(help="Folder with the data; hashed, not copied.")],
    layout: Layout = None,
    name: Name = None,
    licence: Licence = "not stated",
) -> Result:
    """A local folder, by reference: its files are hashed, not copied."""
    return fetch_folder(shell, folder, layout, name, licence, synthetic=False)


for _name, _function in (
    ("url", url),
    ("kaggle", kaggle),
    ("drive", drive),
    ("weights", weights),
    ("sample", sample),
):
    command(app, _name)(_function)
