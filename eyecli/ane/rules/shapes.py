"""Rules on elementwise operations, on what moves data, and on what came with a generation."""

from __future__ import annotations

import math

from eyecli.ane.program import Op
from eyecli.ane.rules.rule import At, Level, Problem, Rule, until
from eyecli.ane.rules.tensors import axes
from eyecli.ane.tiers import before, limit
from eyecli.ane.vocabulary import ops

BINARY = ops("""add sub mul real_div floor_div pow maximum minimum equal not_equal less less_equal
             greater greater_equal""")
_SLICES = ops("slice_by_index slice_by_size")
# Generation with which an operation came, and its verdict before that.
_SINCE: dict[str, tuple[str, Level, str]] = {
    **dict.fromkeys(
        ops("resize resize_bilinear resize_nearest_neighbor upsample_bilinear "
            "upsample_nearest_neighbor"),
        ("h14", "conditional", "in software and rounded differently before h14 (M2)"),
    ),
    **dict.fromkeys(ops("crop_resize resample affine"), ("h14", "ineligible", "from h14 (M2) on")),
    **dict.fromkeys(ops("topk argsort"), ("h14", "ineligible", "from h14 (M2) on")),
    **dict.fromkeys(ops("sin cos"), ("h15", "ineligible", "from h15 (M3) on")),
    "random_uniform": ("h15", "ineligible", "from h15 (M3) on"),
}  # fmt: skip
_NO_TRIGONOMETRY = ops("tan asin acos sinh cosh asinh acosh atanh")
_NO_RANDOM = ops("random_normal random_bernoulli random_categorical")


def _since(op: Op, at: At) -> Problem | None:
    tier, level, reason = _SINCE[op.kind]
    return (level, reason) if before(at.tier, tier) else None


def _channel_broadcast(op: Op, at: At) -> Problem | None:
    if {"x", "y"} & op.fixed:
        return None
    x, y = op.shape("x"), op.shape("y")
    for small, large in ((x, y), (y, x)):
        vector = len(small) == len(large) == 4 and set(small[2:]) == {1} and small[1] == large[1]
        if vector and small[1] != 1 and set(large[2:]) != {1}:
            level: Level = "conditional" if at.tier == "h12" else "warning"
            return level, "a computed vector of channels on a map, as in squeeze-excitation"
    return None


def _power_of_two(op: Op, at: At) -> Problem | None:
    shape, axis = op.shape("x"), op.constants.get("axis", -1)
    size = shape[int(axis)] if -len(shape) <= int(axis) < len(shape) else None
    if size and size & (size - 1):
        return "conditional", f"softmax over {size}, no power of 2: one user saw it refused"
    return None


