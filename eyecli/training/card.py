"""The model card: what a model is for, what it was made of, what it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eyecli.evaluation.methods import sentences
from eyecli.evaluation.study import About, Study, study_of, warnings
from eyecli.training.model import fold_folder
from eyecli.workspace.store import Artifact

CARD = "card.md"
JOURNAL = "metrics.jsonl"
Curve = Sequence[Mapping[str, Any]]


def model_card(study: Study, curves: Mapping[int, Curve]) -> str:
    """Write the card of a model as Markdown.

    Parameters
    ----------
    study
        The facts.
    curves
        Partition to the metrics of its epochs.

    Returns
    -------
    str
        Line 1 holds the warnings, if there are any.
    """
    parts, about = sentences(study), study.about
    warned = warnings(study)
    sections = {
        "Intended use": f"{about.use} It is no medical device: no diagnosis and no treatment may "
        "rest on it.",
        "Inputs": about.inputs,
        "Outputs": about.outputs,
        "Data": f"{parts['data']} {about.truth}",
        "Preparation": parts["preparation"],
        "Split": parts["split"],
        "Network": parts["model"],
        "Training": parts["training"],
        "Validation": _curve_table(curves),
        "Licences": f"Data: {', '.join(study.licences) or 'not stated'}."
        + (f" Pretrained weights: {study.weights}." if study.weights else ""),
        "Limits": "\n".join(f"- {limit}" for limit in about.limits),
        "Figures": "Test figures are not part of a model: they are in its report (`eyecli "
        "evaluate`), beside those of the baselines. Versions of software are in manifest.json.",
    }
    head = [" ".join(f"**{text}**" for text in warned), ""] if warned else []
    body = [line for title, text in sections.items() for line in (f"## {title}", "", text, "")]
    return "\n".join([*head, f"# Model card: {study.task}", "", *body])


def _curve_table(curves: Mapping[int, Curve]) -> str:
    """Best and last validation loss of every fold."""
    rows = ["| fold | epochs | best validation loss | in epoch | last | training loss |"]
    rows.append("|---|---|---|---|---|---|")
    for partition, curve in curves.items():
        if not curve:
            continue
        last = curve[-1]
        known = [epoch for epoch in curve if "val_loss" in epoch]
        best = min(known, key=lambda epoch: epoch["val_loss"]) if known else {}
        values = (best.get("val_loss"), best.get("epoch"), last.get("val_loss"), last.get("loss"))
        cells = ["-" if value is None else f"{value:.4g}" for value in values]
        rows.append(f"| {partition} | {len(curve)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def read_curve(path: Path) -> list[dict[str, Any]]:
    """Read the metrics of every epoch; an empty list if there is no journal."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_model_card(
    root: Path,
    folder: Path,
    about: About,
    prepared: Artifact,
    split: Artifact,
    settings: Mapping[str, Any],
    parameters: int | None,
    partitions: Sequence[int],
    weights: str = "",
    trained: int | None = None,
) -> None:
    """Write ``card.md`` beside the folds of a model that is about to be published.

    Parameters
    ----------
    root
        The workspace.
    folder
        Holds a folder a fold.
    about
        What the task says of itself.
    prepared, split, settings
        What the model is made of.
    parameters
        Of one network.
    partitions
        The folds.
    weights
        The pretrained weights, as `weights_line` says it.
    trained
        How many of the parameters were trained.
    """
    study = study_of(root, about, prepared, split, settings, parameters, weights, trained)
    curves = {fold: read_curve(fold_folder(folder, fold) / JOURNAL) for fold in partitions}
    (folder / CARD).write_text(model_card(study, curves), encoding="utf-8")
