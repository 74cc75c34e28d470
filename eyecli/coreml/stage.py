"""The export stage: a fold of a model, or a user's head, to a verified Core ML package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import msgspec

import eyecli
from eyecli.coreml.figures import PARITY, PASSED, figures_of_head, judged
from eyecli.coreml.judgement import Precision
from eyecli.coreml.personal import (
    Combination,
    Personal,
    add_heads,
    compare_heads,
    require_fit,
    require_one,
)
from eyecli.coreml.settings import ExportSettings, check_settings
from eyecli.errors import CheckError, UsageError
from eyecli.training.backend import quiet_stderr
from eyecli.training.model import (
    choose_fold,
    load_fold,
    network_digest,
    read_facts,
    read_model,
)
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

PACKAGE = "model.mlpackage"
MEASURE = "measure.swift"
# The Keras model whose function a rewrite has changed.
RETRAIN = "rewritten.keras"


class Exporter(Protocol):
    """What a task supplies to export, a module."""

    def contract(self, facts: Mapping[str, Any], setup: Mapping[str, Any]) -> Any:
        """Return the units of inputs and outputs, description and metadata."""


def check_export(
    exporter: Callable[[], Exporter],
    model: Artifact,
    settings: ExportSettings,
    heads: Sequence[Personal] = (),
    combine: Combination = "functions",
) -> Any:
    """Find what speaks against an export before anything is converted.

    Parameters
    ----------
    exporter, model, settings, heads, combine
        As for `export_model`.

    Returns
    -------
    Contract
        What the task says of the fold.

    Raises
    ------
    UsageError, DataError
        If settings do not go together, the fold is not there, or a head does not fit.
    """
    require_one(heads, combine)
    check_settings(settings, bool(heads), combine)
    partition = choose_fold(model, settings.fold)
    require_fit(heads, network_digest(model, partition), f"{model.ref}, fold {partition}")
    if heads and combine == "functions":
        from eyecli.coreml.combine import function_names

        function_names(head.name for head in heads)
    contract = exporter().contract(read_facts(model, partition), read_model(model).setup)
    if settings.labels == "output" and not any(o.classes for o in contract.outputs.values()):
        raise UsageError(f"--labels output: {model.ref} names no classes", "leave it out")
    return contract


def export_model(
    root: Path,
    exporter: Callable[[], Exporter],
    model: Artifact,
    prepared: Artifact,
    split: Artifact,
    settings: ExportSettings,
    heads: Sequence[Personal] = (),
    combine: Combination = "functions",
    *,
    force: bool = False,
) -> Outcome:
    """Convert one fold and execute the result on validation samples beside Keras.

    Parameters
    ----------
    root
        The workspace.
    exporter
        Imports what the task supplies.
    model, prepared, split
        The model and the data it was trained on.
    settings
        The fold and what the package is to be like.
    heads, combine
        Users' heads to go into the package, and how.
    force
        As for `run_stage`.

    Raises
    ------
    UsageError
        If there are several folds and none was named, or settings do not go together.
    CheckError
        If the package does not compute what the Keras model computes: nothing is published,
        unless that was allowed.
    """
    contract = check_export(exporter, model, settings, heads, combine)
    if settings.deployment_target == "auto":
        functions = bool(heads) and combine == "functions"
        settings = replace(settings, deployment_target="iOS18" if functions else "iOS16")
    partition = choose_fold(model, settings.fold)
    digest = network_digest(model, partition)
    params = asdict(settings) | {"fold": partition}
    inputs = {"model": model, "prepared": prepared, "split": split}
    if heads:
        params["combine"] = combine
        inputs |= {f"head of {head.name}": head.artifact for head in heads}
    work = Work("export coreml", "coreml", model.manifest.task, None, params, inputs)

    def build(folder: Path) -> Built:
        from eyecli.coreml.validation import validation_samples

        network = with_outputs(load_fold(model, partition), contract.only)
        facts = read_facts(model, partition)
        metadata = {
            **contract.metadata,
            **_origin(model, partition, settings),
            "model": model.manifest.digest,
            "model_digest": digest,
            "prepared": prepared.manifest.digest,
            "split": split.manifest.digest,
        }
        # Figures of a model that was trained on all groups are those of another one.
        origin = model.manifest.summary.get("refit_of_digest")
        metadata |= {"refit_of": origin} if origin else {}
        promised = replace(
            contract, metadata=metadata, licence=", ".join(model.manifest.licences),
            version=f"eyecli {eyecli.__version__}",
        )  # fmt: skip
        samples = validation_samples(
            prepared, split, partition, list(facts["names"]), settings.parity_samples, network,
            promised,
        )  # fmt: skip
        made = make_package(folder, network, promised, samples, settings)
        if heads:
            _add_heads(folder, network, promised, samples, settings, heads, combine, made)
        _write_parity(folder, made)
        _add_measure(folder)
        return Built(
            summary={
                "package": PACKAGE,
                "fold": partition,
                "parameters": network.count_params(),
                "parity_samples": made["samples"],
                "users": [head.name for head in heads],
                "parity_worst_relative": max(
                    (e["relative"] for key in ("outputs", "heads") for e in made[key].values()),
                    default=None,
                ),
                "parity": made["verdict"],
                "rewrites": made["rewrites"],
                "model_digest": digest,
            }
        )

    return run_stage(root, work, build, force=force)


def with_outputs(network: Any, only: Sequence[str]) -> Any:
    """Return a Keras model with some of the outputs of another; with all if none are named."""
    if not only:
        return network
    import keras

    return keras.Model(network.input, {name: network.output[name] for name in only})


def _origin(model: Artifact, partition: int, settings: ExportSettings) -> dict[str, str]:
    """Say in the metadata where a package comes from, and what its figures cannot claim."""
    flags = {key: json.dumps(value) for key, value in model.manifest.flags.items()}
    return flags | {
        "fold": str(partition), "precision": settings.precision, "compression": settings.compress
    }  # fmt: skip


def make_package(
    folder: Path,
    network: Any,
    contract: Any,
    samples: Mapping[str, Any],
    settings: ExportSettings,
) -> dict[str, Any]:
    """Convert a Keras model to `model.mlpackage`, and compare.

    Parameters
    ----------
    folder
        Where it goes.
    network, contract, samples
        As for `eyecli.coreml.parity.compare`.
    settings
        All but the fold are used.

    Returns
    -------
    dict
        Figures and verdict, the content of `parity.json`.

    Raises
    ------
    CheckError
        If the package must not be published, and that was not allowed.
    """
    from eyecli.coreml.compress import LOSS, compress
    from eyecli.coreml.convert import Form, convert

    form = Form(
        settings.deployment_target, settings.precision, settings.inputs == "image",
        settings.labels == "output",
    )  # fmt: skip
    package = folder / PACKAGE

    def converted(source: Any) -> None:
        with quiet_stderr():
            convert(source, contract, package, form)

    expected = network
    rewrites: list[str] = []
    refused = ""
    if settings.ane_rewrite:
        from eyecli.coreml.rewrite import rewrite

        rewritten, rewrites = rewrite(network, settings.allow_retrain)
        expected = rewritten if settings.allow_retrain else network
        converted(rewritten)
        content = _parity(expected, package, contract, samples, settings.precision)
        if content["verdict"] == PASSED and settings.allow_retrain and rewrites:
            rewritten.save(folder / RETRAIN)
        elif content["verdict"] != PASSED:
            # Parity decides whether a rewrite may stay.
            expected, rewrites, refused = network, [], content["verdict"]
            shutil.rmtree(package)
    if not package.exists():
        converted(network)
        content = _parity(expected, package, contract, samples, settings.precision)
    _require(content, settings)
    if settings.compress != "none":
        plain = package.rename(folder / "plain.mlpackage")
        done = compress(plain, package, settings.compress)
        shutil.rmtree(plain)
        loss = LOSS[settings.compress]
        small = _parity(expected, package, contract, samples, settings.precision, loss)
        if content["verdict"] != PASSED:
            small["verdict"] = content["verdict"]
        content = small | {
            "compression": {"scheme": settings.compress, **asdict(done)},
            "before_compression": content["outputs"],
        }
        _require(content, settings)
    return content | {"heads": {}, "rewrites": rewrites, "rewrites_refused": refused}


def _add_heads(
    folder: Path,
    network: Any,
    contract: Any,
    samples: Mapping[str, Any],
    settings: ExportSettings,
    heads: Sequence[Personal],
    combine: Combination,
    made: dict[str, Any],
) -> None:
    """Put users' heads into the package, and their figures into what is known of it."""
    from eyecli.coreml.compress import LOSS

    add_heads(folder / PACKAGE, heads, combine)
    made["heads"], verdict = judged(
        lambda: compare_heads(network, folder / PACKAGE, contract, samples, heads, combine),
        "fp16", LOSS.get(settings.compress),
    )  # fmt: skip
    if made["verdict"] == PASSED:
        made["verdict"] = verdict
    _require(made, settings)


