"""What lineage knows of a model: the facts that cards, methods and checklists are filled from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from eyecli.data.comparable import audited, not_judged
from eyecli.data.prepared import SESSIONS, Prepared, open_prepared, read_split
from eyecli.data.split import Split, parse_scheme
from eyecli.errors import EyecliError, UsageError
from eyecli.workspace.references import resolve
from eyecli.workspace.store import Artifact

# Settings of `train` that say which part to do and for how long, not how.
INCIDENTAL = ("fold", "max_time", "checkpoint_minutes", "pretrained")
# Settings of `train` and the values with which they do nothing.
OFF = {"accumulate": 1, "ema": 0.0, "patience": 0}


@dataclass(frozen=True)
class About:
    """What a task says of itself, in whole sentences.

    Attributes
    ----------
    use
        What its models are for.
    inputs, outputs
        What goes in and comes out, with units.
    network
        Architecture, with its source.
    training
        The loss, and the augmentation with its ranges, of networks trained with Adam; or what
        follows on "were", by the settings of the training.
    outcome
        What is predicted: a number, or a class.
    truth
        What the predictions are compared with.
    metrics
        How its metrics are defined.
    limits
        What nobody should expect of them.
    unknown
        Parameters of the preparation that may be unknown, and the values that say so.
    idle
        The settings that did nothing, by the settings of the training.
    """

    use: str
    inputs: str
    outputs: str
    network: str
    training: str | Callable[[Mapping[str, Any]], str]
    outcome: Literal["regression", "classification"]
    truth: str
    metrics: str
    limits: tuple[str, ...]
    unknown: Mapping[str, Any] = field(default_factory=dict)
    idle: Callable[[Mapping[str, Any]], Collection[str]] = lambda settings: ()


@dataclass(frozen=True)
class Study:
    """Data, split and training of one model.

    Attributes
    ----------
    task, about
        The task.
    sources
        A line each: reference, layout, files, digest.
    prepared, split
        References with digests.
    samples, subjects
        How many; subjects are 0 where they are unknown.
    preparation, settings
        Parameters of `preprocess` and `train`.
    setup
        What `preprocess` noted: sizes, units, screen.
    plan
        The split.
    parameters
        Trainable and other weights of one network; None if unknown.
    trained
        Those of them that training changed; None if unknown.
    synthetic, subject_independent
        The flags.
    reason
        Why it is not subject-independent.
    licences
        Of all data.
    audited
        What no two parts of the split have in common, in the singular.
    note
        What the audit could not look for.
    weights
        The pretrained weights that training started from: reference, digest, licence; empty if
        there were none.
    """

    task: str
    about: About
    sources: list[str]
    prepared: str
    split: str
    samples: int
    subjects: int
    preparation: Mapping[str, Any]
    settings: Mapping[str, Any]
    setup: Mapping[str, Any]
    plan: Split
    parameters: int | None
    synthetic: bool
    subject_independent: bool
    reason: str | None
    licences: list[str]
    audited: list[str]
    note: str | None
    weights: str = ""
    trained: int | None = None


def study_of(
    root: Path,
    about: About,
    prepared: Artifact,
    split: Artifact,
    settings: Mapping[str, Any],
    parameters: int | None,
    weights: str = "",
    trained: int | None = None,
) -> Study:
    """Gather the facts from the artifacts that a model is made of.

    Raises
    ------
    DataError
        If an artifact is damaged.
    """
    data, plan = open_prepared(prepared), read_split(split)
    flags = [artifact.manifest.flags for artifact in (prepared, split)]
    subjects = data.index["subject"]
    return Study(
        task=prepared.manifest.task,
        about=about,
        sources=source_lines(root, prepared),
        prepared=cited(prepared),
        split=cited(split),
        samples=len(subjects),
        subjects=subjects[subjects != ""].nunique(),
        preparation=_preparation(data, about),
        settings=settings,
        setup=data.setup,
        plan=plan,
        parameters=parameters,
        synthetic=any(flag.get("synthetic") is True for flag in flags),
        subject_independent=all(flag.get("subject_independent") is not False for flag in flags),
        reason=plan.reason,
        licences=sorted({*prepared.manifest.licences, *split.manifest.licences}),
        audited=audited(data.arrays.specs),
        note=not_judged(data.arrays.specs),
        weights=weights,
        trained=trained,
    )


def _preparation(data: Prepared, about: About) -> dict[str, Any]:
    """Return the parameters of a preparation as they came to be: sessions say their own screens."""
    params = data.artifact.manifest.params
    params = params | {key: data.setup[key] for key in params.keys() & data.setup.keys()}
    if not (data.artifact.path / SESSIONS).is_file():
        return params
    known = {key: value for key, value in params.items() if key not in about.unknown}
    return known | {"screens": "those of the sessions"}


def source_lines(root: Path, prepared: Artifact) -> list[str]:
    """Say what an artifact was prepared from; a source that is gone has its digest only."""
    lines = []
    for entry in prepared.manifest.inputs:
        if not entry.role.startswith("source"):
            continue
        line = f"{entry.ref.partition('@')[0]} (sha256 {entry.digest[:12]}"
        try:
            summary = resolve(root, entry.digest).manifest.summary
            line += f", layout {summary['layout']}, {summary['files']} files"
        except (EyecliError, KeyError):
            line += ", no longer in the workspace"
        lines.append(line + ")")
    return lines


def weights_line(root: Path, trained: Artifact) -> str:
    """Say which pretrained weights a fold or model started from; empty if from none."""
    for entry in trained.manifest.inputs:
        if entry.role == "weights":
            line = f"{entry.ref.partition('@')[0]} (sha256 {entry.digest[:12]}"
            try:
                licences = resolve(root, entry.digest).manifest.licences
            except EyecliError:
                return f"{line}, no longer in the workspace)"
            return f"{line}, licence {', '.join(licences) or 'not stated'})"
    return ""


def cited(artifact: Artifact) -> str:
    """Name an artifact by its digest: versions differ between workspaces, content does not."""
    return f"{artifact.ref.partition('@')[0]} (sha256 {artifact.manifest.digest[:12]})"


def warnings(study: Study) -> list[str]:
    """Return what must be said before anything else, a sentence each."""
    found = []
    if not study.subject_independent:
        found.append(f"NOT SUBJECT-INDEPENDENT ({study.reason or 'accepted by the user'}).")
    if study.synthetic:
        found.append("SYNTHETIC DATA.")
    return found


def scheme_in_words(plan: Split) -> str:
    """Describe how a split was drawn."""
    try:
        scheme = parse_scheme(plan.scheme)
    except UsageError:
        return f"the scheme {plan.scheme}"
    if scheme.kind == "holdout":
        return f"a hold-out of {100 * scheme.test:g} %"
    if scheme.kind == "kfold":
        again = f", drawn {scheme.repeats} times" if scheme.repeats > 1 else ""
        return f"{scheme.folds}-fold cross-validation{again}"
    return "leave-one-group-out cross-validation"


def listed(values: Mapping[str, Any], unknown: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Write parameters as ``epochs 2, batch size 16``, without those that are empty, off or change
    no result.

    Parameters
    ----------
    values
        The parameters; of a file elsewhere only the name is told, not whose folder it was in.
    unknown
        Parameter to the value that means that it is unknown.
    """
    shown = {}
    for key, value in values.items():
        if key in unknown and value in (unknown[key], None):
            shown[key] = "unknown"
        elif key not in INCIDENTAL and value not in ("", None, [], {}) and OFF.get(key) != value:
            away = isinstance(value, str) and Path(value).is_absolute()
            shown[key] = Path(value).name if away else value
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in shown.items()) or "none"
