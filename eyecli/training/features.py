"""What a network that is not trained makes of all samples, computed once for all folds."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.progress import track
from eyecli.workspace.lease import lease
from eyecli.workspace.manifest import canonical

if TYPE_CHECKING:
    from eyecli.training.fit import Learner

log = logging.getLogger(__name__)

# In the workspace; whoever removes it pays with time only.
CACHE = "cache/features"
PILE = 32


def kept_outputs(
    cache: Path, learner: Learner, prepared: Prepared, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the embedding of rows, computed for all samples the first time.

    The network knows nothing of the samples, so that those of a test part give nothing away.

    Parameters
    ----------
    cache
        The folder that it is kept in, named by a digest of network and samples.
    learner, prepared
        The network, and the samples.
    rows
        Which are wanted.
    """
    import keras

    trunk = keras.Model(learner.model.input, {"embedding": learner.model.output["embedding"]})
    path = cache / f"{_digest(trunk, learner, prepared)}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with lease(cache, "features", wait=True):
            if not path.is_file():
                _write(path, trunk, learner, prepared)
    return {"embedding": np.load(path, mmap_mode="r", allow_pickle=False)[rows]}


def _digest(trunk: object, learner: Learner, prepared: Prepared) -> str:
    weights = hashlib.sha256()
    for layer in trunk.layers:  # type: ignore[attr-defined]
        weights.update(layer.name.encode())
        for values in layer.get_weights():
            weights.update(np.ascontiguousarray(values).tobytes())
    names = [prepared.artifact.manifest.digest, learner.names, weights.hexdigest()]
    return hashlib.sha256(canonical(names)).hexdigest()[:32]


def _write(path: Path, trunk: object, learner: Learner, prepared: Prepared) -> None:
    from eyecli.training.fit import predict

    log.info("features of %d samples: once for all folds", len(prepared.index))
    number, found = len(prepared.index), []
    for start in track(range(0, number, PILE), "features"):
        rows = np.arange(start, min(start + PILE, number))
        made = predict(trunk, prepared.arrays, learner.names, rows, learner.scale)
        found.append(made["embedding"].reshape(len(rows), -1))
    part = path.with_suffix(".part")
    with part.open("wb") as stream:
        np.save(stream, np.concatenate(found), allow_pickle=False)
    part.replace(path)
