"""Networks as coremltools converts them, not as we write them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from eyecli.ane.check import check
from eyecli.ane.report import Report, decisive
from eyecli.lazy import coremltools


def built(path: Path, shapes: dict[str, tuple[int, ...]], program: Any) -> Report:
    """Convert what the MIL builder makes of a function, and check it."""
    ct = coremltools()
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import types

    specs = [Builder.TensorSpec(shape=shape, dtype=types.fp16) for shape in shapes.values()]
    made = Builder.program(input_specs=specs, opset_version=ct.target.iOS17)(program(Builder))
    model = ct.convert(made, convert_to="mlprogram", skip_model_load=True,
                       compute_precision=ct.precision.FLOAT16,
                       minimum_deployment_target=ct.target.iOS17)  # fmt: skip
    model.save(str(path))
    return check(path)


def finding(report: Report, kind: str) -> tuple[str, str, str | None]:
    """Give status, deciding rule and fix of the operations of a kind, which agree."""
    (found,) = {
        (v.status, decisive(v).rule, decisive(v).fix) for v in report.verdicts if v.op == kind
    }
    return found


def test_a_3_d_network(tmp_path: Path) -> None:
    import numpy as np

    def program(mb: Any) -> Any:
        weight = np.ones((8, 4, 3, 3, 3), np.float16)

        def volume(x: Any) -> Any:
            return mb.relu(x=mb.conv(x=x, weight=weight, pad_type="same", name="cube"))

        return volume

    report = built(tmp_path / "m.mlpackage", {"x": (1, 4, 8, 16, 32)}, program)
    status, rule, fix = finding(report, "conv")
    assert (status, rule) == ("ineligible", "C01")
    assert "fold the third axis" in str(fix)
    assert finding(report, "relu")[0] == "eligible"
    assert report.worst == "ineligible"
    assert report.eligible_flops < 0.01


def test_an_lstm(tmp_path: Path) -> None:
    import numpy as np

    def program(mb: Any) -> Any:
        def cell(x: Any) -> Any:
            zero = np.zeros((1, 8), np.float16)
            ys, _, _ = mb.lstm(
                x=x,
                initial_h=zero,
                initial_c=zero,
                weight_ih=np.ones((32, 4), np.float16),
                weight_hh=np.ones((32, 8), np.float16),
                direction="forward",
                output_sequence=True,
            )
            return ys

        return cell

    report = built(tmp_path / "m.mlpackage", {"x": (10, 1, 4)}, program)
    assert finding(report, "lstm") == ("ineligible", "V03", "a convolution over time")
    assert report.eligible_flops == 0.0


def test_a_compressed_network(tmp_path: Path) -> None:
    ct = coremltools()
    import coremltools.optimize.coreml as cto
    import numpy as np

    def program(mb: Any) -> Any:
        weight = np.random.default_rng(0).normal(size=(64, 64, 3, 3)).astype(np.float16)
        return lambda x: mb.conv(x=x, weight=weight, pad_type="same")

    path = tmp_path / "m.mlpackage"
    before = built(path, {"x": (1, 64, 8, 32)}, program)
    model = ct.models.MLModel(str(path), skip_model_load=True)
    config = cto.OptimizationConfig(cto.OpPalettizerConfig(nbits=4, mode="kmeans"))
    cto.palettize_weights(model, config).save(str(tmp_path / "p.mlpackage"))
    report = check(tmp_path / "p.mlpackage")
    assert report.histogram == {"constexpr_lut_to_dense": 1, "conv": 1}
    assert report.worst == "eligible"
    assert report.segments == 1
    assert report.weight_bytes < before.weight_bytes / 3.5
    assert report.working_set == before.working_set


@pytest.mark.parametrize("kind", ["per_tensor", "per_grouped_channel", "int8"])
def test_a_network_compressed_for_ios_18(tmp_path: Path, kind: str) -> None:
    ct = coremltools()
    import coremltools.optimize.coreml as cto
    import numpy as np
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import types

    weight = np.random.default_rng(0).normal(size=(64, 64, 3, 3)).astype(np.float16)
    inputs = [Builder.TensorSpec(shape=(1, 64, 8, 32), dtype=types.fp16)]
    program = Builder.program(input_specs=inputs, opset_version=ct.target.iOS18)(
        lambda x: Builder.conv(x=x, weight=weight, pad_type="same")
    )
    model = ct.convert(program, convert_to="mlprogram", skip_model_load=True,
                       minimum_deployment_target=ct.target.iOS18)  # fmt: skip
    if kind == "int8":
        quantizer = cto.OpLinearQuantizerConfig(dtype="int8")
        made = cto.linear_quantize_weights(model, cto.OptimizationConfig(quantizer))
    else:
        palette = cto.OpPalettizerConfig(nbits=4, granularity=kind, group_size=16)
        made = cto.palettize_weights(model, cto.OptimizationConfig(palette))
    made.save(str(tmp_path / "m.mlpackage"))
    report = check(tmp_path / "m.mlpackage")
    assert finding(report, "conv")[0] == "eligible"
    if kind == "int8":
        assert finding(report, "constexpr_blockwise_shift_scale")[:2] == ("conditional", "Q02")
    else:
        assert finding(report, "constexpr_lut_to_dense")[0] == "eligible"
        assert report.worst == "eligible"


def test_25_megabytes_in_half_a_second(tmp_path: Path) -> None:
    """Weights stay on disk: what takes time is the number of operations."""
    import numpy as np

    def program(mb: Any) -> Any:
        def chain(x: Any) -> Any:
            for n in range(60):
                weight = np.full((128, 128, 3, 3), n + 1, np.float16) + np.float16(0.5)
                x = mb.relu(x=mb.conv(x=x, weight=weight, pad_type="same"))
            return x

        return chain

    path = tmp_path / "m.mlpackage"
    report = built(path, {"x": (1, 128, 8, 32)}, program)
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    assert 17e6 < report.weight_bytes < size < 25e6
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        check(path)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5
    assert report.worst == "eligible"


@pytest.mark.slow
def test_xception(tmp_path: Path) -> None:
    """Separable convolutions are eligible; what surrounds them is what costs."""
    import keras

    ct = coremltools()
    network = keras.applications.Xception(weights=None, input_shape=(96, 96, 3), classes=10)
    image = ct.ImageType(name=network.inputs[0].name, shape=(1, 96, 96, 3))
    model = ct.convert(
        network,
        convert_to="mlprogram",
        inputs=[image],
        skip_model_load=True,
        minimum_deployment_target=ct.target.iOS17,
    )
    model.save(str(tmp_path / "m.mlpackage"))
    report = check(tmp_path / "m.mlpackage")
    findings = {f.rule: f for v in report.verdicts for f in v.findings}
    assert report.counts["ineligible"] == 0
    assert finding(report, "conv")[:2] == ("eligible", "V01")
    assert finding(report, "cast")[:2] == ("eligible", "V01")  # the image
    assert finding(report, "softmax")[:2] == ("conditional", "E02")  # over ten classes
    assert "depthwise VALID convolution" in str(findings["P03"].fix)  # the global pool
    assert "1x1 convolution" in str(findings["L03"].fix)  # the dense layer
    assert "channels first" in str(findings["L02"].fix)  # the transpose before the pool
    assert findings["L12"].level == "note"  # weights of over 64 KB
    assert report.segments == 1
    assert {f.rule for graph in report.graphs for f in graph.findings} == {"L01", "L21"}
    start = time.perf_counter()
    check(tmp_path / "m.mlpackage")
    assert time.perf_counter() - start < 0.5