def _require(content: Mapping[str, Any], settings: ExportSettings) -> None:
    if content["verdict"] != PASSED and not settings.allow_parity_failure:
        raise CheckError(
            content["verdict"],
            "nothing was published; train longer or on more data, look for values beyond float16, "
            "or keep it all the same with --allow-parity-failure",
        )


def _parity(
    network: Any,
    package: Path,
    contract: Any,
    samples: Mapping[str, Any],
    precision: Precision,
    loss: float | None = None,
) -> dict[str, Any]:
    """Execute a package beside Keras and judge it, as data."""
    from eyecli.coreml.parity import compare

    half = precision == "fp16"
    outputs, verdict = judged(
        lambda: compare(network, package, contract, samples, half), precision, loss
    )
    return {
        "samples": len(next(iter(samples.values()))),
        "arithmetic": "float16, emulated" if half else "float32",
        "verdict": verdict,
        "outputs": outputs,
    }


def _add_measure(folder: Path) -> None:
    """Put the program that measures the package on a device beside it."""
    (folder / MEASURE).write_bytes((resources.files("eyecli.ane") / MEASURE).read_bytes())


def export_head(root: Path, head: Artifact, *, force: bool = False) -> Outcome:
    """Publish the Core ML model that a user's head already carries, verified when it was made."""
    manifest = head.manifest
    work = Work("export coreml", "coreml", manifest.task, manifest.name, {}, {"head": head})

    def build(folder: Path) -> Built:
        shutil.copytree(head.path / "head.mlpackage", folder / PACKAGE)
        _write_parity(folder, figures_of_head(manifest.summary["parity"]))
        _add_measure(folder)
        return Built(summary={"package": PACKAGE, "parity": PASSED})

    return run_stage(root, work, build, force=force)


def _write_parity(folder: Path, content: Mapping[str, Any]) -> None:
    text = msgspec.json.format(msgspec.json.encode(content, order="deterministic"), indent=1)
    (folder / PARITY).write_bytes(text + b"\n")
