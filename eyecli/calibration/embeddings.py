"""Users whose embeddings the application has made."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.calibration.candidate import Base, Candidate, origin_of, require_unit
from eyecli.calibration.samples import Samples, read_samples, require_model
from eyecli.calibration.users import Part
from eyecli.errors import DataError
from eyecli.workspace.manifest import sha256_file


def from_embeddings(part: Part, base: Base | None) -> list[Candidate]:
    """Read the users in a part's embeddings files.

    Raises
    ------
    DataError
        If a file cannot be read, or is not of this model and its unit.
    """
    files: dict[str | None, list[tuple[Path, Samples]]] = {}
    for path in part.files:
        for samples in read_samples(path):
            _require_fit(samples, base, path)
            user = samples.user or part.name
            files.setdefault(user, []).append((path, replace(samples, user=user)))
    digest_of = functools.cache(sha256_file)
    return [
        Candidate(
            user, part.place, origin_of(part, _joint([digest_of(path) for path, _ in own]), base),
            samples.unit, samples.model, len(samples), len(set(samples.point)),
            functools.partial(_known, samples),
        )
        for user, own in files.items()
        for samples in [_join([samples for _, samples in own], part.place)]
    ]  # fmt: skip


def _known(samples: Samples) -> tuple[Samples, int]:
    # Who made the embeddings is not here to say which files they are of.
    return samples, 0


def _joint(digests: list[str]) -> str:
    """Digest of several files; of one, its own."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _require_fit(samples: Samples, base: Base | None, path: Path) -> None:
    """Refuse embeddings of another model, or in another unit than it predicts."""
    if base is None:
        if not samples.model:
            raise DataError(
                f"{path} does not say which model made the embeddings, and none is in the "
                "workspace",
                "add a column `model` with its digest, or name it with --model",
            )
        return
    require_model(samples, base.network, str(path))
    require_unit(samples.unit, base, path)
    size = samples.embedding.shape[1]
    if base.dims and size != base.dims:
        raise DataError(
            f"{path}: an embedding of {size} values, that of {base.model.ref} has {base.dims}",
            f"give all columns embedding_0 to embedding_{base.dims - 1}, and no others",
        )


def _join(several: list[Samples], place: Path) -> Samples:
    """Join the samples of a user's files; a point of the same id is the same point."""
    first = several[0]
    if len(several) == 1:
        return first
    if len({(s.embedding.shape[1], s.unit, s.model) for s in several}) > 1:
        raise DataError(
            f"{place}: its files differ in the model, the unit or the size of the embedding",
            "one user, one model",
        )

    def joined(name: str) -> Any:
        return np.concatenate([getattr(s, name) for s in several])

    quality = [np.ones(len(s)) if s.quality is None else s.quality for s in several]
    try:
        return replace(
            first, embedding=joined("embedding"), base=joined("base"), target=joined("target"),
            point=joined("point"), quality=np.concatenate(quality), time=None,
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"{place}: its files together: {error.message}", error.hint) from error
