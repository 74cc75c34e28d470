"""Static verdict per operation of an ML Program: may the Neural Engine take it?

The words are eligible, conditional, unknown and ineligible. Nothing here says that an operation
will run on the Neural Engine: only a measurement on a device can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eyecli.ane.report import Finding, Report, Verdict
from eyecli.ane.vocabulary import UNKNOWN, VOCABULARY, WORST, Confidence
from eyecli.mlprogram import coreml_messages, read_coreml


@dataclass(frozen=True)
class Tensor:
    """Type of a value: MIL data type (``FLOAT16``) and shape, None where a size is not fixed."""

    dtype: str
    shape: tuple[int | None, ...]


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
    """

    kind: str
    name: str
    function: str
    inputs: Mapping[str, tuple[Tensor, ...]]
    outputs: tuple[Tensor, ...]
    constants: Mapping[str, Any]


Problem = tuple[Literal["conditional", "ineligible"], str]


@dataclass(frozen=True)
class Rule:
    """A rule on the parameters of operations.

    Attributes
    ----------
    id, title
        As in reports.
    applies_to
        Operations, or empty for every one.
    predicate
        Gives the status and the reason where the rule is violated, else None.
    confidence, sources, fix
        See `Finding`.
    """

    id: str
    title: str
    applies_to: frozenset[str]
    predicate: Callable[[Op], Problem | None]
    confidence: Confidence
    sources: tuple[str, ...]
    fix: str


def _float32(op: Op) -> Problem | None:
    wide = {t.dtype for t in op.outputs} & {"FLOAT32", "FLOAT64", "BFLOAT16"}
    return ("ineligible", f"its result is {min(wide).lower()}") if wide else None


def _rank(op: Op) -> Problem | None:
    tensors = [*op.outputs, *(t for group in op.inputs.values() for t in group)]
    rank = max((len(t.shape) for t in tensors), default=0)
    return ("ineligible", f"a tensor of rank {rank}") if rank > 5 else None


def _kernel(op: Op) -> tuple[int | None, ...]:
    weight = op.inputs.get("weight", ())
    return weight[0].shape[2:] if weight else ()


def _conv_rank(op: Op) -> Problem | None:
    size = len(_kernel(op))
    return ("ineligible", f"a {size}-D convolution") if size not in (0, 2) else None


def _conv_kernel(op: Op) -> Problem | None:
    kernel = _kernel(op)
    if len(kernel) != 2 or None in kernel:
        return None
    height, width = int(kernel[0] or 0), int(kernel[1] or 0)
    if width > 13 or height > 29:
        return "ineligible", f"a kernel of {height} x {width}, the limits are 29 x 13"
    return None


