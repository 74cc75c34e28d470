"""Rules on what a tensor is: its type, its rank and its sizes."""

from __future__ import annotations

import math

from eyecli.ane.program import Graph, Op, Tensor
from eyecli.ane.rules.rule import At, Problem, Rule
from eyecli.ane.tiers import limit
from eyecli.ane.vocabulary import ops

_WIDE = frozenset({"FLOAT32", "INT32", "INT64", "UINT32", "UINT64"})
# An index is a whole number whatever the network computes with.
_INDICES = ops("""reduce_argmax reduce_argmin topk argsort shape non_zero list_length
               non_maximum_suppression classify random_categorical""")
_OUTSIDE = frozenset({"BFLOAT16", "FLOAT64", "STRING"})
# Parameters that are computed with, not shapes, axes or factors of scale.
_OPERANDS = ("x", "y", "a", "b", "values", "weight", "bias", "alpha", "beta", "gamma", "mean",
             "variance", "epsilon", "constant_val")  # fmt: skip
_FREE_CHANNELS = ops("conv conv_transpose")


def _float32(op: Op, at: At) -> Problem | None:
    if op.kind == "cast" or op.decompresses or op.kind in _INDICES:
        return None  # a cast is judged by D02
    wide = {t.dtype for t in op.outputs} & _WIDE
    return ("ineligible", f"its result is {min(wide).lower()}") if wide else None


def _cast(op: Op, at: At) -> Problem | None:
    outside = {t.dtype for t in op.outputs} & _OUTSIDE
    if outside and not op.decompresses:
        return "ineligible", f"its result is {min(outside).lower()}"
    if op.kind != "cast":
        return None
    made = op.outputs[0].dtype
    if made in ("INT32", "INT64"):
        return "ineligible", f"a cast to {made.lower()}"
    if edge_of_image(op, at):
        return None
    return "conditional", f"a cast to {made.lower()}, which only the edge of a graph may have"


def edge_of_image(op: Op, at: At) -> bool:
    """Say whether a cast only brings an image that an app gives to the type of the network.

    Core ML hands pixels to the engine, whose accepted formats have BGRA8 among them (ane-guide,
    chapter 34), and the program says so with a float32 input and this cast.
    """
    names = op.arguments.get("x", ())
    return op.kind == "cast" and bool(names) and set(names) <= at.images


def _foreign_features(graph: Graph, at: At) -> Problem | None:
    features = (*graph.inputs, *graph.outputs)
    words = {"string", "dictionary", "sequence", "DOUBLE"}
    found = [f"{f.name} is {f.kind.lower()}" for f in features if f.kind in words]
    return ("ineligible", ", ".join(found)) if found else None


def _float32_operand(op: Op, at: At) -> Problem | None:
    for parameter in _OPERANDS:
        tensors = op.inputs.get(parameter, ())
        if parameter in op.fixed and any(t.dtype == "FLOAT32" for t in tensors):
            return "ineligible", f"the constant {parameter} is float32"
    return None


def _features(graph: Graph, at: At) -> Problem | None:
    found = []
    for feature in (*graph.inputs, *graph.outputs):
        if feature.kind in ("FLOAT32", "INT32", "double", "int64"):
            found.append(f"{feature.name} is {feature.kind.lower()}")
        if feature.kind == "INT8" and graph.specification < 10:
            found.append(f"{feature.name} is int8, which begins with iOS 26")
    if not found:
        return None
    return "conditional", "; ".join(found) + ": a conversion on the CPU at the edge"


def _rank(op: Op, at: At) -> Problem | None:
    rank = max((len(t.shape) for t in op.activations), default=0)
    return ("ineligible", f"a tensor of rank {rank}") if rank > 5 else None


def _static(op: Op, at: At) -> Problem | None:
    sizes = [size for tensor in op.activations for size in tensor.shape]
    if 0 in sizes:
        return "ineligible", "an axis of no elements"
    return ("conditional", "a size that is not fixed") if None in sizes else None


def _flexible(graph: Graph, at: At) -> Problem | None:
    found = [f"{f.name} ({f.flexible})" for f in graph.inputs if f.flexible]
    return ("conditional", f"flexible shapes: {', '.join(found)}") if found else None


def _enumerated_norm(op: Op, at: At) -> Problem | None:
    return ("conditional", "layer_norm with enumerated shapes") if at.enumerated else None


def axes(tensor: Tensor) -> dict[str, int]:
    """Name the axes of a tensor as the engine does: width last, batch first, then channels."""
    sizes = [size or 1 for size in tensor.shape]
    names = ("batch", "channels", "depth", "height", "width")
    keep = {5: names, 4: ("batch", "channels", "height", "width"),
            3: ("batch", "channels", "width"), 2: ("batch", "width"), 1: ("width",)}  # fmt: skip
    return dict(zip(keep.get(len(sizes), ()), sizes, strict=True)) if len(sizes) in keep else {}


