"""A user who can be calibrated, found before the slow work on his or her data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyecli.calibration.samples import Samples
from eyecli.calibration.stage import UNKNOWN_USER, Origin
from eyecli.calibration.users import Part
from eyecli.errors import DataError
from eyecli.training.model import choose_fold, network_digest, read_facts, read_model
from eyecli.workspace.store import Artifact


@dataclass(frozen=True)
class Base:
    """The model that is calibrated, and what is read of it once.

    `dims` is the size of its embedding, None of a model that does not say.
    """

    model: Artifact
    partition: int
    network: str
    setup: Mapping[str, Any]
    dims: int | None = None


@dataclass(frozen=True)
class Candidate:
    """A user who can be calibrated.

    Attributes
    ----------
    user
        As the data say, else as the file or sub-folder is called; None where nobody says.
    place
        Where the data are, for messages.
    origin
        Where they come from; its digest is of this user's data only.
    unit, network
        Of the targets; digest of the fold's weights.
    samples, points
        How many there are, before those that slow work leaves out.
    read
        Does the slow work: returns the samples, and how many of them the model was trained on.
    """

    user: str | None
    place: Path
    origin: Origin
    unit: str
    network: str
    samples: int
    points: int
    read: Callable[[], tuple[Samples, int]]

    @property
    def name(self) -> str:
        """What to call the user."""
        return self.user or UNKNOWN_USER


def open_base(model: Artifact, fold: int) -> Base:
    """Return a model's fold as the base of calibrations; see `choose_fold` for errors."""
    partition = choose_fold(model, fold)
    return Base(
        model, partition, network_digest(model, partition), read_model(model).setup,
        read_facts(model, partition).get("embedding"),
    )  # fmt: skip


def origin_of(part: Part, digest: str, base: Base | None) -> Origin:
    """Say where samples come from."""
    label = part.table or part.place
    return Origin(str(label.absolute()), digest, base.model if base else None)


def require_unit(unit: str, base: Base, place: Path) -> None:
    """Refuse data in another unit than the model's with a `DataError`."""
    predicted = base.setup["unit"]
    if unit != predicted:
        raise DataError(
            f"{place}: unit is {unit}, {base.model.ref} predicts {predicted}",
            f"give targets and predictions in {predicted}, and say so in a column `unit`",
        )
