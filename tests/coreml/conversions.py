"""A converted package beside its Keras model: the gap between them, in standard deviations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.coreml.contract import Contract, Form, scaled
from eyecli.coreml.convert import convert
from eyecli.coreml.graph import apply, functional, named

FP32 = Form(precision="fp32", images=False)
FP16 = Form(images=False)
# Of an output's standard deviation over the samples, as issue 5 has it.
TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2}


def channels_first(values: Any) -> Any:
    return np.moveaxis(values, -1, 1) if values.ndim > 3 else values


def draw(model: Any, count: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw samples that differ in level and contrast, so that outputs spread."""
    random, feed = np.random.default_rng(seed), {}
    for name, tensor in named(model.input, model.inputs).items():
        shape = (count, *tensor.shape[1:])
        if tensor.dtype.startswith("int"):
            feed[name] = random.integers(0, 4, shape).astype(np.int32)
            continue
        level = random.normal(0, 1, (count, *[1] * (len(shape) - 2), shape[-1]))
        feed[name] = (level + random.normal(size=shape)).astype(np.float32)
    return feed


def gaps(
    model: Any,
    path: Path,
    contract: Contract,
    feed: Mapping[str, np.ndarray],
    half: bool = False,
) -> dict[str, float]:
    """Largest difference of every output, by its standard deviation over the samples."""
    from eyecli.coreml.interpreter import run

    entries = {name: scaled(v, contract.inputs.get(name)) for name, v in feed.items()}
    exported = run(path, {n: channels_first(v) for n, v in feed.items()}, half)
    found = {}
    for name, tensor in apply(functional(model), entries).items():
        values = np.asarray(tensor)
        wanted = channels_first(scaled(values, contract.outputs.get(name)))
        spread = float(wanted.std(axis=0).mean())
        assert spread > 0
        found[name] = float(np.abs(exported[name].reshape(wanted.shape) - wanted).max()) / spread
    return found


def converted_gap(
    model: Any,
    path: Path,
    contract: Contract = Contract(),  # noqa: B008
    form: Form = FP32,
    reference: Any = None,
    feed: Mapping[str, np.ndarray] | None = None,
) -> float:
    """Convert a model and compare it with Keras, or with another model of the same inputs."""
    convert(model, contract, path, form)
    half = form.precision == "fp16"
    samples = draw(functional(model)) if feed is None else feed
    return max(gaps(reference or model, path, contract, samples, half).values())
