"""Programs of one operation, and saved packages, for the tests of the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.coreml.interpreter.plan import execute, prepare
from eyecli.coreml.interpreter.rounding import real
from eyecli.lazy import coremltools


def float32(values: Any) -> np.ndarray:
    return np.array(values, np.float32)


def int32(values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def int8(values: Any) -> np.ndarray:
    return np.array(values, np.int8)


def uint8(values: Any) -> np.ndarray:
    return np.array(values, np.uint8)


def uint32(values: Any) -> np.ndarray:
    return np.array(values, np.uint32)


def build(function: Callable[..., Any], inputs: Mapping[str, np.ndarray], target: str) -> Any:
    """A PyMIL program; its inputs are arguments of the function by position."""
    ct = coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    specs = [
        mb.TensorSpec(v.shape, dtype=types.numpy_type_to_builtin_type(v.dtype))
        for v in inputs.values()
    ]

    # The builder names inputs after the arguments.
    scope: dict[str, Any] = {"function": function}
    exec(f"def named({', '.join(inputs)}): return function({', '.join(inputs)})", scope)
    opset = getattr(ct.target, target)
    return mb.program(input_specs=specs, opset_version=opset)(scope["named"])


def mil(
    kind: str,
    inputs: Mapping[str, np.ndarray],
    constants: Mapping[str, Any] | None = None,
    half: bool = False,
    target: str = "iOS18",
) -> Any:
    """Execute one operation: one array, or a tuple of them."""
    coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    def one(*variables: Any) -> Any:
        given: dict[str, Any] = dict(zip(inputs, variables, strict=True))
        listed = [given.pop(name) for name in list(given) if name.startswith("values_")]
        if listed:
            given["values"] = listed
        return getattr(mb, kind)(**given, **(constants or {}))

    return evaluate(one, inputs, half, target)


def evaluate(
    function: Callable[..., Any],
    inputs: Mapping[str, np.ndarray],
    half: bool = False,
    target: str = "iOS18",
) -> Any:
    """Build and execute a program, without saving it; results as those of `mil`."""
    block = build(function, inputs, target).functions["main"]
    values: dict[Any, Any] = {}
    plan = prepare(block, half, values)
    for var in plan.inputs:
        values[var] = real(inputs[var.name], half)
    with np.errstate(all="ignore"):
        execute(plan, values)
    results = tuple(values[var] for var in plan.outputs)
    return results if len(results) > 1 else results[0]


def save(
    function: Callable[..., Any],
    inputs: Mapping[str, np.ndarray],
    path: Path,
    target: str = "iOS18",
    precision: str = "FLOAT32",
    **options: Any,
) -> Path:
    """Build, convert and save a program."""
    ct = coremltools()
    model = ct.convert(
        build(function, inputs, target),
        convert_to="mlprogram",
        minimum_deployment_target=getattr(ct.target, target),
        compute_precision=getattr(ct.precision, precision),
        skip_model_load=True,
        **options,
    )
    model.save(str(path))
    return path
