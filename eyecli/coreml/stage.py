"""The export stage: a fold of a model, or a user's head, to a verified Core ML package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

import eyecli
from eyecli.coreml.figures import PARITY, PASSED, figures_of_head, judged
from eyecli.coreml.judgement import Precision
from eyecli.coreml.personal import Combination, Personal, add_heads, compare_heads, require_fit
from eyecli.errors import CheckError, UsageError
from eyecli.settings import setting
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

if TYPE_CHECKING:
    pass

PACKAGE = "model.mlpackage"
MEASURE = "measure.swift"
# The Keras model whose function a rewrite has changed.
RETRAIN = "rewritten.keras"


@dataclass(frozen=True)
class ExportSettings:
    """Settings of ``export coreml``."""

    fold: int = setting(
        -1, "Fold of a cross-validated model; with several that, or --refit-all.",
        shown="the only one",
    )  # fmt: skip
    deployment_target: Literal["auto", "iOS16", "iOS17", "iOS18"] = setting(
        "auto",
        "Oldest system that has to run it; auto is iOS16, or iOS18 with users' heads as functions.",
    )
    precision: Literal["fp16", "fp32"] = setting(
        "fp16", "Of weights and arithmetic; the Neural Engine takes fp16 only."
    )
    compress: Literal["none", "palettize4", "palettize6", "palettize8", "int8"] = setting(
        "none", "Store the weights as indices into look-up tables of 4 to 8 bits, or as integers."
    )
    inputs: Literal["image", "tensor"] = setting(
        "image", "How pictures come in: as pixel buffers, or as arrays of values 0 to 255."
    )
    labels: Literal["metadata", "output"] = setting(
        "metadata",
        "Where class names go: into the metadata, or into an output as Vision wants it (its last "
        "operation is not for the Neural Engine).",
    )
    ane_rewrite: bool = setting(
        False, "Rewrite layers for the Neural Engine first; kept if parity holds."
    )
    allow_retrain: bool = setting(
        False,
        "With --ane-rewrite: also swish to ReLU, which changes the function; the rewritten Keras "
        "model is stored for the training that this needs.",
    )
    parity_samples: int = setting(32, "Validation samples on which Core ML and Keras are compared.")
    allow_parity_failure: bool = setting(
        False, "Publish even if Core ML and Keras differ; the artifact says so."
    )


class Exporter(Protocol):
    """What a task supplies to export, a module."""

    def contract(self, facts: Mapping[str, Any], setup: Mapping[str, Any]) -> Any:
        """Return the units of inputs and outputs, description and metadata."""


def check_settings(
    settings: ExportSettings, heads: bool = False, combine: Combination = "functions"
) -> None:
    """Refuse settings that do not go together, with or without users' heads.

    Raises
    ------
    UsageError
        Naming the flags.
    """
    if settings.parity_samples < 2:
        raise UsageError(f"--parity-samples is {settings.parity_samples}, two are needed at least")
    if settings.allow_retrain and not settings.ane_rewrite:
        raise UsageError("--allow-retrain is for --ane-rewrite", "give both, or neither")
    if heads and settings.precision == "fp32":
        raise UsageError("users' heads are float16 models", "leave --precision fp32 out")
    if heads and combine == "functions" and settings.deployment_target in ("iOS16", "iOS17"):
        raise UsageError(
            f"--deployment-target {settings.deployment_target}: a package of several functions "
            "needs iOS18",
            "leave it out, or put one head into a pipeline with --combine pipeline",
        )
    if settings.compress != "none" and settings.precision == "fp32":
        raise UsageError(
            f"--compress {settings.compress} is for float16 packages", "leave --precision fp32 out"
        )


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
    check_settings(settings, bool(heads), combine)
    if settings.deployment_target == "auto":
        functions = bool(heads) and combine == "functions"
        settings = replace(settings, deployment_target="iOS18" if functions else "iOS16")
    partition = choose_fold(model, settings.fold)
    digest = network_digest(model, partition)
    require_fit(heads, digest, f"{model.ref}, fold {partition}")
    params = asdict(settings) | {"fold": partition}
    inputs = {"model": model, "prepared": prepared, "split": split}
    if heads:
        params["combine"] = combine
        inputs |= {f"head of {head.name}": head.artifact for head in heads}
    work = Work("export coreml", "coreml", model.manifest.task, None, params, inputs)

    def build(folder: Path) -> Built:
        from eyecli.coreml.validation import validation_samples

        network = load_fold(model, partition)
        facts, setup = read_facts(model, partition), read_model(model).setup
        contract = exporter().contract(facts, setup)
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
        contract = replace(
            contract, metadata=metadata, licence=", ".join(model.manifest.licences),
            version=f"eyecli {eyecli.__version__}",
        )  # fmt: skip
        samples = validation_samples(
            prepared, split, partition, list(facts["names"]), settings.parity_samples, network,
            contract,
        )  # fmt: skip
        made = make_package(folder, network, contract, samples, settings)
        if heads:
            _add_heads(folder, network, contract, samples, settings, heads, combine, made)
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
