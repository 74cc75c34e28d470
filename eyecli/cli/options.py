"""Arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Reference = Annotated[
    str | None,
    typer.Argument(help="Reference (kind/task@vN, @alias), digest or path; the latest by default."),
]
OtherData = Annotated[
    str | None,
    typer.Option(help="Judge by all rows of these other prepared data: external validation."),
]
OtherPeople = Annotated[
    str, typer.Option(help="With --on: the REASON why equal subject ids are not the same people.")
]
Fold = Annotated[int, typer.Option(help="Fold of a cross-validated model.")]
