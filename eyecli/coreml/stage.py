"""The export stage: a fold of a model, or a user's head, to a verified Core ML package."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import numpy as np

from eyecli.data.prepared import groups_and_parts, open_prepared, read_split
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
# Largest difference that may stay, as a share of an output's scale: rounding to float16 stays
# below it, faults lie far above.
TOLERANCE = 0.01
# An output that varies less than this share of its scale over the samples proves nothing: every
# fault would pass unseen.
DISCRIMINATING = 0.1


@dataclass(frozen=True)
class ExportSettings:
    """Settings of ``export coreml``."""

    fold: int = setting(-1, "Fold of a cross-validated model; with several that, or --refit-all.")
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
        from eyecli.coreml.convert import Contract, Form, convert
        from eyecli.coreml.parity import compare

        facts, setup = read_facts(model, partition), read_model(model).setup
        contract: Contract = exporter().contract(facts, setup)
        digest = network_digest(model, partition)
        metadata = {**contract.metadata, "model_digest": digest, "model": model.manifest.digest}
        # Figures of a model that was trained on all groups are those of another one.
        origin = model.manifest.summary.get("refit_of_digest")
        metadata |= {"refit_of": origin} if origin else {}
        contract = Contract(contract.inputs, contract.outputs, contract.description, metadata)
        with quiet_stderr():
            form = Form(settings.deployment_target)
            package = convert(network, contract, folder / PACKAGE, form)
        samples = _samples(prepared, split, partition, list(facts["names"]))
        differences = compare(network, package, contract, samples, half=True)
        scales = _scale_and_spread(network, contract, samples)
        parity = {
            name: {
                "max": difference.max,
                "mean": difference.mean,
                "scale": scale,
                "relative": difference.max / scale if scale else float("inf"),
                "discriminates": spread / scale if scale else 0.0,
            }
            for name, difference in differences.items()
            for scale, spread in [scales[name]]
        }
        count = len(next(iter(samples.values())))
        require_parity(parity)
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
    _, part = groups_and_parts(data, plan, partition)
    rows = np.flatnonzero(part == "val")
    if len(rows) < 2:
        raise CheckError(
            f"{split.ref}: fold {partition} has {len(rows)} validation samples, two are needed to "
            "compare Core ML with Keras",
            "nothing was published; train on more data",
        )
    rows = rows[np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).astype(int)]
    return {name: data.arrays.take(name, rows).astype(np.float32) for name in names}


def _scale_and_spread(
    network: Any, contract: Any, samples: dict[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Scale of every output, and its standard deviation over the samples.

    The scale is that of the targets where the contract has one, else the root mean square.
    """
    import keras

    feed = {}
    for name, values in samples.items():
        entry = contract.inputs.get(name)
        feed[name] = values * entry.scale + entry.offset if entry else values
    found = {}
    for name, tensor in network(feed, training=False).items():
        values = np.asarray(keras.ops.convert_to_numpy(tensor), np.float64)
        spread = values.std(axis=0).ravel()
        entry = contract.outputs.get(name)
        if entry:
            unit = np.asarray(entry.scale, np.float64)
            found[name] = (float(unit.mean()), float((spread * unit).mean()))
        else:
            found[name] = (float(np.sqrt((values**2).mean())), float(spread.mean()))
    return found


def require_parity(parity: Mapping[str, Mapping[str, float]]) -> None:
    """Refuse an export that differs from Keras, or a model on which none would show.

    Parameters
    ----------
    parity
        Output to ``max``, ``relative`` (difference by scale) and ``discriminates``.

    Raises
    ------
    CheckError
        Naming the output and the figures.
    """
    for name, entry in parity.items():
        if not entry["relative"] <= TOLERANCE:
            raise CheckError(
                f"Core ML and Keras differ on output {name}: at most {entry['max']:.4g}, which is "
                f"{entry['relative']:.2g} of its scale ({TOLERANCE} is allowed)",
                "nothing was published; retrain, or look for values beyond float16",
            )
        if entry["discriminates"] < DISCRIMINATING:
            raise CheckError(
                f"not discriminating: output {name} varies by {entry['discriminates']:.2g} of its "
                f"scale over the validation samples ({DISCRIMINATING} is needed), so that parity "
                "would prove nothing",
                "nothing was published; train the model longer or on more data",
            )


def export_head(root: Path, head: Artifact, *, force: bool = False) -> Outcome:
    """Publish the Core ML model that a user's head already carries."""
    manifest = head.manifest
    work = Work("export coreml", "coreml", manifest.task, manifest.name, {}, {"head": head})

    def build(folder: Path) -> Built:
        shutil.copytree(head.path / "head.mlpackage", folder / PACKAGE)
        return Built(summary={"package": PACKAGE})

    return run_stage(root, work, build, force=force)
