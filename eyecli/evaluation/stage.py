"""The evaluate stage: stored predictions to a report; it never needs the model again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from eyecli.data.arrays import read_npy
from eyecli.data.audit import audit_split, refuse_leaks
from eyecli.data.comparable import not_judged
from eyecli.data.prepared import Prepared, open_prepared, read_split, read_table
from eyecli.data.split import Split
from eyecli.errors import DataError, UsageError
from eyecli.evaluation.answers import answers, write_checklists
from eyecli.evaluation.baselines import DESCRIPTIONS
from eyecli.evaluation.findings import Findings, verdict
from eyecli.evaluation.gallery import draw_gallery
from eyecli.evaluation.methods import methods, software
from eyecli.evaluation.report import write_report
from eyecli.evaluation.study import About, Study, cited, study_of, weights_line
from eyecli.evaluation.units import intervals_in_words, unit_notes, units_of
from eyecli.settings import setting
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS = "predictions.csv"
GALLERY_TITLE = "Where the model found what speaks for its answers"
GALLERY_NOTE = (
    "The gallery shows test photographs that were drawn by their true class alone: it says where "
    "evidence was found, not that it was right. Pass it on only where the pictures may go."
)


@dataclass(frozen=True)
class EvaluateSettings:
    """Settings of ``evaluate``."""

    calibration_points: int = setting(
        9, "Gaze: points of each test subject used to calibrate; the others test it. 0 for none."
    )
    gallery: bool = setting(
        True,
        "Of photographs: show some of each true class, and where in them the model found what "
        "speaks for its answer. Without it no picture of anybody is in the report.",
    )

    def __post_init__(self) -> None:
        if self.calibration_points < 0:
            raise UsageError(f"--calibration-points {self.calibration_points} is below 0")


class Reporter(Protocol):
    """What a task supplies to evaluate, a module."""

    ABOUT: About

    def findings(
        self,
        table: pd.DataFrame,
        embedding: np.ndarray,
        prepared: Prepared,
        split: Split,
        settings: EvaluateSettings,
        on: Prepared | None = None,
    ) -> Findings:
        """Compute metrics, baselines and plots of the test rows, which may be of external data."""


def evaluate(
    root: Path,
    reporter: Callable[[], Reporter],
    predictions: Artifact,
    model: Artifact,
    prepared: Artifact,
    split: Artifact,
    settings: EvaluateSettings,
    *,
    on: Artifact | None = None,
    force: bool = False,
) -> Outcome:
    """Make the report on a model's stored predictions.

    Parameters
    ----------
    root
        The workspace.
    reporter
        Gives what the task supplies.
    predictions, model, prepared, split
        What was predicted, by what, on what.
    settings
        How to evaluate.
    on
        The external data that was predicted; None for the model's own test part.

    Raises
    ------
    DataError
        If there are no test rows.
    CheckError
        If the split leaks, though it says that it does not.
    """
    inputs = {"predictions": predictions, "model": model, "prepared": prepared, "split": split}
    inputs |= {"on": on} if on else {}
    params = asdict(settings) | external_params(predictions, on)
    work = Work("evaluate", "report", model.manifest.task, None, params, inputs)

    def build(folder: Path) -> Built:
        table = read_table(predictions.path / PREDICTIONS)
        rows = np.flatnonzero(table["part"] == "test")
        if not len(rows):
            raise DataError(f"{predictions.ref} has no test rows", "use a split with a test part")
        embedding = read_npy(predictions.path / "embedding.npy")
        if len(embedding) != len(table):
            raise DataError(
                f"{predictions.ref}: {len(embedding)} embeddings for {len(table)} predictions",
                "eyecli workspace verify",
            )
        plan, data = read_split(split), open_prepared(prepared)
        other = open_prepared(on) if on else None
        if plan.subject_independent:
            refuse_leaks(audit_split(data, plan))
        task, judged = reporter(), table.iloc[rows].reset_index(drop=True)
        found = task.findings(
            judged, embedding[rows], data, plan, settings, other,
        )  # fmt: skip
        units, note = units_of(judged), not_judged(data.arrays.specs)
        notes = [*found.notes, *unit_notes(judged, units), *external_notes(predictions, judged)]
        notes += [note] if note else []
        shown = settings.gallery and draw_gallery(predictions.path, other or data)
        if shown:
            notes.append(GALLERY_NOTE)
            found = replace(found, plots={**found.plots, GALLERY_TITLE: shown})
        found = replace(found, notes=notes)
        flags = model.manifest.flags
        line = verdict(found, flags, plan.reason, on.ref if on else None)
        beats = all(d.won for d in found.differences)
        facts = {
            "model": model.ref,
            "prepared": prepared.ref,
            "split": split.ref,
            "scheme": plan.scheme,
            "partitions": len(plan.partitions),
            "groups": len(plan.groups),
            "resampled": units.kind,
            "subject_independent": plan.subject_independent,
            "reason": plan.reason,
            "licences": model.manifest.licences,
            "code": model.manifest.code["version"],
            "external": on and on.ref,
        }
        study = study_of(
            root, task.ABOUT, prepared, split, model.manifest.params,
            model.manifest.summary.get("parameters"), weights_line(root, model),
        )  # fmt: skip
        _write(folder, found, line, facts, beats, study, judged, model, on)
        headline = {f"{m.metric} ({m.group})": m.value for m in found.metrics
                    if m.predictor == "model"}  # fmt: skip
        return Built(summary={"verdict": line, "beats_baselines": beats, **headline})

    return run_stage(root, work, build, force=force)


def external_params(predictions: Artifact, on: Artifact | None) -> dict[str, Any]:
    """Return the flags, but for --on, that predict the same external data again."""
    params = predictions.manifest.params
    return {name: params[name] for name in ("fold", "other_people") if on and name in params}


def external_notes(predictions: Artifact, judged: pd.DataFrame) -> list[str]:
    """Say what was taken on trust in predictions of external data; nothing for others."""
    params, notes = predictions.manifest.params, []
    if params.get("other_people"):
        notes.append(
            "Subject ids that equal those of the training are said to be other people: "
            f"{params['other_people']}."
        )
    if params.get("external") and not (judged["subject"] != "").all():
        notes.append(
            "The external data do not name subjects: people of the training could be among them."
        )
    return notes


def _write(
    folder: Path,
    found: Findings,
    line: str,
    facts: dict[str, Any],
    beats: bool,
    study: Study,
    judged: pd.DataFrame,
    model: Artifact,
    on: Artifact | None,
) -> None:
    """Write the report with its methods paragraph, and the checklists."""
    if on:
        how = (
            f"all rows of the external data {cited(on)}, predicted by fold "
            f"{judged['partition'][0]}, which was trained on none of their files"
        )
    elif study.subject_independent:
        how = "the test parts, each row predicted by a fold that had not seen its subject"
    else:
        how = (
            "the test parts, each row predicted by a fold that was not trained on that sample, but "
            "may have been trained on others of the same person, or on copies of it"
        )
    units = units_of(judged)
    people = f" of {units.number} subjects" if units.kind == "subjects" else ""
    scope = (
        f"The model was judged by {len(judged)} predictions of {judged['sample'].nunique()} "
        f"samples{people}: {how}."
    )
    intervals = f"{intervals_in_words(units)} Differences are paired by sample."
    predictors = {metric.predictor for metric in found.metrics}
    baselines = [text for name, text in DESCRIPTIONS.items() if name in predictors]
    libraries = software(model)
    paragraph = methods(
        study, judged=scope, baselines=baselines, intervals=intervals, software=libraries
    )  # fmt: skip
    write_report(folder, found, line, facts | {"methods": paragraph}, beats)
    external = cited(on) if on else None
    write_checklists(
        folder,
        answers(study, model.ref, found.metrics, judged=scope, baselines=baselines,
                external=external, intervals=intervals, software=libraries),
    )  # fmt: skip