def _pool_window(op: Op) -> Problem | None:
    window = [int(k) for k in op.constants.get("kernel_sizes", ())]
    if any(k > 29 for k in window):
        return "ineligible", f"a window of {window}, the limit is 29"
    pad = [int(p) for p in op.constants.get("pad", ())]
    if op.constants.get("pad_type") == "custom" and any(
        p >= window[i // 2] for i, p in enumerate(pad)
    ):
        return "ineligible", f"padding {pad} not smaller than the window {window}"
    extent = op.inputs["x"][0].shape[2:] if op.inputs.get("x") else ()
    if any(e is not None and k >= e > 1 for k, e in zip(window, extent, strict=False)):
        return "conditional", f"the window {window} covers the map {list(extent)}"
    return None


def _pool_stride(op: Op) -> Problem | None:
    stride = max((int(s) for s in op.constants.get("strides", ())), default=1)
    if stride > 4:
        return "ineligible", f"a stride of {stride}"
    return ("conditional", f"a stride of {stride}, above 2") if stride > 2 else None


_POOLS = frozenset({"avg_pool", "max_pool", "l2_pool"})

RULES: tuple[Rule, ...] = (
    Rule(
        "D01",
        "activations are float16",
        frozenset(),
        # The type of a cast is what the vocabulary judges.
        lambda op: None if op.kind == "cast" else _float32(op),
        "high",
        ("A", "B"),
        "export with float16 precision",
    ),
    Rule(
        "S01",
        "rank 5 at most",
        frozenset(),
        _rank,
        "high",
        ("A", "C"),
        "merge axes before this operation",
    ),
    Rule(
        "C01",
        "convolutions are two-dimensional",
        frozenset({"conv", "conv_transpose"}),
        _conv_rank,
        "medium",
        ("C",),
        "fold the third axis into channels or batch; author 1-D ones as (n, c, 1, w)",
    ),
    Rule(
        "C02",
        "kernels of 29 x 13 at most",
        frozenset({"conv"}),
        _conv_kernel,
        "medium",
        ("C", "A", "D"),
        "two smaller kernels in a row",
    ),
    Rule(
        "P01",
        "pooling windows of 29 at most, smaller than the map",
        _POOLS,
        _pool_window,
        "medium",
        ("C", "D"),
        "a depthwise VALID convolution over the final map, or several smaller pools",
    ),
    Rule(
        "P04",
        "pooling strides of 2",
        _POOLS,
        _pool_stride,
        "medium",
        ("D", "A"),
        "several pools of stride 2",
    ),
)


def check(path: Path) -> Report:
    """Judge every operation of an `.mlpackage`, in all functions and nested blocks.

    Parameters
    ----------
    path
        The package folder.

    Returns
    -------
    Report
        Constants are left out.

    Raises
    ------
    DataError
        If this is no readable ML Program.
    """
    verdicts: list[Verdict] = []
    segments = 0
    functions = read_coreml(path).mlProgram.functions
    for name in sorted(functions):
        before: bool | None = None
        for op in operations(name, functions[name]):
            verdict = judge(op)
            possible = WORST.index(verdict.status) <= 1
            segments += possible is not before
            before = possible
            verdicts.append(verdict)
    counts = Counter(v.status for v in verdicts)
    return Report(
        path=path.name,
        verdicts=tuple(verdicts),
        histogram=dict(sorted(Counter(v.op for v in verdicts).items())),
        counts={status: counts[status] for status in WORST},
        eligible=counts["eligible"] / len(verdicts) if verdicts else 1.0,
        segments=segments,
    )


def judge(op: Op) -> Verdict:
    """Judge one operation by the vocabulary and every rule that applies to it."""
    entry = VOCABULARY.get(op.kind, UNKNOWN)
    findings = [
        Finding(entry.rule, entry.status, entry.reason, entry.sources, entry.confidence, entry.fix)
    ]
    for rule in RULES:
        if rule.applies_to and op.kind not in rule.applies_to:
            continue
        if problem := rule.predicate(op):
            findings.append(Finding(rule.id, *problem, rule.sources, rule.confidence, rule.fix))
    status = max((f.status for f in findings), key=WORST.index)
    return Verdict(op.kind, op.name, op.function, status, tuple(findings))


def operations(function: str, message: Any) -> Iterator[Op]:
    """Walk a MIL function: yield its operations with types and constants resolved.

    Parameters
    ----------
    function
        The function's name.
    message
        The protobuf message `Function`.

    Yields
    ------
    Op
        In program order, the operations of nested blocks after their owner; constants are left
        out.
    """
    types = {i.name: _tensor(i.type) for i in message.inputs}
    # One specialisation runs; others, if any, are the same program for other systems.
    block = message.block_specializations[message.opset]
    yield from _walk(block, function, types, {})


def _walk(
    block: Any, function: str, types: dict[str, Tensor], constants: dict[str, Any]
) -> Iterator[Op]:
    types.update({i.name: _tensor(i.type) for i in block.inputs})
    for op in block.operations:
        outputs = tuple(_tensor(o.type) for o in op.outputs)
        types.update({o.name: t for o, t in zip(op.outputs, outputs, strict=True)})
        if op.type == "const":
            constants[op.outputs[0].name] = _value(op.attributes["val"])
            continue
        inputs, known = {}, {}
        for parameter, argument in op.inputs.items():
            bound = [_binding(b, types, constants) for b in argument.arguments]
            inputs[parameter] = tuple(tensor for tensor, _ in bound)
            if len(bound) == 1 and bound[0][1] is not None:
                known[parameter] = bound[0][1]
        name = _value(op.attributes["name"]) if "name" in op.attributes else None
        name = name or (op.outputs[0].name if op.outputs else op.type)
        yield Op(op.type, name, function, inputs, outputs, known)
        for inner in op.blocks:
            yield from _walk(inner, function, types, constants)


def _binding(
    bound: Any, types: Mapping[str, Tensor], constants: Mapping[str, Any]
) -> tuple[Tensor, Any]:
    """Resolve an argument, given by name or in place, to its type and constant value."""
    if bound.WhichOneof("binding") == "name":
        return types.get(bound.name, UNTYPED), constants.get(bound.name)
    return _tensor(bound.value.type), _value(bound.value)


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
    """Read an immediate value: a scalar, a list, or None for blobs, bytes and the rest."""
    if value.WhichOneof("value") != "immediateValue":
        return None
    if value.immediateValue.WhichOneof("value") != "tensor":
        return None
    tensor = value.immediateValue.tensor
    kind = tensor.WhichOneof("value")
    if kind is None or kind == "bytes":
        return None
    values = list(getattr(tensor, kind).values)
    scalar = not value.type.tensorType.rank and len(values) == 1
    return values[0] if scalar else values
