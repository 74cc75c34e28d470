"""The export stage: a fold of a model, or a user's head, to a verified Core ML package."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import numpy as np

from eyecli.data.prepared import open_prepared, read_split
from eyecli.data.split import group_ids, parts_of
from eyecli.errors import CheckError
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

PACKAGE = "model.mlpackage"
PARITY = "parity.json"
SAMPLES = 32
# Largest difference that may stay, as a share of an output's standard deviation over the samples:
# float16 rounding stays a factor of ten below it, any real fault lies far above.
TOLERANCE = 0.02


@dataclass(frozen=True)
class ExportSettings:
    """Settings of ``export coreml``."""

    fold: int = setting(-1, "Fold of a cross-validated model; needed if there are several.")
    deployment_target: Literal["iOS16", "iOS17", "iOS18"] = setting(
        "iOS16", "Oldest system that has to run it."
    )


class Exporter(Protocol):
    """What a task supplies to export, a module."""

    def contract(self, facts: Mapping[str, Any], setup: Mapping[str, Any]) -> Any:
        """Return the units of inputs and outputs, description and metadata."""


def export_model(
    root: Path,
    exporter: Callable[[], Exporter],
    model: Artifact,
    prepared: Artifact,
    split: Artifact,
    settings: ExportSettings,
    *,
    force: bool = False,
) -> Outcome:
    """Convert one fold and execute the result on validation samples beside Keras.

    Raises
    ------
    UsageError
        If there are several folds and none was named.
    CheckError
        If the package does not compute what the Keras model computes: nothing is published.
    """
    partition = choose_fold(model, settings.fold)
    params = asdict(settings) | {"fold": partition}
    inputs = {"model": model, "prepared": prepared, "split": split}
    work = Work("export coreml", "coreml", model.manifest.task, None, params, inputs)

    def build(folder: Path) -> Built:
        network = load_fold(model, partition)
        from eyecli.coreml.convert import Contract, convert
        from eyecli.coreml.parity import compare

        facts, setup = read_facts(model, partition), read_model(model).setup
        contract: Contract = exporter().contract(facts, setup)
        digest = network_digest(model, partition)
        metadata = {**contract.metadata, "model_digest": digest, "model": model.manifest.digest}
        contract = Contract(contract.inputs, contract.outputs, contract.description, metadata)
        with quiet_stderr():
            package = convert(network, contract, folder / PACKAGE, settings.deployment_target)
        samples = _samples(prepared, split, partition, list(facts["names"]))
        differences = compare(network, package, contract, samples, half=True)
        spread = _spread(network, contract, samples)
        parity = {
            name: {
                "max": difference.max,
                "mean": difference.mean,
                "spread": spread[name],
                "relative": difference.max / spread[name] if spread[name] else float("inf"),
            }
            for name, difference in differences.items()
        }
        count = len(next(iter(samples.values())))
        _require(parity)
        content = {"samples": count, "tolerance": TOLERANCE, "arithmetic": "float16, emulated",
                   "outputs": parity}  # fmt: skip
        (folder / PARITY).write_bytes(msgspec.json.encode(content, order="deterministic") + b"\n")
        worst = max(entry["relative"] for entry in parity.values())
        return Built(
            summary={"package": PACKAGE, "fold": partition, "parameters": network.count_params(),
                     "parity_samples": count, "parity_worst_relative": worst,
                     "model_digest": digest}
        )  # fmt: skip

    return run_stage(root, work, build, force=force)


def _samples(
    prepared: Artifact, split: Artifact, partition: int, names: list[str]
) -> dict[str, np.ndarray]:
    """Validation samples of the fold, as stored; boxes are one pixel with channels."""
    data, plan = open_prepared(prepared), read_split(split)
    groups = group_ids(list(data.index["sample"]), list(data.index["subject"]), plan.group_by)
    part = parts_of(plan, plan.partitions[partition], groups)
    rows = np.flatnonzero(part == "val")
    rows = rows[np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).astype(int)]
    return {name: data.arrays.take(name, rows).astype(np.float32) for name in names}


def _spread(network: Any, contract: Any, samples: dict[str, np.ndarray]) -> dict[str, float]:
    """Standard deviation of every output over the samples, in the contract's units."""
    import keras

    feed = {}
    for name, values in samples.items():
        entry = contract.inputs.get(name)
        feed[name] = values * entry.scale + entry.offset if entry else values
    spread = {}
    for name, values in network(feed, training=False).items():
        deviation = np.asarray(keras.ops.convert_to_numpy(values)).std(axis=0)
        entry = contract.outputs.get(name)
        spread[name] = float((deviation.ravel() * (entry.scale if entry else 1.0)).mean())
    return spread


def _require(parity: Mapping[str, Mapping[str, float]]) -> None:
    for name, entry in parity.items():
        if not entry["relative"] <= TOLERANCE:
            raise CheckError(
                f"Core ML and Keras differ on output {name}: at most {entry['max']:.4g}, which is "
                f"{entry['relative']:.2g} of its spread ({TOLERANCE} is allowed)",
                "nothing was published; retrain, or look for values beyond float16",
            )


def export_head(root: Path, head: Artifact, *, force: bool = False) -> Outcome:
    """Publish the Core ML model that a user's head already carries."""
    manifest = head.manifest
    work = Work("export coreml", "coreml", manifest.task, manifest.name, {}, {"head": head})

    def build(folder: Path) -> Built:
        shutil.copytree(head.path / "head.mlpackage", folder / PACKAGE)
        return Built(summary={"package": PACKAGE})

    return run_stage(root, work, build, force=force)
