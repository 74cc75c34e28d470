"""Arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Reference = Annotated[
    str | None,
    typer.Argument(help="Reference (kind/task@vN, @alias), digest or path; the latest by default."),
]
Fold = Annotated[int, typer.Option(help="Fold of a cross-validated model.")]
