"""The check-ane stage: a verdict for every operation of a package, as an artifact."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from eyecli.ane.check import check
from eyecli.ane.report import to_json, to_markdown
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact, collect_files

REPORT = "ane.json"


def check_ane(
    root: Path,
    package: Path,
    task: str,
    name: str | None,
    source: Artifact | None,
    *,
    force: bool = False,
) -> Outcome:
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

    Raises
    ------
    DataError
        If it is no readable ML Program.
    """
    origin: Artifact | tuple[str, str]
    if source is None:
        report = check(package)
        rows = [f"{path} {entry.sha256}" for path, entry in collect_files(package).items()]
        origin = (str(package), hashlib.sha256("\n".join(rows).encode()).hexdigest())
    else:
        origin = source
    work = Work("check-ane", "ane", task, name, {}, {"coreml": origin})

    def build(folder: Path) -> Built:
        found = report if source is None else check(package)
        content = msgspec.json.format(msgspec.json.encode(to_json(found)), indent=1)
        (folder / REPORT).write_bytes(content + b"\n")
        (folder / "ane.md").write_text(to_markdown(found), encoding="utf-8")
        return Built(
            summary={
                "operations": len(found.verdicts),
                "counts": found.counts,
                "histogram": found.histogram,
                "eligible": found.eligible,
                "segments": found.segments,
            }
        )

    return run_stage(root, work, build, force=force)
