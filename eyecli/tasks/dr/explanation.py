"""What in a photograph spoke for its grade: pictures for the gallery of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.evaluation.gradcam import gradcam, pooled_cam
from eyecli.nets.backbones import backbone
from eyecli.tasks.dr.grading import Loss, main_boundary
from eyecli.tasks.dr.model import maps
from eyecli.tasks.dr.settings import DrTrain

if TYPE_CHECKING:
    import pandas as pd

# Photographs of each grade, drawn with this seed.
SHOWN, SEED = 2, 0


def explain(
    data: Prepared,
    table: pd.DataFrame,
    embedding: np.ndarray,
    settings: Mapping[str, Any],
    scale: Callable[[dict[str, np.ndarray], dict[str, Any]], dict[str, np.ndarray]],
    load: Callable[[int], tuple[Any, dict[str, Any]]],
) -> tuple[pd.DataFrame, np.ndarray]:
    """Map what spoke for the answers to `questions` in some photographs.

    Parameters
    ----------
    data
        The photographs.
    table
        Predictions. Of each true grade some test rows are drawn: nothing else decides.
    embedding
        (n, d) of its rows. Of a fold their mean is the usual photograph.
    settings
        Those of the training.
    scale
        From stored arrays and the facts of a fold to the network's inputs.
    load
        Gives network and facts of a fold.

    Returns
    -------
    table : DataFrame
        As for `eyecli.evaluation.gallery.write_gallery`.
    maps : ndarray
        (n, size, size), in logits: `pooled_cam`, of EyeNet, which pools no maps, `gradcam`.
    """
    import pandas as pd

    row_of = {sample: row for row, sample in enumerate(data.index["sample"])}
    # What is as by default a model need not note.
    trunk = settings.get("backbone", DrTrain.backbone)
    rows: list[dict[str, str]] = []
    found: list[np.ndarray] = []
    chosen = drawn(table)
    for partition in chosen["partition"].unique():
        part = chosen[chosen["partition"] == partition]
        network, facts = load(int(partition))
        usual = embedding[table["partition"].to_numpy() == partition].mean(axis=0)
        stored = data.arrays.take("pixels", [row_of[sample] for sample in part["sample"]])
        pixels = scale({"pixels": stored}, facts)["pixels"]
        asked = [questions(facts, grade) for grade in part["grade_predicted"]]
        for titles_and_weights in zip(*asked, strict=True):
            titles, weights = zip(*titles_and_weights, strict=True)
            if maps(trunk):
                made = pooled_cam(network, maps(trunk), pixels, np.array(weights), usual)
            else:
                made = gradcam(network, [backbone(trunk).last], pixels, np.array(weights))
            found.append(made)
            rows += [
                {"sample": sample, "array": "pixels", "truth": f"grade {grade}", "answer": title}
                for sample, grade, title in zip(part["sample"], part["grade"], titles, strict=True)
            ]
    shown = pd.DataFrame(rows)
    order = shown.sort_values(["truth", "sample"], kind="stable").index
    return shown.loc[order], np.concatenate(found)[order]


def drawn(table: pd.DataFrame) -> pd.DataFrame:
    """Draw test rows of each true grade, as many as there are, ordered by grade."""
    test = table[table["part"] == "test"].drop_duplicates("sample").sort_values("sample")
    rng = np.random.default_rng(SEED)
    chosen = [
        index
        for _, part in test.groupby("grade")
        for index in rng.permutation(part.index.to_numpy())[:SHOWN]
    ]
    return test.loc[chosen]


def questions(facts: Mapping[str, Any], predicted: int) -> list[tuple[str, np.ndarray]]:
    """Return two scores to explain: a title, and (outputs,) the weights of the logits.

    That the grade is at least the one of the main question; and the predicted class, for which
    speaks what lifts the boundary below it and lowers the one above it. A model with one boundary
    has two classes: the second score is that of the other. A regressed grade has one score, and so
    has what speaks against it.
    """
    bounds: Sequence[int] = facts["boundaries"]
    loss: Loss = facts.get("loss", "cumulative")
    if loss == "mse":
        return [
            ("speaks for a higher grade", np.ones(1)),
            ("speaks for a lower grade", -np.ones(1)),
        ]
    reach, own = _weights(loss, len(bounds))
    asked = main_boundary(facts["target"])
    question = (f"speaks for grade {bounds[asked]} or more", reach[asked])
    if len(bounds) == 1:
        return [question, (f"speaks for less than grade {bounds[0]}", -reach[0])]
    reached = int(np.searchsorted(bounds, predicted, side="right"))
    return [question, (f"for grade {predicted}, as predicted", own[reached])]


def _weights(loss: Loss, boundaries: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the outputs for reaching each boundary, and for each class between them."""
    if loss == "cross-entropy":
        classes = np.eye(boundaries + 1)
        reach = [
            classes[k:].mean(axis=0) - classes[:k].mean(axis=0) for k in range(1, len(classes))
        ]
        return np.stack(reach), classes - classes.mean(axis=0)
    each, none = np.eye(boundaries), np.zeros((1, boundaries))
    # With CORN a boundary is reached when all before it are.
    up = np.tril(np.ones((boundaries, boundaries))) if loss == "corn" else each
    return up, np.vstack([none, up]) - np.vstack([each, none])
