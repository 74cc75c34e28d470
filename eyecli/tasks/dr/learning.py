"""What training needs of the dr task: network, targets, augmentation, the closed-form head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.evaluation.logistic import fit_logistic
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.nets.backbones import backbone
from eyecli.tasks.dr.about import ABOUT
from eyecli.tasks.dr.augmentation import change, view
from eyecli.tasks.dr.explanation import explain
from eyecli.tasks.dr.grading import at_least, boundaries, columns, settle
from eyecli.tasks.dr.model import blocks, build, warm_start
from eyecli.tasks.dr.settings import DrTrain
from eyecli.training.fit import Learner

__all__ = [
    "ABOUT", "MAY_DIFFER", "augment", "explain", "finish", "learner", "names", "scale", "tabulate",
]  # fmt: skip

# What the data of an external validation need not share with those of the training.
MAY_DIFFER: tuple[str, ...] = ()

# Photographs and views that the last layer is fitted on at most: their features are held at once.
MOST_ROWS = 40_000

Row = dict[str, np.ndarray]


def learner(prepared: Prepared, train: np.ndarray, settings: DrTrain) -> Learner:
    """Build the network; a logit a boundary between grades, each a question of its own."""
    import keras

    yes = at_least(_grades(prepared), settings.target)
    model = build(
        settings.backbone, prepared.setup["size"], yes.shape[1], settings.pooling, settings.dropout
    )
    return Learner(
        model=model,
        names=["pixels"],
        targets={"logits": yes.astype(np.float32)[:, None, None]},
        losses={"logits": keras.losses.BinaryCrossentropy(from_logits=True)},
        scale=scale,
        augment=augment,
        facts={"target": settings.target, "stem": backbone(settings.backbone).stem},
        start=lambda path: warm_start(model, settings.backbone, path, settings.trainable),
        closed=settings.closed,
        train=train,
        view=lambda sample, rng: {name: view(values, rng) for name, values in sample.items()},
    )


def _grades(prepared: Prepared) -> np.ndarray:
    return prepared.index["grade"].to_numpy(int)


def scale(arrays: Row) -> Row:
    """Scale stored pixels (n, size, size, 3) to -1..1; export folds this into the first layer."""
    return {
        name: values.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)
        for name, values in arrays.items()
    }


def augment(sample: Row, rng: np.random.Generator) -> Row:
    """Scale a photograph and change it as cameras and the cropper do; the grade stays."""
    return {name: change(values, rng) for name, values in sample.items()}


def finish(
    learner: Learner,
    prepared: Prepared,
    rows: np.ndarray,
    groups: np.ndarray,
    run: Callable[..., Row],
    settings: DrTrain,
) -> dict[str, Any]:
    """Fit the last layer, if it has a closed form; settle temperature, cuts and operating points.

    They are chosen on what was not fitted on: for the closed form on the predictions of its inner
    cross-validation over the groups of train and validation rows, else on the validation rows.
    """
    grades = _grades(prepared)
    facts = learner.facts | {"names": learner.names, "boundaries": boundaries(settings.target)}
    if not settings.closed:
        assert learner.train is not None
        left = np.setdiff1d(rows, learner.train)
        # Without validation rows there is nothing better than those that were trained on.
        judged = left if len(left) else rows
        logits = run(judged)["logits"].reshape(len(judged), -1)
        return facts | settle(logits, grades[judged], settings.target)
    # Photographs as they are come first; all views of one are in one group.
    times = max(1, min(settings.views + 1, MOST_ROWS // len(rows)))
    embedding = np.concatenate(
        [run(rows, number)["embedding"].reshape(len(rows), -1) for number in range(times)]
    )
    yes = at_least(grades[rows], settings.target)
    fitted = fit_logistic(
        embedding, np.tile(yes, (times, 1)), np.tile(groups, times), blocks=blocks(learner.model)
    )
    kernel = fitted.weight[None, None].astype(np.float32)
    learner.model.get_layer("logits").set_weights([kernel, fitted.bias.astype(np.float32)])
    held_out = fitted.held_out[: len(rows)]
    known = ~np.isnan(held_out[:, 0])
    return facts | {
        "penalties": fitted.penalties.tolist(),
        **settle(held_out[known], grades[rows][known], settings.target),
    }


def names(facts: dict[str, Any]) -> list[str]:
    """Return the stored arrays that a fold reads."""
    return list(facts["names"])


def tabulate(outputs: Row, facts: dict[str, Any]) -> tuple[Row, Row]:
    """Turn outputs into probabilities and decisions, and the embedding."""
    logits = outputs["logits"].reshape(len(outputs["logits"]), -1).astype(np.float64)
    embedding = outputs["embedding"].reshape(len(logits), -1)
    return columns(logits, facts), {"embedding": embedding}
