"""ML Programs as the rules see them: operations with types, constants and who makes what."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from eyecli.mlprogram import block_of, coreml_messages, programs

# Struct codes of what MIL stores as bytes.
_CODES = {"FLOAT16": "e", "INT8": "b", "UINT8": "B", "INT16": "h", "UINT16": "H"}
_BITS = {"BOOL": 8, "STRING": 0}


@dataclass(frozen=True)
class Tensor:
    """Type of a value: MIL data type (``FLOAT16``) and shape, None where a size is not fixed."""

    dtype: str
    shape: tuple[int | None, ...]

    @property
    def elements(self) -> int:
        """How many elements, a size that is not fixed counted as one."""
        return math.prod(size or 1 for size in self.shape)

    @property
    def bytes(self) -> int:
        """Size in memory."""
        digits = "".join(c for c in self.dtype.partition("E")[0] if c.isdigit())
        bits = _BITS.get(self.dtype, int(digits or 0))
        return -(-self.elements * bits // 8)


UNTYPED = Tensor("UNUSED_TYPE", ())


@dataclass(frozen=True)
class Op:
    """One operation as the rules see it.

    Attributes
    ----------
    kind, name, function
        ``conv``, its name in the program, and the function it belongs to.
    inputs
        Parameter to the types of its arguments.
    outputs
        Types of its results.
    constants
        Parameter to its value, where that is a small constant.
    arguments
        Parameter to the names of its arguments; empty where the value is given in place.
    results
        Names of its results.
    fixed
        Parameters whose arguments are all constants, stored or decompressed.
    """

    kind: str
    name: str
    function: str
    inputs: Mapping[str, tuple[Tensor, ...]]
    outputs: tuple[Tensor, ...]
    constants: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    results: tuple[str, ...] = ()
    fixed: frozenset[str] = frozenset()

    def shape(self, parameter: str) -> tuple[int | None, ...]:
        """Shape of a parameter's first argument, empty without one."""
        bound = self.inputs.get(parameter)
        return bound[0].shape if bound else ()

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """Types of results and of the arguments that are no constants; none of what makes a weight.

        A palette of iOS 18 has a rank of 6 for a convolution's weight, which says nothing of what
        the engine works on.
        """
        if self.decompresses:
            return ()
        moving = (t for p, group in self.inputs.items() if p not in self.fixed for t in group)
        return (*self.outputs, *moving)

    @property
    def decompresses(self) -> bool:
        """Whether it makes a weight of what is stored, before the program runs."""
        return self.kind.startswith("constexpr_")


@dataclass(frozen=True)
class Feature:
    """An input or output of a model as an app sees it.

    Attributes
    ----------
    name
        Its name.
    kind
        ``image``, ``FLOAT16`` and so on for arrays, else ``string``, ``dictionary``...
    shape
        Shape of an array, or channels, height and width of an image.
    flexible
        ``enumerated`` or ``range`` where the shape may change.
    """

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    flexible: str | None = None


@dataclass(frozen=True)
class Graph:
    """One function of one program.

    Attributes
    ----------
    part, function
        Part of a pipeline ("" without one) and name of the function.
    specification
        Version of the model's specification.
    ops
        Operations in program order, those of nested blocks after their owner, without constants.
    inputs, outputs
        What an app gives and gets.
    results
        Names of the values that the function returns.
    weights
        Bytes of every constant by where it is stored: file and offset, or its own name.
    """

    part: str
    function: str
    specification: int
    ops: tuple[Op, ...]
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    results: frozenset[str]
    weights: Mapping[tuple[str, ...], int]

    def producers(self) -> dict[str, Op]:
        """Operation by the name of its result."""
        return {name: op for op in self.ops for name in op.results}


def graphs(spec: Any) -> list[Graph]:
    """Give every function of every program of a model.

    Parameters
    ----------
    spec
        The protobuf message `Model`.

    Returns
    -------
    list of Graph
        By part, then by name of the function.
    """
    return [
        _graph(part, name, model)
        for part, model in programs(spec)
        for name in sorted(model.mlProgram.functions)
    ]


def _graph(part: str, name: str, model: Any) -> Graph:
    message = model.mlProgram.functions[name]
    described = [f for f in model.description.functions if f.name == name] or [model.description]
    block = block_of(message)
    walk = _Walk(name, {i.name: _tensor(i.type) for i in message.inputs})
    ops = tuple(walk.block(block))
    special = {model.description.predictedFeatureName, model.description.predictedProbabilitiesName}
    return Graph(
        part,
        name,
        model.specificationVersion,
        ops,
        tuple(_feature(f) for f in described[0].input),
        tuple(_feature(f) for f in described[0].output if f.name not in special),
        frozenset(block.outputs),
        walk.weights,
    )


