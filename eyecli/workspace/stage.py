"""How every stage runs: recall, or build in a staging folder, publish, remember."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eyecli.workspace.manifest import SCHEMA, Input, Manifest, content_digest
from eyecli.workspace.memo import Work, input_digest, recall, remember
from eyecli.workspace.provenance import code_version, git_revision, libraries
from eyecli.workspace.store import Artifact, collect_files, publish, staging
from eyecli.workspace.verify import require_whole

log = logging.getLogger(__name__)

# The flags, and the value of each that all that is made of an artifact keeps: what is not
# subject-independent once does not become so further down.
STICKY = {"subject_independent": False, "synthetic": True}


@dataclass(frozen=True)
class Built:
    """What a build says about the files it has written.

    Attributes
    ----------
    summary
        Figures and facts for the manifest.
    flags
        Data-use flags, those of `STICKY`; those of the inputs are inherited.
    licences
        Licences of new data; those of the inputs are inherited.
    """

    summary: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, Any] = field(default_factory=dict)
    licences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """The artifact of a stage, and whether it was there already."""

    artifact: Artifact
    cached: bool


def run_stage(
    root: Path,
    work: Work,
    build: Callable[[Path], Built],
    *,
    force: bool = False,
    checked: bool = False,
) -> Outcome:
    """Return the earlier result of the same work, or do it and publish.

    Parameters
    ----------
    root
        The workspace.
    work
        What identifies the work.
    build
        Writes the files of the artifact into the folder it is given.
    force
        Do the work again even if its result is there.
    checked
        The caller has just found the inputs whole, once for many pieces of work.
    """
    found = None if force else recall(root, work)
    for source in work.inputs.values():
        if isinstance(source, Artifact) and not checked:
            # A result is only as good as what it was made from; hashing is cheap beside the work,
            # and where there is none a look at the files has to do.
            require_whole(source, quick=found is not None)
    if found:
        require_whole(found, quick=True)
        log.info("%s: already there (%s)", found.ref, work.stage)
        return Outcome(found, cached=True)
    started = datetime.now(UTC)
    with staging(root) as folder:
        built = build(folder)
        files = collect_files(folder)
        manifest = Manifest(
            schema=SCHEMA,
            kind=work.kind,
            task=work.task,
            name=work.name,
            digest=content_digest(work.kind, work.task, files),
            files=files,
            inputs=[_as_input(role, source) for role, source in work.inputs.items()],
            stage=work.stage,
            params=dict(work.params),
            seed=work.seed,
            code={"version": code_version(), "revision": git_revision()},
            libraries=libraries(),
            started=started.isoformat(timespec="seconds"),
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            summary=built.summary,
            flags=_inherit_flags(work, built),
            licences=_inherit_licences(work, built),
        )
        artifact = publish(root, folder, manifest)
    remember(root, work, artifact)
    return Outcome(artifact, cached=False)


def _as_input(role: str, source: Artifact | tuple[str, str]) -> Input:
    ref = source.ref if isinstance(source, Artifact) else source[0]
    return Input(role, ref, input_digest(source))


def _inherit_flags(work: Work, built: Built) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    inherited = [s.manifest.flags for s in work.inputs.values() if isinstance(s, Artifact)]
    for given in (*inherited, built.flags):
        for key, value in given.items():
            if key not in flags or flags[key] != STICKY.get(key):
                flags[key] = value
    return flags


def _inherit_licences(work: Work, built: Built) -> list[str]:
    inherited = {
        licence
        for source in work.inputs.values()
        if isinstance(source, Artifact)
        for licence in source.manifest.licences
    }
    return sorted(inherited | set(built.licences))
