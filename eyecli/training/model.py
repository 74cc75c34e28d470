"""Model artifacts: architecture and weights of every fold, and what inference must know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from eyecli.errors import DataError, UsageError
from eyecli.workspace.manifest import read_json, sha256_file
from eyecli.workspace.space import require_space
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import keras

MODEL = "model.json"
ARCHITECTURE = "architecture.json"
WEIGHTS = "model.weights.h5"
FACTS = "facts.json"


class ModelFile(msgspec.Struct, frozen=True):
    """What all folds of a model share.

    Attributes
    ----------
    setup
        What `preprocess` noted: sizes, units, screen.
    partitions
        The partitions of the split that were trained, a fold folder each.
    """

    setup: dict[str, Any]
    partitions: list[int]


def fold_folder(folder: Path, partition: int) -> Path:
    """Folder of one fold."""
    return folder / f"fold-{partition:03d}"


def read_model(artifact: Artifact) -> ModelFile:
    """Read what all folds share.

    Raises
    ------
    DataError
        If it is damaged.
    """
    return read_json(artifact.path / MODEL, ModelFile, "model")


def choose_fold(artifact: Artifact, fold: int, hint: str = "name one with --fold") -> int:
    """Return the partition to use; -1 means the only one.

    The hint says what to do if there are several.

    Raises
    ------
    UsageError
        If the model has no such fold, or several and none was named.
    """
    partitions = read_model(artifact).partitions
    if fold == -1 and len(partitions) == 1:
        return partitions[0]
    if fold in partitions:
        return fold
    raise UsageError(
        f"{artifact.ref} has {len(partitions)} folds: {partitions[0]} to {partitions[-1]}",
        hint,
    )


def network_digest(model: Artifact, partition: int) -> str:
    """Digest of one fold's weights: what embeddings and heads are tied to."""
    path = fold_folder(Path(), partition) / WEIGHTS
    return model.manifest.files[path.as_posix()].sha256


def save_fold(folder: Path, model: keras.Model, facts: dict[str, Any]) -> None:
    """Write architecture, weights and facts; equal models give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    architecture = json.loads(model.to_json())
    # How it was trained; a loss of ours could not be read back.
    architecture.pop("compile_config", None)
    (folder / ARCHITECTURE).write_text(json.dumps(architecture, indent=1) + "\n")
    # HDF5 prints a page of its own where the disk is full.
    require_space(folder, 8 * model.count_params() + 2**20)
    model.save_weights(folder / WEIGHTS)
    (folder / FACTS).write_bytes(msgspec.json.encode(facts, order="deterministic") + b"\n")


def read_facts(artifact: Artifact, partition: int) -> dict[str, Any]:
    """Read what a task noted about a fold: scaling of the target, penalty of the head.

    Raises
    ------
    DataError
        If it is damaged.
    """
    return read_json(fold_folder(artifact.path, partition) / FACTS, dict[str, Any], "model")


def load_fold(artifact: Artifact, partition: int) -> keras.Model:
    """Load the network of one fold.

    Raises
    ------
    DataError
        If its files are damaged.
    """
    from eyecli.training.backend import load_keras

    keras = load_keras()
    folder = fold_folder(artifact.path, partition)
    try:
        # Keras leaves a layer that it does not find in the file as it was drawn, with a warning.
        for name in (ARCHITECTURE, WEIGHTS):
            key = (fold_folder(Path(), partition) / name).as_posix()
            if sha256_file(folder / name) != artifact.manifest.files[key].sha256:
                raise ValueError(f"{name} is not what was published")
        model = keras.models.model_from_json((folder / ARCHITECTURE).read_text())
        model.load_weights(folder / WEIGHTS)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{folder}: damaged model: {error}", "eyecli workspace verify") from error
    return model
