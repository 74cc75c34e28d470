"""The evaluate stage: stored predictions to a report; it never needs the model again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from eyecli.data.arrays import read_npy
from eyecli.data.audit import audit_split, refuse_leaks
from eyecli.data.prepared import Prepared, open_prepared, read_split, read_table
from eyecli.data.split import Split
from eyecli.errors import DataError, UsageError
from eyecli.evaluation.findings import Findings, verdict
from eyecli.evaluation.report import write_report
from eyecli.settings import setting
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS = "predictions.csv"


@dataclass(frozen=True)
class EvaluateSettings:
    """Settings of ``evaluate``."""

    calibration_points: int = setting(
        9, "Gaze: points of each test subject used to calibrate; the others test it. 0 for none."
    )

    def __post_init__(self) -> None:
        if self.calibration_points < 0:
            raise UsageError(f"--calibration-points {self.calibration_points} is below 0")


class Reporter(Protocol):
    """What a task supplies to evaluate, a module."""

    def findings(
        self,
        table: pd.DataFrame,
        embedding: np.ndarray,
        prepared: Prepared,
        split: Split,
        settings: EvaluateSettings,
    ) -> Findings:
        """Compute metrics, baselines and plots of the test rows."""


def evaluate(
    root: Path,
    reporter: Callable[[], Reporter],
    predictions: Artifact,
    model: Artifact,
    prepared: Artifact,
    split: Artifact,
    settings: EvaluateSettings,
    *,
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

    Raises
    ------
    DataError
        If there are no test rows.
    CheckError
        If the split leaks, though it says that it does not.
    """
    inputs = {"predictions": predictions, "model": model, "prepared": prepared, "split": split}
    work = Work("evaluate", "report", model.manifest.task, None, asdict(settings), inputs)

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
        if plan.subject_independent:
            refuse_leaks(audit_split(data, plan))
        found = reporter().findings(
            table.iloc[rows].reset_index(drop=True), embedding[rows], data, plan, settings,
        )  # fmt: skip
        flags = model.manifest.flags
        line = verdict(found, flags, plan.reason)
        beats = all(d.interval is not None and d.interval[1] < 0 for d in found.differences)
        facts = {
            "model": model.ref,
            "prepared": prepared.ref,
            "split": split.ref,
            "scheme": plan.scheme,
            "partitions": len(plan.partitions),
            "groups": len(plan.groups),
            "subject_independent": plan.subject_independent,
            "reason": plan.reason,
            "licences": model.manifest.licences,
            "code": model.manifest.code["version"],
        }
        write_report(folder, found, line, facts, beats)
        headline = {f"{m.metric} ({m.group})": m.value for m in found.metrics
                    if m.predictor == "model"}  # fmt: skip
        return Built(summary={"verdict": line, "beats_baselines": beats, **headline})

    return run_stage(root, work, build, force=force)
