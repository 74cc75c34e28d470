"""Compare a saved Core ML package with the Keras model that it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.coreml.contract import PROBABILITIES, Contract, scaled
from eyecli.coreml.graph import apply, named
from eyecli.coreml.interpreter import before_activation, run
from eyecli.coreml.judgement import CLASS_LOGITS, LOGITS
from eyecli.coreml.logits import logits_model
from eyecli.errors import CheckError, DataError
from eyecli.mlprogram import read_coreml

Array = np.ndarray
# Keras keeps what every layer gave: 200 pictures of 224 pixels at once took 18 GB.
BATCH = 8


@dataclass(frozen=True)
class Agreement:
    """How far Core ML and Keras agree on one output, over all samples.

    Attributes
    ----------
    max, mean
        Absolute difference, in `unit`.
    unit
        That of the contract; ``logits`` for an output with classes, whose probabilities would
        hide differences where they saturate; empty where there is none.
    scale
        What `max` is judged against: for classes the standard deviation of the logits over the
        samples (mean over the classes), for a value with a unit that of the targets in training,
        else the output's root mean square.
    spread
        Standard deviation over the samples, mean over the channels, in `unit`.
    top1
        Share of the samples of which both name the same class, or reach as many boundaries
        between ordered classes; None without either.
    commonest
        Share of the samples in the class that Keras names most often; None without classes.
    """

    max: float
    mean: float
    unit: str
    scale: float
    spread: float
    top1: float | None = None
    commonest: float | None = None

    @property
    def relative(self) -> float:
        """Largest difference as a share of the scale."""
        return self.max / self.scale if self.scale else float("inf")


def compare(
    model: Any, path: Path, contract: Contract, samples: Mapping[str, Array], half: bool = False
) -> dict[str, Agreement]:
    """Run the same samples through a Keras model and its saved Core ML package.

    Parameters
    ----------
    model
        The Keras model that was converted, unchanged: the scalings that were folded into the
        package are applied around it, so that a wrong folding shows.
    path
        The `.mlpackage` folder.
    contract
        The contract of the conversion.
    samples
        Inputs in the contract's units (pixels 0..255 for images), channels last, by name.
    half
        Round the result of every operation to float16, see `run`.

    Returns
    -------
    dict of str to Agreement
        For every output, over all samples and channels.

    Raises
    ------
    CheckError
        If the package holds an operation that is not known here, or an output is not finite.
    DataError
        If the package is damaged, or there are no samples.
    """
    if not samples or not all(len(v) for v in samples.values()):
        raise DataError("no samples to compare Keras and Core ML on")
    wanted = {name: _place(path, name, contract) for name in named(model.output, model.outputs)}
    # Overflow is found below, in the outputs.
    with np.errstate(over="ignore", invalid="ignore"):
        feed = {k: channels_first(np.asarray(v)) for k, v in samples.items()}
        exported = run(path, feed, half, also=tuple(wanted.values()))
    found = {}
    for name, values in reference(model, contract, samples).items():
        expected = channels_first(values)
        got = exported[wanted[name]].reshape(expected.shape)
        found[name] = agreement(f"output {name}", expected, got, contract.outputs.get(name))
    return found


def reference(
    model: Any, contract: Contract, samples: Mapping[str, Array]
) -> dict[str, np.ndarray]:
    """Apply a Keras model to samples in the contract's units.

    Parameters
    ----------
    model, contract, samples
        As for `compare`.

    Returns
    -------
    dict of str to numpy.ndarray
        Outputs (n, ...) by name, channels last, float64, in the contract's units; logits for
        outputs with classes.
    """
    import keras

    classes = [name for name, entry in contract.outputs.items() if entry.classes]
    network = logits_model(model, classes) if classes else model
    kinds = {name: tensor.dtype for name, tensor in named(model.input, model.inputs).items()}
    feed = {k: scaled(np.asarray(v, kinds[k]), contract.inputs.get(k)) for k, v in samples.items()}
    pieces: dict[str, list[Array]] = {}
    for start in range(0, len(next(iter(feed.values()))), BATCH):
        batch = {k: v[start : start + BATCH] for k, v in feed.items()}
        for name, values in apply(network, batch).items():
            pieces.setdefault(name, []).append(keras.ops.convert_to_numpy(values))
    found = {name: np.concatenate(arrays).astype(np.float64) for name, arrays in pieces.items()}
    return {
        name: array if name in classes else scaled(array, contract.outputs.get(name))
        for name, array in found.items()
    }


def agreement(name: str, expected: Array, got: Array, entry: Any) -> Agreement:
    """Compare two arrays of one output.

    Parameters
    ----------
    name
        What they are, for a message.
    expected, got
        (n, channels, ...) of Keras and of Core ML, in the output's unit, or logits.
    entry
        The contract's `Output`, or None.

    Raises
    ------
    CheckError
        If Core ML's is not finite.
    """
    if not np.isfinite(got).all():
        raise CheckError(f"{name} is not finite in Core ML", "its values exceed float16")
    gap = np.abs(got.astype(np.float64) - expected)
    spread = float(expected.std(axis=0).mean())
    if entry is not None and entry.classes:
        ours, theirs = predicted(expected), predicted(got)
        return Agreement(
            float(gap.max()), float(gap.mean()), LOGITS, spread, spread,
            top1=float((ours == theirs).mean()),
            commonest=float(np.bincount(ours).max() / len(ours)),
        )  # fmt: skip
    if entry is not None and entry.unit in (LOGITS, CLASS_LOGITS):
        decided = reached if entry.unit == LOGITS else predicted
        ours, theirs = decided(expected), decided(got)
        return Agreement(
            float(gap.max()), float(gap.mean()), LOGITS, spread, spread,
            top1=float((ours == theirs).mean()),
        )  # fmt: skip
    scale = float(np.sqrt((expected**2).mean()))
    if entry is not None:
        scale = float(np.asarray(entry.scale, np.float64).mean())
    unit = (entry.unit if entry is not None else None) or ""
    return Agreement(float(gap.max()), float(gap.mean()), unit, scale, spread)


def predicted(logits: Array) -> Array:
    """Name the class of every sample: the largest logit, or the sign of a single one."""
    flat = logits.reshape(len(logits), -1)
    return flat.argmax(axis=1) if flat.shape[1] > 1 else (flat[:, 0] > 0).astype(int)


def reached(logits: Array) -> Array:
    """Count the boundaries between ordered classes that every sample is more likely above."""
    return (logits.reshape(len(logits), -1) > 0).sum(axis=1)


def channels_first(values: Array) -> Array:
    """Put the channels of images and volumes where the program has them."""
    return np.moveaxis(values, -1, 1) if values.ndim in (4, 5) else values


def _place(path: Path, name: str, contract: Contract) -> str:
    """Find the value of the program to compare: the output, or the logits that it comes from."""
    entry = contract.outputs.get(name)
    if entry is None or not entry.classes:
        return name
    there = {feature.name for feature in read_coreml(path).description.output}
    output = name if name in there else PROBABILITIES  # a classifier names its own outputs
    return before_activation(path, output) or output
