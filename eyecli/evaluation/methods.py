"""The methods paragraph of a paper, in plain English, filled from lineage."""

from __future__ import annotations

from collections.abc import Sequence

from eyecli.evaluation.study import Study, listed, scheme_in_words, warnings
from eyecli.workspace.store import Artifact


def sentences(study: Study) -> dict[str, str]:
    """Return the paragraph in parts, each a sentence or more.

    Returns
    -------
    dict
        ``warnings``, ``data``, ``preparation``, ``split``, ``model``, ``training``, ``truth``,
        ``metrics``.
    """
    plan = study.plan
    by = "subject" if plan.group_by == "subject" else "sample"
    subjects = f"{study.subjects} subjects" if study.subjects else "unknown subjects"
    names = ", ".join(study.setup.get("inputs", ()))
    inputs = f" Prepared inputs: {names}." if names else ""
    chosen = study.settings.get("backbone")
    backbone = f" In place of the usual layers, {chosen} sees the images." if chosen else ""
    part = f", of which {study.trained:,} were trained" if study.trained else ""
    size = f" It has {study.parameters:,} parameters{part}." if study.parameters else ""
    weights = f" Training started from {study.weights}." if study.weights else ""
    count = len(plan.partitions)
    networks = "One network was" if count == 1 else f"{count} networks, one a partition, were"
    licences = ", ".join(study.licences) or "not stated"
    idle = study.about.idle(study.settings)
    used = {key: value for key, value in study.settings.items() if key not in idle}
    return {
        "warnings": " ".join(warnings(study)),
        "data": f"The data are {study.samples} samples of {subjects}, {study.prepared}, made of "
        f"{'; '.join(study.sources) or 'an unknown source'}. Licences: {licences}."
        + (" The data are rendered, not recorded." if study.synthetic else ""),
        "preparation": f"Preparation: {listed(study.preparation, study.about.unknown)}.",
        "split": f"The data were split by {by} into {len(plan.groups)} groups with "
        f"{scheme_in_words(plan)} (seed {plan.seed}, {len(plan.partitions)} partitions, "
        f"{study.split}); part of the groups outside each test part was kept for validation. "
        + (
            f"{_none_of(study.audited)} was found in two parts of a partition."
            if study.subject_independent
            else f"The split is not subject-independent: {study.reason or 'accepted by the user'}."
        )
        + (f" {study.note[0].upper()}{study.note[1:]}." if study.note else ""),
        "model": f"{study.about.network}{backbone}{inputs}{size}{weights}",
        "training": f"{networks} {_training(study)} Training settings: {listed(used)}.",
        "truth": study.about.truth,
        "metrics": study.about.metrics,
    }


def _training(study: Study) -> str:
    how = study.about.training
    if isinstance(how, str):
        return f"trained with Adam (Kingma and Ba 2015). {how}"
    return how(study.settings)


def _none_of(kinds: Sequence[str]) -> str:
    *first, last = (f"no {kind}" for kind in kinds)
    text = f"{', '.join(first)} and {last}"
    return text[0].upper() + text[1:]


def methods(
    study: Study,
    *,
    judged: str,
    baselines: Sequence[str],
    intervals: str,
    software: Sequence[str],
) -> str:
    """Write the paragraph.

    Parameters
    ----------
    study
        The facts.
    judged
        A sentence: which rows were judged.
    baselines
        What each baseline does, without a full stop.
    intervals
        Sentences: how intervals and tests were computed.
    software
        Names with versions.
    """
    parts = sentences(study)
    chosen = [
        *(parts[key] for key in ("warnings", "data", "preparation", "split", "model", "training")),
        judged, parts["truth"], parts["metrics"], intervals, against(baselines),
        f"Software: {', '.join(software)}.",
    ]  # fmt: skip
    return " ".join(part for part in chosen if part)


def against(baselines: Sequence[str]) -> str:
    """Say what a model was compared with; '' for nothing."""
    return f"The model was compared with: {'; '.join(baselines)}." if baselines else ""


def software(model: Artifact) -> list[str]:
    """Versions of eyecli and of the libraries that a model was made with."""
    manifest = model.manifest
    made = [f"eyecli {manifest.code['version']}"]
    return made + [f"{name} {version}" for name, version in sorted(manifest.libraries.items())]
