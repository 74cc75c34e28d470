"""The compare stage: several models on the same rows, one table in five formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from eyecli.data.prepared import Prepared, open_prepared, read_split, read_table
from eyecli.errors import DataError, UsageError
from eyecli.evaluation.alignment import Judged, require_same_rows, sampling_of
from eyecli.evaluation.baselines import DESCRIPTIONS
from eyecli.evaluation.bootstrap import REPLICATES
from eyecli.evaluation.compare import Compared, compare_rows
from eyecli.evaluation.findings import claim
from eyecli.evaluation.headline import Comparer, Headline
from eyecli.evaluation.methods import methods, software
from eyecli.evaluation.stage import PREDICTIONS, external_notes, external_params
from eyecli.evaluation.study import cited, listed, study_of, warnings, weights_line
from eyecli.evaluation.tables import Table, write_comparison
from eyecli.evaluation.units import Units, intervals_in_words, unit_notes, units_of
from eyecli.settings import setting
from eyecli.workspace.lineage import input_of
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

DIFFERENCES = (
    "All rows of the table are resampled together. Differences are to the first row; their "
    "p-values are those of the paired bootstrap, two-sided, corrected for all comparisons of a "
    "metric (Holm 1979). Figures of several seeds are means over the seeds."
)


@dataclass(frozen=True)
class CompareSettings:
    """Settings of ``compare``."""

    split: Literal["test", "val"] = setting("test", "Part of the split by which to judge.")


def compare(
    root: Path,
    reporter: Callable[[], Comparer],
    predictions: Sequence[Artifact],
    settings: CompareSettings,
    *,
    on: Artifact | None = None,
    force: bool = False,
) -> Outcome:
    """Compare models by their stored predictions.

    Parameters
    ----------
    root
        The workspace.
    reporter
        Gives what the task supplies.
    predictions
        Of each model, in the order to show; all differences are to the first.
    settings
        Which part judges.
    on
        The external data that was predicted; None for the models' own test parts.

    Raises
    ------
    UsageError
        If a model is named twice.
    DataError
        If models have other test rows than the first, or none.
    """
    models = [input_of(root, artifact, "model") for artifact in predictions]
    digests = [model.manifest.digest for model in models]
    for position, digest in enumerate(digests):
        if digest in digests[:position]:
            raise UsageError(
                f"{models[position].ref} is the same model as "
                f"{models[digests.index(digest)].ref}", "name every model once",
            )  # fmt: skip
    inputs = {f"model-{n}": model for n, model in enumerate(models, 1)}
    inputs |= {f"predictions-{n}": made for n, made in enumerate(predictions, 1)}
    inputs |= {"on": on} if on else {}
    task = models[0].manifest.task
    params = asdict(settings) | external_params(predictions[0], on)
    work = Work("compare", "comparison", task, None, params, inputs)

    def build(folder: Path) -> Built:
        part = "test" if on else settings.split
        judged = [
            _read(root, *pair, part, on) for pair in zip(models, predictions, strict=True)
        ]  # fmt: skip
        return _build(root, folder, reporter(), judged, part, on, predictions[0])

    return run_stage(root, work, build, force=force)


def _read(
    root: Path, model: Artifact, predictions: Artifact, part: str, on: Artifact | None
) -> Judged:
    prepared, split = (input_of(root, model, role) for role in ("prepared", "split"))
    table = read_table(predictions.path / PREDICTIONS)
    table = table[table["part"] == part].reset_index(drop=True)
    if not len(table):
        raise DataError(
            f"{predictions.ref} has no {part} rows", f"use a split with a {part} part"
        )  # fmt: skip
    data = open_prepared(prepared)
    index = (open_prepared(on) if on else data).index
    digests = dict(zip(index["sample"], index["files"], strict=True))
    return Judged(model, prepared, split, data, read_split(split), table, digests)


def _build(
    root: Path,
    folder: Path,
    task: Comparer,
    judged: Sequence[Judged],
    part: str,
    on: Artifact | None,
    predictions: Artifact,
) -> Built:
    require_same_rows(judged, task.TRUTH)
    first = judged[0]
    external = open_prepared(on) if on else None
    merged = merge_seeds(judged)
    rows = {
        name: [_headlines(task, one, external) for one in members]
        for name, members in merged.items()
    }
    found = task.baseline_predictions(first.table, first.data, first.plan, part=part, on=external)
    sampling, units = sampling_of(first.table), units_of(first.table)
    for name, prediction in found.items():
        rows[name] = [task.headlines(first.table, prediction, external or first.data, sampling)]
    compared = compare_rows(_common(rows), list(found), sampling.groups)
    studies = [
        study_of(root, task.ABOUT, one.prepared, one.split, one.model.manifest.params,
                 one.model.manifest.summary.get("parameters"), weights_line(root, one.model))
        for one in judged
    ]  # fmt: skip
    warned = [text for study in studies for text in warnings(study)]
    line = first_line(compared, warned, f"EXTERNAL VALIDATION on {on.ref}." if on else "")
    samples = first.table["sample"].nunique()
    whose = f"of the external data {cited(on)}" if on else f"of the {part} parts"
    scope = (
        f"All models were judged by the same {samples} samples {whose} ({units.number} "
        f"{units.kind} are resampled); several predictions of one sample share its weight. Data "
        f"and settings given here are those of {first.model.ref}; those of the others are in the "
        "notes."
    )
    paragraph = methods(
        studies[0], judged=scope, baselines=[DESCRIPTIONS[name] for name in found],
        intervals=f"{intervals_in_words(units)} {DIFFERENCES}", software=software(first.model),
    )  # fmt: skip
    table = Table(
        first_line=line,
        figures=compared.figures,
        models={name: [one.model.ref for one in group] for name, group in merged.items()},
        seeds={name: [one.model.manifest.seed for one in group] for name, group in merged.items()},
        unbeaten=compared.unbeaten,
        rows={name: len(group[0].table) for name, group in merged.items()},
        samples=samples,
        groups=units.number,
        resampled=units.kind,
        notes=_notes(units, part, merged, first) + external_notes(predictions, first.table),
        methods=paragraph,
    )
    write_comparison(folder, table)
    best = {name: figures[0].value for name, figures in compared.figures.items()}
    return Built(summary={"verdict": line, "samples": samples, "groups": units.number, **best})


def _headlines(task: Comparer, one: Judged, external: Prepared | None) -> list[Headline]:
    prediction = one.table[list(task.PREDICTED)].to_numpy(float)
    return task.headlines(one.table, prediction, external or one.data, sampling_of(one.table))


def merge_seeds(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    """Put models that differ only by their seed into one row.

    They have the same data, split, parameters, folds and code; two with one seed stay apart.
    """
    merged: dict[str, list[Judged]] = {}
    keys: list[tuple[object, ...]] = []
    for one in judged:
        manifest = one.model.manifest
        params = {key: value for key, value in manifest.params.items() if key != "seed"}
        folds = sorted(one.table["partition"].unique())
        key = (one.prepared.manifest.digest, one.split.manifest.digest, params, folds,
               manifest.code["version"])  # fmt: skip
        for name, known in zip(merged, keys, strict=True):
            if known == key and manifest.seed not in [m.model.manifest.seed for m in merged[name]]:
                merged[name].append(one)
                break
        else:
            merged[one.model.ref] = [one]
            keys.append(key)
    return merged


def _common(rows: Mapping[str, list[list[Headline]]]) -> dict[str, list[list[Headline]]]:
    """Keep the metrics that all rows have; the screen may be known for some only."""
    sets = [{(h.metric, h.group) for h in each} for group in rows.values() for each in group]
    shared = set.intersection(*sets)
    return {
        name: [[h for h in each if (h.metric, h.group) in shared] for each in group]
        for name, group in rows.items()
    }


def first_line(compared: Compared, warned: Sequence[str], external: str) -> str:
    """Say what must not be missed, then who is not shown to beat which baseline."""
    parts = [external, *sorted(set(warned))]
    if any(compared.unbeaten.values()):
        said = [claim(name, found)[0] for name, found in compared.against.items()
                if compared.unbeaten[name]]  # fmt: skip
        # Of one group only the same is said of every model.
        parts += [f"{text}." for text in dict.fromkeys(said)]
    else:
        parts.append("Every model beats every baseline.")
    main = {name: compared.figures[name][0] for name in compared.against}
    best = (min if next(iter(main.values())).lower else max)(main, key=lambda n: main[n].value)
    figure = main[best]
    parts.append(f"Best {figure.metric} over {figure.group}: {best}, {figure.value:.4g}.")
    return " ".join(part for part in parts if part)


def _notes(units: Units, part: str, merged: Mapping[str, list[Judged]], first: Judged) -> list[str]:
    notes = [
        f"Baselines are fitted on the training data of {first.model.ref}.",
        f"The interval is over {units.kind}, the spread (±) over seeds: its standard deviation.",
        *unit_notes(first.table, units),
    ]
    least = 2.0 ** (1 - units.number)
    if least > 1 / REPLICATES:
        notes.append(f"With {units.number} {units.kind} a p-value is never less than {least:.3g}.")
    if part == "val":
        notes.append("Validation rows may have been used to choose the models: this is no test.")
    for name, members in merged.items():
        refs = ", ".join(one.model.ref for one in members)
        settings = {k: v for k, v in members[0].model.manifest.params.items() if k != "seed"}
        seeds = ", ".join(str(one.model.manifest.seed) for one in members)
        notes.append(
            f"{name}: {refs}, seed {seeds}; {members[0].prepared.ref}, {members[0].split.ref}; "
            f"{listed(settings)}."
        )
    return notes
