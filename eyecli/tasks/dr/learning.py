"""What training needs of the dr task: network, targets, augmentation, the closed-form head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.nets.backbones import backbone
from eyecli.nets.half import as_half, round_to_half
from eyecli.tasks.dr import objectives
from eyecli.tasks.dr.about import ABOUT
from eyecli.tasks.dr.augmentation import change, view
from eyecli.tasks.dr.explanation import explain
from eyecli.tasks.dr.fusion import fit_fusion, graded
from eyecli.tasks.dr.grading import at_least, boundaries, settle
from eyecli.tasks.dr.loading import enhanced
from eyecli.tasks.dr.model import blocks, build, coarser, warm_start
from eyecli.tasks.dr.settings import DrTrain
from eyecli.training.closed_head import fit_closed
from eyecli.training.fit import Learner
from eyecli.training.ordinal import FINAL_WEIGHTS, class_weights, resampling_weights

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ABOUT", "MAY_DIFFER", "augment", "explain", "finish", "learner", "names", "scale", "tabulate",
]  # fmt: skip

# What the data of an external validation need not share with those of the training.
MAY_DIFFER: tuple[str, ...] = ()

# Photographs and views that the last layer is fitted on at most: their features are held at once.
MOST_ROWS = 40_000

Row = dict[str, np.ndarray]


def learner(prepared: Prepared, train: np.ndarray, settings: DrTrain) -> Learner:
    """Build the network, with the outputs that the loss asks for."""
    yes = at_least(_grades(prepared), settings.target)
    classes, count = yes.sum(axis=1), yes.shape[1] + 1
    model = build(
        settings.backbone, prepared.setup["size"], objectives.outputs(settings.loss, yes.shape[1]),
        settings.pooling, settings.dropout,
    )  # fmt: skip
    weights = (
        class_weights(classes[train], count)[classes]
        if settings.balance == "weights"
        else np.ones(len(yes))
    )
    targets = np.column_stack([yes, weights]).astype(np.float32)
    facts = {
        "target": settings.target, "stem": backbone(settings.backbone).stem,
        "loss": settings.loss, "test_views": settings.test_views, "enhance": settings.enhance,
    }  # fmt: skip
    return Learner(
        model=model,
        names=["pixels"],
        targets={"logits": targets[:, None, None]},
        losses={"logits": objectives.objective(settings.loss)},
        scale=partial(scale, facts=facts),
        augment=partial(augment, facts=facts),
        facts=facts,
        start=lambda path: warm_start(model, settings.backbone, path, settings.trainable),
        closed=settings.closed,
        train=train,
        view=partial(augment, facts=facts, by=view),
        chances=_chances(classes[train], count) if settings.balance == "resampling" else None,
        coarser=(
            partial(coarser, backbone=settings.backbone, pooling=settings.pooling)
            if settings.progressive
            else None
        ),
        test_views=settings.test_views,
    )  # fmt: skip


def _chances(classes: np.ndarray, count: int) -> Callable[[int], np.ndarray]:
    """Draw all classes equally often at first, then nearer to their frequency (o_O 2015)."""
    start = len(classes) / np.maximum(1, np.bincount(classes, minlength=count))
    return lambda epoch: resampling_weights(classes, epoch, start, FINAL_WEIGHTS[:count])


def _grades(prepared: Prepared) -> np.ndarray:
    return prepared.index["grade"].to_numpy(int)


def scale(arrays: Row, facts: Mapping[str, Any]) -> Row:
    """Enhance stored pixels (n, size, size, 3) as the fold does, and scale them to -1..1.

    Export folds the scaling into the first layer.
    """
    return {
        name: values.astype(np.float32) * np.float32(SCALE) + np.float32(OFFSET)
        for name, values in enhanced(arrays, facts).items()
    }


def augment(
    sample: Row,
    rng: np.random.Generator,
    facts: Mapping[str, Any],
    by: Callable[[np.ndarray, np.random.Generator], np.ndarray] = change,
) -> Row:
    """Enhance a photograph, scale it and change it as cameras and the cropper do, or by `view`."""
    shown = enhanced({name: values[None] for name, values in sample.items()}, facts)
    return {name: by(values[0], rng) for name, values in shown.items()}


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
    There too is learnt what the other eye of a patient adds.
    """
    grades = _grades(prepared)
    facts = learner.facts | {"names": learner.names, "boundaries": boundaries(settings.target)}
    if not settings.closed:
        assert learner.train is not None
        # Before anything is judged: so the package computes what was settled on.
        round_to_half(learner.model)
        left = np.setdiff1d(rows, learner.train)
        # Without validation rows there is nothing better than those that were trained on.
        judged = left if len(left) else rows
        logits = run(judged)["logits"].reshape(len(judged), -1)
        facts |= settle(logits, grades[judged], settings.target, settings.loss)
        whose = groups[np.isin(rows, left)]
        return facts | _fusion(logits[: len(left)], prepared, left, whose, facts, settings)
    # Photographs as they are come first; all views of one are in one group.
    times = max(1, min(settings.views + 1, MOST_ROWS // len(rows)))
    views = [run(rows, number)["embedding"].reshape(len(rows), -1) for number in range(times)]
    fitted = fit_closed(
        views, at_least(grades[rows], settings.target), groups, blocks(learner.model)
    )
    # Like the rest of a frozen network.
    kernel = as_half(fitted.weight[None, None])
    learner.model.get_layer("logits").set_weights([kernel, fitted.bias.astype(np.float32)])
    facts |= {"closed": True, "penalty": fitted.penalty} | settle(
        fitted.held_out, grades[rows], settings.target
    )
    return facts | _fusion(fitted.held_out, prepared, rows, groups, facts, settings)


def _fusion(
    logits: np.ndarray,
    prepared: Prepared,
    rows: np.ndarray,
    groups: np.ndarray,
    facts: dict[str, Any],
    settings: DrTrain,
) -> dict[str, Any]:
    """Learn what the other eye adds, if asked; the rows are those that nothing was fitted on."""
    if settings.fusion == "none":
        return {}
    sides = prepared.index["laterality"].to_numpy(str)[rows]
    return {"fusion": fit_fusion(logits, _grades(prepared)[rows], groups, sides, facts)}


def names(facts: dict[str, Any]) -> list[str]:
    """Return the stored arrays that a fold reads."""
    return list(facts["names"])


def tabulate(
    outputs: Row, facts: dict[str, Any], table: pd.DataFrame | None = None
) -> tuple[Row, Row]:
    """Turn outputs into probabilities and decisions, and the embedding.

    Both eyes of a patient are fused, if the fold does that, within the groups of the table, which
    are patients: a group is in one part only. Without a table each photograph stands alone.
    """
    logits = outputs["logits"].reshape(len(outputs["logits"]), -1).astype(np.float64)
    embedding = outputs["embedding"].reshape(len(logits), -1)
    # The embedding stays that of one photograph.
    unknown = np.full(len(logits), "")
    patients, sides = (
        unknown if table is None else table[name].to_numpy(str) for name in ("group", "laterality")
    )
    return graded(logits, facts, patients, sides), {"embedding": embedding}
