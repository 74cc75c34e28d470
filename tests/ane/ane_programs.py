"""Programs written as messages, so that they may break any rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eyecli.coreml import package, proto
from eyecli.mlprogram import coreml_messages

FLOATS = {"FLOAT16", "FLOAT32"}


@dataclass
class Step:
    """One operation.

    `inputs` are activations by parameter, given as shape, shape and type, or the name of an
    earlier result; `weights` are constants without content, `constants` small ones with it.
    `attributes` are constants of an operation that decompresses.
    """

    kind: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    output: Sequence[int | None] = (1, 16, 8, 32)
    dtype: str = "FLOAT16"
    blocks: Sequence[Sequence[Step]] = ()
    name: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


def set_type(target: Any, shape: Sequence[int | None], dtype: str) -> None:
    target.tensorType.dataType = coreml_messages("MIL_pb2").DataType.Value(dtype)
    if shape:
        proto.set_shape(target, [size or 0 for size in shape])
        for dimension, size in zip(target.tensorType.dimensions, shape, strict=True):
            if size is None:
                dimension.unknown.variadic = False


def typed(given: Any) -> tuple[Sequence[int | None], str]:
    """Tell a shape from a shape with its type."""
    if len(given) == 2 and isinstance(given[1], str):
        return given
    return given, "FLOAT16"


def _constant(block: Any, name: str, value: Any) -> None:
    op = block.operations.add(type="const")
    op.outputs.add(name=name)
    held = op.attributes["val"]
    many = isinstance(value, list)
    first = value[0] if many else value
    word, dtype = {
        str: ("strings", "STRING"),
        float: ("floats", "FLOAT16"),
        bool: ("bools", "BOOL"),
        int: ("ints", "INT32"),
    }[type(first)]
    for target in (op.outputs[0].type, held.type):
        set_type(target, [len(value)] if many else [], dtype)
    getattr(held.immediateValue.tensor, word).values.extend(value if many else [value])


def _empty(block: Any, name: str, given: Any) -> None:
    shape, dtype = typed(given)
    op = block.operations.add(type="const")
    op.outputs.add(name=name)
    set_type(op.outputs[0].type, shape, dtype)
    set_type(op.attributes["val"].type, shape, dtype)
    op.attributes["val"].immediateValue.tensor.bytes.values = b""


def fill(function: Any, block: Any, steps: Sequence[Step], prefix: str) -> None:
    """Add operations to a block, and what they read to the inputs of its function."""
    for i, step in enumerate(steps):
        name = step.name or f"{prefix}{i}_{step.kind}"
        bound: dict[str, list[str]] = {}
        for parameter, given in step.inputs.items():
            for n, one in enumerate(given if isinstance(given, list) else [given]):
                made = one if isinstance(one, str) else f"{name}_{parameter}{n}"
                bound.setdefault(parameter, []).append(made)
                if not isinstance(one, str):
                    set_type(function.inputs.add(name=made).type, *typed(one))
        for parameter, given in step.weights.items():
            if isinstance(given, str):
                bound[parameter] = [given]
                continue
            _empty(block, f"{name}_{parameter}", given)
            bound[parameter] = [f"{name}_{parameter}"]
        for parameter, value in step.constants.items():
            _constant(block, f"{name}_{parameter}", value)
            bound[parameter] = [f"{name}_{parameter}"]
        op = block.operations.add(type=step.kind)
        for parameter, names in bound.items():
            for made in names:
                op.inputs[parameter].arguments.add(name=made)
        op.outputs.add(name=name)
        set_type(op.outputs[0].type, step.output, step.dtype)
        op.attributes["name"].immediateValue.tensor.strings.values.append(name)
        for parameter, given in step.attributes.items():
            set_type(op.attributes[parameter].type, *typed(given))
            op.attributes[parameter].immediateValue.tensor.bytes.values = b""
        for j, inner in enumerate(step.blocks):
            fill(function, op.blocks.add(), inner, f"{name}_{j}_")


def model(*steps: Step, **functions: Sequence[Step]) -> Any:
    """Make a model with these operations in `main`, and further functions by name."""
    spec = coreml_messages("Model_pb2").Model(specificationVersion=9)
    for name, program in {"main": steps, **functions}.items():
        function = spec.mlProgram.functions[name]
        function.opset = "CoreML8"
        fill(function, function.block_specializations["CoreML8"], program, f"{name}_")
    return spec


def write(folder: Path, *steps: Step, **functions: Sequence[Step]) -> Path:
    """Write a package with these operations in `main`, and further functions by name."""
    return save(folder, model(*steps, **functions))


def save(folder: Path, spec: Any) -> Path:
    return package.write(folder / "made.mlpackage", proto.serialise(spec))


def describe(spec: Any, name: str, kind: str, shape: Sequence[int] = (), flexible: str = "") -> Any:
    """Tell an app of an input: an image, an array of this type, or another kind; return it."""
    feature = spec.description.input.add(name=name)
    if kind == "image":
        image = feature.type.imageType
        image.height, image.width = shape
        if flexible == "enumerated":
            image.enumeratedSizes.sizes.add(height=shape[0], width=shape[1])
        return spec
    if kind in ("string", "double"):
        getattr(feature.type, f"{kind}Type").SetInParent()
        return spec
    array = feature.type.multiArrayType
    array.shape.extend(shape)
    array.dataType = array.ArrayDataType.Value(kind)
    if flexible == "enumerated":
        array.enumeratedShapes.shapes.add(shape=shape)
    elif flexible == "range":
        for size in shape:
            array.shapeRange.sizeRanges.add(lowerBound=1, upperBound=size)
    return spec
