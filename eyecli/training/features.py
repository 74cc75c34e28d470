"""What a network that is not trained makes of all samples, computed once for all folds."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eyecli.data.arrays import read_npy
from eyecli.data.loader import Row
from eyecli.data.prepared import Prepared
from eyecli.progress import track_piles
from eyecli.workspace.lease import lease
from eyecli.workspace.manifest import canonical
from eyecli.workspace.store import write_pieces

if TYPE_CHECKING:
    from eyecli.training.fit import Learner

log = logging.getLogger(__name__)

PILE = 32
# Samples from which on a graph is worth its making.
MANY = 100
# Bytes of a digest at the end of a file.
SEAL = 32


def kept_outputs(
    cache: Path, learner: Learner, prepared: Prepared, rows: np.ndarray, view: int = 0
) -> dict[str, np.ndarray]:
    """Return the embedding of rows, computed for all samples the first time.

    The network knows nothing of the samples, so that those of a test part give nothing away.

    Parameters
    ----------
    cache
        The folder that it is kept in, named by a digest of network and samples. A file that is not
        what was written is computed again, with a warning.
    learner, prepared
        The network, and the samples.
    rows
        Which are wanted.
    view
        0 for samples as they are, or the mean over the symmetries that the learner is tested on;
        any other number draws a change of each sample of its own.
    """
    import keras

    trunk = keras.Model(learner.model.input, {"embedding": learner.model.output["embedding"]})
    path = cache / f"{_digest(trunk, learner, prepared, view)}-{view}.npy"
    if not _is_whole(path):
        cache.mkdir(parents=True, exist_ok=True)
        with lease(cache, "features", wait=True):
            if not _is_whole(path):
                if path.is_file():
                    log.warning("%s: was changed or cut off, it is computed again", path)
                _write(path, trunk, learner, prepared, view)
    return {"embedding": read_npy(path)[rows]}


def outputs_by_kept(
    cache: Path, learner: Learner, prepared: Prepared, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """Return all outputs of a network that ends in the embedding and one layer behind it.

    Parameters
    ----------
    cache, learner, prepared, rows
        As for `kept_outputs`.
    """
    import keras

    outputs = dict(learner.model.output)
    embedding = outputs.pop("embedding")
    kept = kept_outputs(cache, learner, prepared, rows)
    values = np.reshape(kept["embedding"], (len(rows), *embedding.shape[1:]))
    found = keras.Model(embedding, outputs)(values, training=False)
    return kept | {name: keras.ops.convert_to_numpy(made) for name, made in found.items()}


def _symmetries(learner: Learner, view: int) -> int:
    return 1 if view else learner.test_views


def _digest(trunk: object, learner: Learner, prepared: Prepared, view: int) -> str:
    weights = hashlib.sha256()
    for layer in trunk.layers:  # type: ignore[attr-defined]
        weights.update(layer.name.encode())
        for values in layer.get_weights():
            weights.update(np.ascontiguousarray(values).tobytes())
    names: list[object] = [
        prepared.artifact.manifest.digest, learner.names, weights.hexdigest(),
        _symmetries(learner, view),
    ]  # fmt: skip
    # The first sample stands for the code that shows samples, which may change.
    first = {name: prepared.arrays.take(name, np.zeros(1, int)) for name in learner.names}
    shown = _viewed(learner, np.zeros(1, int), view)(first)
    names += [hashlib.sha256(values.tobytes()).hexdigest() for values in shown.values()]
    return hashlib.sha256(canonical(names)).hexdigest()[:32]


def _write(path: Path, trunk: object, learner: Learner, prepared: Prepared, view: int) -> None:
    from eyecli.training.fit import predict

    which = f", view {view}" if view else ""
    log.info("features of %d samples%s: once for all folds", len(prepared.index), which)
    number, found = len(prepared.index), []
    for places in track_piles(number, PILE, "features"):
        rows = np.asarray(places)
        made = predict(
            trunk, prepared.arrays, learner.names, rows, _viewed(learner, rows, view),
            views=_symmetries(learner, view), graph=number >= MANY,
        )  # fmt: skip
        found.append(made["embedding"].reshape(len(rows), -1))
    features = np.concatenate(found)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(features))
    pieces = [header.getvalue(), features.data.cast("B")]
    # Whatever follows the values of a .npy is not read as such.
    write_pieces(path, [*pieces, _seal(path.name, pieces)])


def _is_whole(path: Path) -> bool:
    try:
        stored = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError):
        return False
    return _seal(path.name, [stored[:-SEAL].data]) == stored[-SEAL:].tobytes()


def _seal(name: str, pieces: Iterable[bytes | memoryview]) -> bytes:
    """Return the sha256 of a file's name and content: of another name it is another file."""
    digest = hashlib.sha256(name.encode())
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _viewed(learner: Learner, rows: np.ndarray, view: int) -> Callable[[Row], Row]:
    """Return what scales the next batches of `rows`, in their order, as a view shows them."""
    if not view:
        return learner.scale
    assert learner.view
    show, left = learner.view, iter(rows)

    def scale(stored: Row) -> Row:
        samples = [
            show(
                {name: values[i] for name, values in stored.items()},
                np.random.default_rng([view, int(next(left))]),
            )
            for i in range(len(next(iter(stored.values()))))
        ]
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

    return scale
