"""Programs written as messages, so that they may break any rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eyecli.coreml import package, proto
from eyecli.mlprogram import coreml_messages


@dataclass
class Step:
    """One operation: input shapes, constants, output shape and type, nested blocks."""

    kind: str
    inputs: dict[str, Sequence[int]] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    output: Sequence[int] = (1, 4, 8, 8)
    dtype: str = "FLOAT16"
    blocks: Sequence[Sequence[Step]] = ()


def _set_type(target: Any, shape: Sequence[int], dtype: str) -> None:
    target.tensorType.dataType = coreml_messages("MIL_pb2").DataType.Value(dtype)
    if shape:
        proto.set_shape(target, shape)


def _constant(block: Any, name: str, value: Any) -> None:
    op = block.operations.add(type="const")
    op.outputs.add(name=name)
    held = op.attributes["val"]
    many = isinstance(value, list)
    first = value[0] if many else value
    word, dtype = ("strings", "STRING") if isinstance(first, str) else ("ints", "INT32")
    for target in (op.outputs[0].type, held.type):
        _set_type(target, [len(value)] if many else [], dtype)
    getattr(held.immediateValue.tensor, word).values.extend(value if many else [value])


def _fill(block: Any, steps: Sequence[Step], prefix: str) -> None:
    for i, step in enumerate(steps):
        name = f"{prefix}{i}_{step.kind}"
        for parameter, value in step.constants.items():
            _constant(block, f"{name}_{parameter}", value)
        for parameter, shape in step.inputs.items():
            made = block.operations.add(type="const")
            made.outputs.add(name=f"{name}_{parameter}")
            _set_type(made.outputs[0].type, shape, "FLOAT16")
            made.attributes["val"].immediateValue.tensor.bytes.values = b""
        op = block.operations.add(type=step.kind)
        for parameter in (*step.inputs, *step.constants):
            op.inputs[parameter].arguments.add(name=f"{name}_{parameter}")
        op.outputs.add(name=name)
        _set_type(op.outputs[0].type, step.output, step.dtype)
        op.attributes["name"].immediateValue.tensor.strings.values.append(name)
        for j, inner in enumerate(step.blocks):
            _fill(op.blocks.add(), inner, f"{name}_{j}_")


def write(folder: Path, *steps: Step, **functions: Sequence[Step]) -> Path:
    """Write a package with these operations in `main`, and further functions by name."""
    spec = coreml_messages("Model_pb2").Model(specificationVersion=9)
    for name, program in {"main": steps, **functions}.items():
        function = spec.mlProgram.functions[name]
        function.opset = "CoreML8"
        _fill(function.block_specializations["CoreML8"], program, f"{name}_")
    return package.write(folder / "made.mlpackage", proto.serialise(spec))
