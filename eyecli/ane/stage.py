"""The check-ane stage: a verdict for every operation of a package, as an artifact."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from eyecli.ane import compute_plan
from eyecli.ane.check import check
from eyecli.ane.measured import Measured, read_measured, require_same, side_by_side
from eyecli.ane.report import Report, basis, to_json, where
from eyecli.ane.text import to_markdown
from eyecli.ane.tiers import Target
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact, collect_files

REPORT = "ane.json"
MEASURED = "measured.json"


def measurement(package: Path, file: Path | None) -> Measured | None:
    """Give what a device said of this package: from a file, or from this Mac.

    Parameters
    ----------
    package
        The ``.mlpackage`` folder.
    file
        What `measure.swift` wrote, None to ask this machine if it can answer.

    Raises
    ------
    DataError
        If the file is none, or of another model.
    """
    if file is None:
        return compute_plan.ask(package) if compute_plan.available() else None
    measured = read_measured(file)
    require_same(measured, package, str(file))
    return measured


def check_ane(
    root: Path,
    package: Path,
    task: str,
    name: str | None,
    source: Artifact | None,
    *,
    wanted: Target,
    measured: Measured | None = None,
    force: bool = False,
) -> tuple[Outcome, Report, dict[str, Any] | None]:
    """Check a package and publish the verdicts, whatever they are.

    Parameters
    ----------
    root
        The workspace.
    package
        The ``.mlpackage`` folder.
    task, name
        Where the report goes.
    source
        The artifact it is part of; None for a package from elsewhere.
    wanted
        What it is judged for.
    measured
        What a device said of this package.

    Returns
    -------
    Outcome, Report, dict or None
        The artifact, the verdicts, and static and measured ones side by side.

    Raises
    ------
    DataError
        If it is no readable package of ML Programs.
    """
    report = check(package, wanted, source.ref if source else None)
    beside = side_by_side(report, measured) if measured else None
    inputs: dict[str, Artifact | tuple[str, str]] = {}
    if source is None:
        rows = [f"{path} {entry.sha256}" for path, entry in collect_files(package).items()]
        inputs["coreml"] = (str(package), hashlib.sha256("\n".join(rows).encode()).hexdigest())
    else:
        inputs["coreml"] = source
    if measured and beside:
        content = msgspec.json.encode(measured, order="deterministic")
        inputs["measured"] = (where(beside), hashlib.sha256(content).hexdigest())
    work = Work("check-ane", "ane", task, name, {"chip": wanted.name}, inputs)

    def build(folder: Path) -> Built:
        _write(folder / REPORT, to_json(report, beside))
        (folder / "ane.md").write_text(to_markdown(report, beside), encoding="utf-8")
        if measured:
            _write(folder / MEASURED, msgspec.to_builtins(measured))
        return Built(
            summary={
                "target": str(wanted),
                "tier": wanted.tier,
                "basis": basis(beside),
                "worst": report.worst,
                "operations": len(report.verdicts),
                "counts": report.counts,
                "histogram": report.histogram,
                "eligible": report.eligible,
                "eligible_flops": report.eligible_flops,
                "segments": report.segments,
                "working_set": report.working_set,
                "weight_bytes": report.weight_bytes,
            }
        )

    return run_stage(root, work, build, force=force), report, beside


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
