"""Compare a saved ML Program, executed in NumPy, with the Keras model it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.coreml.convert import Contract, apply
from eyecli.coreml.interpreter import run
from eyecli.errors import CheckError, DataError

Array = np.ndarray


@dataclass(frozen=True)
class Difference:
    """Absolute difference between Core ML and Keras on one output, in that output's unit."""

    max: float
    mean: float


def compare(
    model: Any, path: Path, contract: Contract, samples: Mapping[str, Array], half: bool = False
) -> dict[str, Difference]:
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
    dict of str to Difference
        For every output, over all samples and channels.

    Raises
    ------
    CheckError
        If the package holds an operation that is not known here, or an output is not finite.
    DataError
        If the package is damaged, or there are no samples.
    """
    import keras

    feed = {
        k: _scaled(np.asarray(v, np.float32), contract.inputs.get(k)) for k, v in samples.items()
    }
    if not feed or not all(len(v) for v in feed.values()):
        raise DataError("no samples to compare Keras and Core ML on")
    reference = apply(model, feed)
    # Overflow is found below, in the outputs.
    with np.errstate(over="ignore", invalid="ignore"):
        exported = run(path, {k: _channels_first(np.asarray(v)) for k, v in samples.items()}, half)
    differences = {}
    for name, values in reference.items():
        expected = keras.ops.convert_to_numpy(values).astype(np.float64)
        expected = _channels_first(_scaled(expected, contract.outputs.get(name)))
        if not np.isfinite(exported[name]).all():
            raise CheckError(f"{path}: output {name} is not finite", "its values exceed float16")
        gap = np.abs(exported[name].reshape(expected.shape) - expected)
        differences[name] = Difference(float(gap.max()), float(gap.mean()))
    return differences


def _scaled(values: Array, unit: Any) -> Array:
    """Apply the scaling of a contract's entry on the last axis."""
    if unit is None:
        return values
    return (values * np.asarray(unit.scale) + np.asarray(unit.offset)).astype(values.dtype)


def _channels_first(values: Array) -> Array:
    return np.moveaxis(values, -1, 1) if values.ndim == 4 else values