def _padded_axes(op: Op, at: At) -> Problem | None:
    pad, rank = [int(p) for p in op.constants.get("pad") or ()], len(op.shape("x"))
    names = list(axes(op.inputs["x"][0])) if op.inputs.get("x") else []
    found = []
    for n in range(len(pad) // 2):
        axis = rank - len(pad) // 2 + n
        if 0 <= axis < len(names) and any(pad[2 * n : 2 * n + 2]):
            found.append(names[axis])
    other = [name for name in found if name not in ("height", "width")]
    return ("ineligible", f"padding along {', '.join(other)}") if other else None


def _pad_mode(op: Op, at: At) -> Problem | None:
    mode = op.constants.get("mode", "constant")
    if mode != "constant":
        if before(at.tier, "h14"):
            return "ineligible", f"{mode} padding, from h14 (M2) on"
        return None
    fill = op.constants.get("constant_val")
    return ("conditional", f"padding with {fill:g}") if isinstance(fill, float) and fill else None


def _concat_axis(op: Op, at: At) -> Problem | None:
    axis = op.constants.get("axis")
    if axis is None and "axis" in op.inputs:
        return "ineligible", "the axis is computed"
    if isinstance(axis, int) and axis < 0:
        return "conditional", f"the axis {axis}: the engine wants it counted from the front"
    return None


def _broadcast(op: Op, at: At) -> Problem | None:
    x, y = op.shape("x"), op.shape("y")
    pairs = list(zip(reversed(x), reversed(y), strict=False))
    wrong = [(a, b) for a, b in pairs if a and b and a != b and 1 not in (a, b)]
    if wrong:
        return "ineligible", f"a broadcast of {wrong[0][0]} to {wrong[0][1]}"
    deep = len(x) == len(y) == 5 and x[2] != y[2]
    if deep and before(at.tier, "h14"):
        return "ineligible", "a broadcast along depth, from h14 (M2) on"
    return None


def _offset(op: Op, at: At) -> Problem | None:
    begin, mask = op.constants.get("begin"), op.constants.get("begin_mask")
    if not isinstance(begin, list) or not begin or (isinstance(mask, list) and mask[-1]):
        return None
    if begin[-1]:
        return "conditional", f"starts at {begin[-1]} of the last axis: values above 4094 overflow"
    return None


def _dynamic(op: Op, at: At) -> Problem | None:
    """Refuse what is sliced at computed places before the engine could, and doubt it after."""
    computed = [p for p in ("begin", "end", "stride", "size") if p in op.inputs and
                p not in op.fixed]  # fmt: skip
    if not computed:
        return None
    level: Level = "ineligible" if before(at.tier, "h14") else "conditional"
    return level, f"its {computed[0]} is computed"


def _transpose(op: Op, at: At) -> Problem | None:
    perm, most = op.constants.get("perm"), limit("width", at.tier)
    if isinstance(perm, list) and len({p % len(perm) for p in perm}) != len(perm):
        return "ineligible", f"an axis twice in {perm}"
    size = max((s or 0 for s in op.shape("x")), default=0)
    return ("ineligible", f"an axis of {size}, the limit is {most}") if size > most else None


def _matrices(op: Op, at: At) -> Problem | None:
    if op.kind == "linear":
        rank = len(op.shape("x"))
        return ("ineligible", f"an input of rank {rank}") if rank >= 5 else None
    shapes = (op.shape("x"), op.shape("y"))
    rank = max(len(shape) for shape in shapes)
    if rank >= 5:
        return "ineligible", f"matrices in a tensor of rank {rank}"
    columns = op.outputs[0].shape[-1] if op.outputs and op.outputs[0].shape else None
    if columns and 2 * columns > 2**16:
        return "ineligible", f"{columns} columns, beyond 64 KB of kernel memory"
    return None


def _long_argument(op: Op, at: At) -> Problem | None:
    shape, axis = op.shape("x"), op.constants.get("axis", -1)
    size = shape[int(axis)] if -len(shape) <= int(axis) < len(shape) else None
    if size and size > 2048:
        return "ineligible", f"an axis of {size}, the limit is 2048"
    return "conditional", "sources disagree"


def _infinite(op: Op, at: At) -> Problem | None:
    if op.kind in ("softmax", "layer_norm"):
        made = op.outputs[0].dtype
        return None if made.startswith("FLOAT") else ("ineligible", f"its result is {made.lower()}")
    values = [v for c in op.constants.values() for v in (c if isinstance(c, list) else [c])]
    if any(isinstance(v, float) and math.isinf(v) and v < 0 for v in values):
        return "conditional", "a constant of minus infinity, which the engine gets wrong"
    return None


def _gather(op: Op, at: At) -> Problem | None:
    batch = (op.shape("x") or (1,))[0]
    if before(at.tier, "h14"):
        small = "" if batch == 1 else f", which a first axis of {batch} is not"
        return "conditional", f"on h13 (M1) only for a batch of 1 and a depth of 1{small}"
    return "conditional", "native from h14 (M2) on in one source, not implemented in another"


RULES = (
    Rule("E01", "no computed vectors of channels on maps", "conditional", "low",
         ("D/2", "C/A-arithmetic"), "leave out squeeze-excitation, or make the vector constant",
         BINARY, _channel_broadcast),
    Rule("E02", "softmax over a power of 2", "conditional", "low", ("D/44",),
         "pad the classes to a power of 2, or take the softmax in the app", ops("softmax"),
         _power_of_two),
    Rule("X01", "padding along height and width only", "ineligible", "medium",
         ("C/17-validators",), "concatenate zeros, or more channels in the layer before",
         ops("pad"), _padded_axes),
    Rule("X02", "padding with zeros", "ineligible", "medium",
         ("C/17-modes", "C/A-movement"), "zeros in the padding of the next convolution",
         ops("pad"), _pad_mode),
    Rule("X03", "concat along a constant positive axis", "ineligible", "medium",
         ("C/17-validators",), "count the axis from the front: 1 for channels", ops("concat"),
         _concat_axis),
    Rule("X04", "broadcasts from axes of length 1 only, not along depth on h13", "ineligible",
         "medium", ("C/17-validators",), "tile it first, or fold depth into channels", BINARY,
         _broadcast),
    Rule("X05", "slices start at the first column, or values stay below 4094", "conditional",
         "medium", ("C/A-movement",), "slice channels instead, or scale the values down", _SLICES,
         _offset, tiers=until("h15")),
    Rule("X06", "transposes within the limit, every axis once", "ineligible", "medium",
         ("C/17-validators", "C/A-limits"), "author it without the transpose", ops("transpose"),
         _transpose),
    Rule("M01", "matrix products of depth 1, within kernel memory", "ineligible", "medium",
         ("C/4-envelope", "C/17-validators", "C/17-memory"), "1x1 convolutions; split the columns",
         ops("matmul linear"), _matrices),
    Rule("A01", "argmax and argmin over 2048 at most", "ineligible", "low",
         ("C/17-shapes", "C/A-reduction", "C2"), "take the argmax in the app",
         ops("reduce_argmax reduce_argmin"), _long_argument),
    Rule("N01", "softmax and layer_norm give floats; no constant of minus infinity", "ineligible",
         "high", ("A/mask", "C/17-validators"), "-4e4 instead of minus infinity",
         operation=_infinite),
    Rule("T01", "resizing is native from h14 on", "ineligible", "medium", ("C/A-texture",),
         "a transposed convolution, or resize in the app",
         ops("resize resize_bilinear resize_nearest_neighbor upsample_bilinear "
             "upsample_nearest_neighbor crop_resize resample affine"), _since,
         tiers=until("h14")),
    Rule("T02", "gather only in a small envelope", "conditional", "low",
         ("C/A-movement", "C/17-validators", "C2"), "slices, or a 1x1 convolution with a selection",
         ops("gather gather_along_axis gather_nd"), _gather),
    Rule("T03", "sorting and computed slices from h14 on", "ineligible", "medium",
         ("C/A-sampling", "C/4-reachable", "C2"), "sort in the app; fixed places of slices",
         ops("topk argsort") | _SLICES,
         lambda op, at: _since(op, at) if op.kind in _SINCE else _dynamic(op, at)),
    Rule("T04", "no trigonometry but atan, and sin and cos from h15 on", "ineligible", "medium",
         ("C/A-trigonometry", "C/4-limits"), "precompute it, or a polynomial",
         ops("sin cos") | _NO_TRIGONOMETRY,
         lambda op, at: _since(op, at) if op.kind in _SINCE else
         ("ineligible", "not implemented on any generation")),
    Rule("T05", "no random numbers but uniform ones from h15 on", "ineligible", "medium",
         ("C/A-sampling", "C/4-limits"), "make them an input", ops("random_uniform") | _NO_RANDOM,
         lambda op, at: _since(op, at) if op.kind in _SINCE else
         ("ineligible", "not implemented on any generation")),
)  # fmt: skip