class _Walk:
    """What is known of the values of a function while its blocks are read."""

    def __init__(self, function: str, types: dict[str, Tensor]) -> None:
        self.function = function
        self.types = types
        self.values: dict[str, Any] = {}
        self.fixed: set[str] = set()
        self.weights: dict[tuple[str, ...], int] = {}

    def block(self, block: Any) -> Iterator[Op]:
        self.types.update({i.name: _tensor(i.type) for i in block.inputs})
        for op in block.operations:
            outputs = tuple(_tensor(o.type) for o in op.outputs)
            results = tuple(o.name for o in op.outputs)
            self.types.update(zip(results, outputs, strict=True))
            if op.type == "const":
                self.fixed.update(results)
                self.values[results[0]] = self._stored(op.attributes["val"], results[0])
                continue
            yield self._op(op, results, outputs)
            for inner in op.blocks:
                yield from self.block(inner)

    def _op(self, op: Any, results: tuple[str, ...], outputs: tuple[Tensor, ...]) -> Op:
        name = _value(op.attributes["name"]) if "name" in op.attributes else None
        name = name or (results[0] if results else op.type)
        inputs, known, arguments, fixed = {}, {}, {}, set()
        for parameter, argument in op.inputs.items():
            bound = [self._binding(b, f"{name}/{parameter}") for b in argument.arguments]
            inputs[parameter] = tuple(tensor for tensor, _, _ in bound)
            named = [b.name for b in argument.arguments if b.WhichOneof("binding") == "name"]
            arguments[parameter] = tuple(named)
            if len(bound) == 1 and bound[0][1] is not None:
                known[parameter] = bound[0][1]
            if bound and all(constant for _, _, constant in bound):
                fixed.add(parameter)
        for parameter, value in op.attributes.items():
            # In iOS 16, what decompresses a weight has its data in attributes.
            if op.type.startswith("constexpr_") and parameter != "name":
                inputs[parameter] = (_tensor(value.type),)
                known[parameter] = self._stored(value, f"{name}/{parameter}")
                fixed.add(parameter)
        if op.type.startswith("constexpr_"):
            self.fixed.update(results)
        return Op(op.type, name, self.function, inputs, outputs, known, arguments, results,
                  frozenset(fixed))  # fmt: skip

    def _binding(self, bound: Any, name: str) -> tuple[Tensor, Any, bool]:
        """Resolve an argument, given by name or in place: type, small value, constant or not."""
        if bound.WhichOneof("binding") == "name":
            known = bound.name in self.fixed
            return self.types.get(bound.name, UNTYPED), self.values.get(bound.name), known
        return _tensor(bound.value.type), self._stored(bound.value, name), True

    def _stored(self, value: Any, name: str) -> Any:
        """Note the size of a constant and return its value if that is small."""
        tensor = _tensor(value.type)
        blob = value.blobFileValue
        stored = value.WhichOneof("value") == "blobFileValue"
        place = (blob.fileName, str(blob.offset)) if stored else (name,)
        self.weights[place] = tensor.bytes
        return _value(value)


def _feature(message: Any) -> Feature:
    kind = message.type.WhichOneof("Type")
    held: Any = getattr(message.type, kind) if kind else None
    if kind == "imageType":
        flexible = held.WhichOneof("SizeFlexibility")
        shape = (1, held.height, held.width)
        return Feature(message.name, "image", shape, _flexible(flexible))
    if kind in ("multiArrayType", "stateType"):
        array = held if kind == "multiArrayType" else held.arrayType
        flexible = array.WhichOneof("ShapeFlexibility")
        dtype = array.ArrayDataType.Name(array.dataType)
        return Feature(message.name, dtype, tuple(array.shape), _flexible(flexible))
    return Feature(message.name, (kind or "unknown").removesuffix("Type"))


def _flexible(word: str | None) -> str | None:
    if word is None:
        return None
    return "enumerated" if word.startswith("enumerated") else "range"


def _tensor(value_type: Any) -> Tensor:
    """Read a `ValueType`; lists, dictionaries and states have their own word and no shape."""
    kind = value_type.WhichOneof("type")
    if kind == "stateType":
        return _tensor(value_type.stateType.wrappedType)
    if kind != "tensorType":
        return Tensor(str(kind), ())
    tensor = value_type.tensorType
    dtype = coreml_messages("MIL_pb2").DataType.Name(tensor.dataType)
    shape = (
        d.constant.size if d.WhichOneof("dimension") == "constant" else None
        for d in tensor.dimensions
    )
    return Tensor(dtype, tuple(shape))


def _value(value: Any) -> Any:
    """Read an immediate value: a scalar, a list, or None for blobs and the rest."""
    if value.WhichOneof("value") != "immediateValue":
        return None
    if value.immediateValue.WhichOneof("value") != "tensor":
        return None
    tensor = value.immediateValue.tensor
    kind = tensor.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(tensor, kind).values
    if kind == "bytes":
        code = _CODES.get(_tensor(value.type).dtype)
        size = struct.calcsize(code) if code else 0
        if not size or not held or len(held) % size:
            return None
        held = struct.unpack(f"<{len(held) // size}{code}", held)
    values = list(held)
    scalar = not value.type.tensorType.rank and len(values) == 1
    return values[0] if scalar else values
