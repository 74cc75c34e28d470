"""Milliseconds a sample, and peak memory, of the parity interpreter beside Keras on the CPU."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from eyecli.coreml.interpreter import run
from eyecli.lazy import coremltools

SAMPLES = 4


def package(model: keras.Model, path: Path) -> Path:
    ct = coremltools()
    shape = (1, *model.inputs[0].shape[1:])
    converted = ct.convert(
        model,
        inputs=[ct.TensorType(name="x", shape=shape)],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )
    converted.save(str(path))
    return path


def seconds_a_sample(path: Path, x: np.ndarray, half: bool) -> tuple[float, float]:
    """Return the time of one sample more, and that of everything before the first."""
    times = []
    for count in (1, SAMPLES):
        started = time.perf_counter()
        run(path, {"x": x[:count]}, half)
        times.append(time.perf_counter() - started)
    each = (times[1] - times[0]) / (SAMPLES - 1)
    return each, times[0] - each


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("name", "side"), [("Xception", 299), ("MobileNetV2", 224), ("ResNet50", 224)]
)
def test_milliseconds_a_sample(name: str, side: int, tmp_path: Path) -> None:
    inputs = keras.Input((side, side, 3), name="x")
    model = getattr(keras.applications, name)(weights=None, input_tensor=inputs)
    x = np.random.default_rng(0).uniform(-1, 1, (SAMPLES, side, side, 3)).astype(np.float32)
    path = package(model, tmp_path / "m.mlpackage")
    single, start = seconds_a_sample(path, x, half=False)
    half, _ = seconds_a_sample(path, x, half=True)
    model.predict(x[:1], verbose=0)
    started = time.perf_counter()
    for sample in x:
        model.predict(sample[None], verbose=0)
    theirs = (time.perf_counter() - started) / SAMPLES
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\n{name} {side} px: {1e3 * single:.0f} ms a sample in float32, {1e3 * half:.0f} ms in "
        f"emulated float16, {start:.1f} s before the first; Keras {1e3 * theirs:.0f} ms, ratio "
        f"{single / theirs:.1f}; the process had {peak:.0f} MB at most, Keras included"
    )
    assert single < 4 * theirs
