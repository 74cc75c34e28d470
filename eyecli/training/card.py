"""The model card: what a model is for, what it was made of, what it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eyecli.evaluation.methods import sentences
from eyecli.evaluation.report import environment
from eyecli.evaluation.study import About, Study, study_of, warnings
from eyecli.training.model import FACTS, fold_folder
from eyecli.workspace.manifest import read_json
from eyecli.workspace.store import Artifact

CARD, CARD_PAGE = "card.md", "card.html"
JOURNAL = "metrics.jsonl"
Curve = Sequence[Mapping[str, Any]]


def model_card(
    study: Study,
    curves: Mapping[int, Curve],
    held_out: Mapping[int, Mapping[str, float]] = MappingProxyType({}),
) -> str:
    """Write the card of a model as Markdown.

    Parameters
    ----------
    study
        The facts.
    curves
        Partition to the metrics of its epochs.
    held_out
        Partition to metrics of rows that were not fitted on, as the task noted them.

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
        "Validation": "\n\n".join(filter(None, (_curve_table(curves), _held_out(held_out)))),
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
    """Best and last validation loss of every fold; nothing where none was trained in epochs."""
    if not any(curves.values()):
        return ""
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


def _held_out(figures: Mapping[int, Mapping[str, float]]) -> str:
    """Figures of every fold on rows that it was not fitted on, and what these rows decided."""
    names = sorted({name for of in figures.values() for name in of})
    if not names:
        return ""
    rows = [f"| fold | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for partition, of in figures.items():
        cells = [f"{of[name]:.4g}" if name in of else "-" for name in names]
        rows.append(f"| {partition} | {' | '.join(cells)} |")
    return "\n".join(rows) + (
        "\n\nOf validation rows, or of a cross-validation within the training. They chose the "
        "penalty, the temperature or the thresholds as well: test figures may be lower."
    )


def card_page(text: str) -> str:
    """Turn a card into a page of HTML; HTML, links and pictures in it stay the text that they are.

    Parameters
    ----------
    text
        Markdown.
    """
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    body = reader.disable(["link", "image", "autolink", "reference"]).render(text)
    return environment().get_template("card.html.j2").render(body=body)


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
    """Write ``card.md`` and ``card.html`` beside the folds of a model, before it is published.

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
    facts = {fold: fold_folder(folder, fold) / FACTS for fold in partitions}
    held_out = {
        fold: read_json(path, dict[str, Any], "model").get("held_out", {})
        for fold, path in facts.items()
    }
    text = model_card(study, curves, held_out)
    (folder / CARD).write_text(text, encoding="utf-8")
    (folder / CARD_PAGE).write_text(card_page(text), encoding="utf-8")