def _extents(op: Op, at: At) -> Problem | None:
    for tensor in op.activations:
        for name, size in axes(tensor).items():
            most = limit("width" if name == "height" else name, at.tier)
            if size > most:
                return "ineligible", f"{size} along {name}, the limit is {most}"
    return None


def _free_axes(op: Op, at: At) -> Problem | None:
    most = limit("width", at.tier)
    over = [s for t in op.activations for s in t.shape if s and s > most]
    if op.kind in _FREE_CHANNELS or not over:
        return None
    return "ineligible", f"an axis of {max(over)}, only channels of convolutions may exceed {most}"


def _singleton(graph: Graph, at: At) -> Problem | None:
    narrow = [
        f"{f.name} {'x'.join(map(str, f.shape))}"
        for f in (*graph.inputs, *graph.outputs)
        if f.shape and f.shape[-1] < 32
    ]
    return ("note", f"last axes below 32: {', '.join(narrow)}") if narrow else None


def _batch(graph: Graph, at: At) -> Problem | None:
    many = [f.name for f in graph.inputs if len(f.shape) > 2 and f.kind != "image" and
            f.shape[0] > 1]  # fmt: skip
    return ("warning", f"a batch in {', '.join(many)}") if many else None


def _range(op: Op, at: At) -> Problem | None:
    epsilon = op.constants.get("epsilon")
    if isinstance(epsilon, float) and 0 < abs(epsilon) < 6e-8:
        return "warning", f"epsilon {epsilon:g} is zero in float16"
    values = [v for p in _OPERANDS for v in _numbers(op.constants.get(p))]
    large = max((abs(v) for v in values if math.isfinite(v)), default=0)
    return ("warning", f"a constant of {large:g}, sums end at 32,758") if large > 32758 else None


def _numbers(value: object) -> list[float]:
    many = value if isinstance(value, list) else [value]
    return [float(v) for v in many if isinstance(v, int | float)]


RULES = (
    Rule("D01", "activations are float16", "ineligible", "high",
         ("A/constraints", "B/types"), "export with float16 precision",
         operation=_float32),
    Rule("D02", "no casts but float16 and float32 or bool at the edge; no bfloat16, float64 or "
         "strings", "ineligible", "medium",
         ("C/17-types", "C/4-types", "C/A-quantization", "B/types"),
         "float16 inputs and outputs, or images; keep indices out of the network",
         operation=_cast, graph=_foreign_features),
    Rule("D03", "constant operands are float16", "ineligible", "high", ("A/float32",),
         "make the constant float16: a float32 literal makes a float32 buffer",
         operation=_float32_operand),
    Rule("D04", "inputs and outputs are float16 or images", "conditional", "high",
         ("B/types", "C/4-envelope", "C/34", "B/entry"),
         "ct.TensorType(dtype=np.float16) or ct.ImageType, from iOS 16",
         graph=_features),
    Rule("S01", "activations of rank 5 at most", "ineligible", "high",
         ("A/constraints", "C/4-envelope"),
         "merge axes before this operation", operation=_rank),
    Rule("S02", "all shapes are fixed", "ineligible", "high",
         ("A/constraints", "B/flexible", "B/faqs", "F/2370", "F/1764", "C/4-envelope"),
         "one fixed shape, or one function for each shape",
         operation=_static, graph=_flexible),
    Rule("S03", "no layer_norm with enumerated shapes", "conditional", "medium", ("F/1909",),
         "one fixed shape", ops("layer_norm"), _enumerated_norm),
    Rule("S04", "sizes of axes within the generation's limits", "ineligible", "medium",
         ("C/17-shapes", "C/A-limits"), "split the tensor, or work on tiles",
         operation=_extents),
    Rule("S05", "no axis beyond the limit of width but channels of convolutions", "ineligible",
         "medium", ("C/4-envelope",), "a 1x1 convolution with the long axis as channels",
         operation=_free_axes),
    Rule("L01", "last axes of 32 elements or more at the edge", "note", "high",
         ("A/alignment", "A/layout"),
         "put a long axis last; a vector of a few hundred channels loses only kilobytes",
         graph=_singleton),
    Rule("L14", "values within the range of float16 sums", "warning", "medium", ("C/3", "C2"),
         "scale the values down; an epsilon of 1e-5 or more", operation=_range),
    Rule("L16", "a batch of one", "warning", "medium", ("F/1229",),
         "export with a batch of 1", graph=_batch),
)  # fmt: skip
