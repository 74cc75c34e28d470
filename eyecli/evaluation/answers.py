"""What lineage and a report's figures answer of the reporting checklists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eyecli.evaluation.checklists import fill
from eyecli.evaluation.claim import CLAIM
from eyecli.evaluation.findings import Metric
from eyecli.evaluation.methods import against, sentences
from eyecli.evaluation.study import Study
from eyecli.evaluation.tripod_ai import TRIPOD_AI

CHECKLISTS = {"checklist-tripod-ai.md": TRIPOD_AI, "checklist-claim.md": CLAIM}
SHOWN = 4


def answers(
    study: Study,
    model: str,
    metrics: Sequence[Metric],
    *,
    judged: str,
    baselines: Sequence[str],
    external: str | None,
    intervals: str,
    software: Sequence[str],
) -> dict[str, str]:
    """Return what is known, a sentence or more for each fact that a checklist may ask for.

    Parameters
    ----------
    study, model
        The facts, and the model's reference.
    metrics
        The report's metrics.
    judged
        Which rows were judged.
    baselines
        What each baseline does.
    external
        The external data, None for an internal evaluation.
    intervals, software
        As in the methods paragraph.
    """
    parts, about = sentences(study), study.about
    own = [metric for metric in metrics if metric.predictor == "model"]
    pretrained = any(study.settings.get(key) for key in ("pretrained", "weights", "init"))
    seed = study.settings.get("seed")
    compared = against(baselines)
    regression = "Does not apply: a regression." if about.outcome == "regression" else ""
    return parts | {
        "use": f"{about.use} It is no medical device.",
        "aims": "The model was evaluated on external data."
        if external
        else "A model was developed and evaluated on data of the same sources.",
        "inputs": about.inputs,
        "outputs": about.outputs,
        "counts": f"{study.samples} samples of {study.subjects or 'unknown'} subjects were used; "
        "those left out, with reasons, are in the dataset card (card.md of the prepared data).",
        "missing": "A missing or unreadable file or field stops the preparation, or is counted "
        "with its reason in the dataset card.",
        "level": "Parts are disjoint at the level of subjects."
        if study.plan.group_by == "subject" and study.subject_independent
        else "",
        "judged": judged,
        "trained": f"{parts['training']} {compared}".strip(),
        "measures": f"{about.metrics} {compared}".strip(),
        "imbalance": regression,
        "accuracy": regression,
        "parts": judged,
        "internal": "" if external else judged,
        "external": f"External data: {external}. None of its files was used in training."
        if external
        else "There was no external validation in this report.",
        "initialisation": "" if pretrained else f"All weights were drawn at random (seed {seed}).",
        "selection": _selection(study.settings),
        "ensemble": "Models were not combined: every row was predicted by one network.",
        "specification": f"{parts['model']} Architecture and weights of every fold are files of "
        f"{model}.",
        "performance": "; ".join(_figure(metric) for metric in own[:SHOWN])
        + f"; all {len(metrics)} figures are in metrics.csv."
        if own
        else "",
        "intervals": intervals,
        "licences": f"Licences of the data: {', '.join(study.licences) or 'not stated'}.",
        "software": ", ".join(software) + ".",
        "limits": " ".join([parts["warnings"], *about.limits]).strip(),
    }


def _selection(settings: Mapping[str, Any]) -> str:
    """Say which epoch's weights were kept; nothing where that was not recorded."""
    if settings.get("keep") == "best" or settings.get("patience"):
        return "Of each fold the weights of the epoch with the best validation loss were kept."
    if settings.get("keep") == "last":
        return "The weights of the last epoch were kept."
    return ""


def _figure(metric: Metric) -> str:
    bounds = "no interval" if metric.lo is None else f"{metric.lo:.4g} to {metric.hi:.4g}"
    return f"{metric.metric} over {metric.group} {metric.value:.4g} ({bounds}, n {metric.n})"


def write_checklists(folder: Path, facts: dict[str, str]) -> None:
    """Write both checklists, filled as far as the facts go."""
    for name, checklist in CHECKLISTS.items():
        (folder / name).write_text(fill(checklist, facts), encoding="utf-8")
