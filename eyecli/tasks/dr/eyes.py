"""Whose eye a new photograph shows, and the other eye of the same patient beside it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import numpy as np

from eyecli.data.classes import LATERALITY
from eyecli.data.inputs import Given
from eyecli.tasks.dr.fusion import paired

log = logging.getLogger(__name__)

# As Kaggle's: 10_left.jpeg and 10_right.jpeg, in one folder.
NAME = re.compile(r"(?P<subject>.+)_(?P<laterality>left|right)\.\w+", re.I | re.S)


def whose(file: Given) -> tuple[str, str]:
    """Return patient and side (OD, OS), of the table or else of the name; empty where unknown."""
    name = NAME.fullmatch(file.file)
    told = name.groupdict() if name else {}
    subject, side = (
        file.carried.get(key) or told.get(key, "") for key in ("subject", "laterality")
    )
    return subject, LATERALITY.get(side.lower(), "")


def patient(file: Given) -> str:
    """Return whose eye it is, see `whose`."""
    return whose(file)[0]


def pairs(files: Sequence[Given]) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) patients and (n,) sides of photographs, as of `fusion.other_eye`.

    A patient who comes again after another one counts as a new one, wherever batches begin.
    """
    patients = np.array([patient(file) for file in files], str)
    turn = np.cumsum(np.append(True, patients[1:] != patients[:-1]))
    sides = np.array([whose(file)[1] for file in files], str)
    return np.where(patients == "", "", turn.astype(str)), sides


def tell_unpaired(files: Sequence[Given], what: str) -> None:
    """Say of how many photographs a model that fuses both eyes will see one only."""
    alone = int((~paired(*pairs(files))).sum())
    if alone:
        log.warning(
            "the other eye of %d of %d %s is not known, and they are predicted alone: name subject "
            "and laterality in a table, or files 10_left and 10_right, those of a patient in a row",
            alone, len(files), what,
        )  # fmt: skip
