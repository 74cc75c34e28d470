"""What training needs of the gaze task: network, targets, augmentation, the ridge head."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.evaluation.ridge import fit_ridge
from eyecli.imaging.affine import OFFSET, SCALE, jitter
from eyecli.tasks.gaze.about import ABOUT
from eyecli.tasks.gaze.augmentation import JITTER
from eyecli.tasks.gaze.fields import TARGETS
from eyecli.tasks.gaze.model import EMBEDDING, build, warm_start
from eyecli.tasks.gaze.settings import GazeTrain, chosen_inputs
from eyecli.training.fit import Learner

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ABOUT", "MAY_DIFFER", "augment", "finish", "learner", "names", "scale", "tabulate"]

# What the data of an external validation need not share with those of the training.
MAY_DIFFER: tuple[str, ...] = ("inputs", "distance_cm", "settle_ms", "clock_offset_ms")
STORED = {"eyes": ("left", "right"), "face": ("face",), "boxes": ("boxes",)}

Row = dict[str, np.ndarray]


def learner(prepared: Prepared, train: np.ndarray, settings: GazeTrain) -> Learner:
    """Build the network and standardise the targets by the train rows."""
    setup = prepared.setup
    inputs = chosen_inputs(settings.inputs, setup["inputs"])
    targets = _targets(prepared)
    mean, std = _scaling(targets[train])
    scaled = ((targets - mean) / std).astype(np.float32)
    model = build(inputs, setup["eye_size"], setup["face_size"], settings.backbone)
    return Learner(
        model=model,
        names=[name for group in inputs for name in STORED[group]],
        targets={"gaze": scaled[:, None, None, :]},
        losses={"gaze": "mse"},
        scale=partial(scale, facts={}),
        augment=augment,
        facts={"mean": mean.tolist(), "std": std.tolist(), "embedding": EMBEDDING},
        start=lambda path: warm_start(model, settings.backbone, path, settings.trainable),
    )


def _targets(prepared: Prepared) -> np.ndarray:
    return prepared.index[list(TARGETS)].to_numpy(np.float64)


def _scaling(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    std = targets.std(axis=0)
    return targets.mean(axis=0), np.where(std > 0, std, 1.0)


def scale(arrays: Row, facts: dict[str, Any]) -> Row:
    """Scale stored pixels (n, size, size, 3) to -1..1; boxes pass as they are.

    Export folds this into the first layer. It is the same for all folds.
    """
    return {
        name: (
            values
            if name == "boxes"
            else values.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)
        )
        for name, values in arrays.items()
    }


def augment(sample: Row, rng: np.random.Generator) -> Row:
    """Scale every crop, and change it on its own as errors of the cropper do; the target stays."""
    return {
        name: values if name == "boxes" else jitter(values, JITTER, rng)
        for name, values in sample.items()
    }


def finish(
    learner: Learner,
    prepared: Prepared,
    rows: np.ndarray,
    groups: np.ndarray,
    run: Callable[[np.ndarray], Row],
    settings: GazeTrain,
) -> dict[str, Any]:
    """Replace the last layer by ridge regression on the embedding, if asked; note the scaling.

    The penalty is chosen by cross-validation over the groups of train and validation rows.
    """
    facts = learner.facts | {"head": settings.head, "names": learner.names}
    if settings.head == "ridge":
        embedding = run(rows)["embedding"].reshape(len(rows), -1)
        fitted = fit_ridge(embedding, learner.targets["gaze"][rows, 0, 0], groups)
        kernel = fitted.weight[None, None].astype(np.float32)
        learner.model.get_layer("gaze").set_weights([kernel, fitted.bias.astype(np.float32)])
        facts["alpha"] = fitted.alpha
    return facts


def names(facts: dict[str, Any]) -> list[str]:
    """Return the stored arrays that a fold reads."""
    return list(facts["names"])


def tabulate(
    outputs: Row, facts: dict[str, Any], table: pd.DataFrame | None = None
) -> tuple[Row, Row]:
    """Turn outputs into ``pred_x``, ``pred_y`` in the target's unit, and the embedding.

    Every sample stands alone: the table is not used.
    """
    gaze = outputs["gaze"].reshape(-1, 2).astype(np.float64)
    gaze = gaze * np.array(facts["std"]) + np.array(facts["mean"])
    embedding = outputs["embedding"].reshape(len(gaze), -1)
    return {"pred_x": gaze[:, 0], "pred_y": gaze[:, 1]}, {"embedding": embedding}
