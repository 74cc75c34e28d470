"""Rules that change no verdict: what makes an eligible program slow or less exact."""

from __future__ import annotations

from eyecli.ane.cost import flops, in_words
from eyecli.ane.program import Graph, Op
from eyecli.ane.rules.rule import At, Problem, Rule
from eyecli.ane.tiers import limit
from eyecli.ane.vocabulary import ops

_RESHAPES = ops("reshape reshape_like flatten2d expand_dims squeeze")
_REDUCTIONS = ops("""reduce_sum reduce_mean reduce_max reduce_min reduce_l1_norm reduce_l2_norm
                  reduce_log_sum reduce_log_sum_exp reduce_sum_square""")
_CURVES = ops("sigmoid silu gelu elu atan tanh softplus erf")
# Our thresholds where the sources give none. A dispatch takes 0.07 to 0.23 ms (ane-guide), in
# which a CPU core does some ten million operations of arithmetic.
_TINY = 10_000_000
_BRANCHES = 12
_SLOW_LOAD = 10 * 2**20


def _moved_width(op: Op, at: At) -> Problem | None:
    before = op.shape("x")
    after: tuple[int | None, ...] = op.outputs[0].shape if op.outputs else ()
    if op.kind == "transpose":
        perm = list(op.constants.get("perm") or ())
        touched = bool(perm) and int(perm[-1]) % len(perm) != len(perm) - 1
    else:
        touched = before[-1:] != after[-1:]
    return (
        ("warning", f"{op.kind} moves the last axis: all data are rewritten") if touched else None
    )


def _dense(op: Op, at: At) -> Problem | None:
    if op.kind == "linear" or {"x", "y"} & op.fixed:
        return "note", f"a {op.kind} with a constant matrix"
    return None


def _decomposed(op: Op, at: At) -> Problem | None:
    """Find the square root of a mean plus epsilon: a normalization in pieces."""
    for sum_ in at.makers(op, "x"):
        pieces = [*at.makers(sum_, "x"), *at.makers(sum_, "y")]
        if sum_.kind == "add" and any(p.kind == "reduce_mean" for p in pieces):
            return "warning", "a normalization in pieces"
    return None


def _spatial_softmax(op: Op, at: At) -> Problem | None:
    rank, axis = len(op.shape("x")), int(op.constants.get("axis", -1))
    return ("note", "over a spatial axis") if rank >= 3 and axis % rank > 1 else None


def _long_reduction(op: Op, at: At) -> Problem | None:
    shape, chosen = op.shape("x"), op.constants.get("axes")
    rank, most = len(shape), limit("reduced axis", at.tier)
    places = [int(a) % rank for a in chosen] if isinstance(chosen, list) and rank else range(rank)
    size = max((shape[a] or 0 for a in places), default=0)
    return ("note", f"over an axis of {size}: by way of a transpose") if size >= most else None


def _tiny(graph: Graph, at: At) -> Problem | None:
    total = sum(flops(op) for op in graph.ops)
    if total < _TINY:
        return "note", f"{in_words(total)}: the CPU is as fast"
    return None


def _branches(graph: Graph, at: At) -> Problem | None:
    most = max((len(op.inputs.get("values", ())) for op in graph.ops if op.kind == "concat"),
               default=0)  # fmt: skip
    return ("warning", f"{most} branches meet") if most > _BRANCHES else None


def _load(graph: Graph, at: At) -> Problem | None:
    size = sum(graph.weights.values())
    if size >= _SLOW_LOAD:
        return "note", f"{size / 2**20:.0f} MB of weights: the first load compiles for seconds"
    return None


RULES = (
    Rule("L02", "few reshapes and transposes of the last axis", "warning", "high",
         ("A/copies", "H"), "author channels first, so that they cancel",
         _RESHAPES | ops("transpose"), _moved_width),
    Rule("L03", "1x1 convolutions instead of dense layers", "note", "high", ("A/linear", "H"),
         "a 1x1 convolution; --ane-rewrite does it", ops("linear matmul"), _dense),
    Rule("L04", "normalizations whole", "warning", "high", ("A/high-level",),
         "LayerNormalization as a layer", ops("rsqrt sqrt"), _decomposed),
    Rule("L08", "softmax over channels", "note", "high", ("A/softmax",),
         "put the classes on the axis of channels", ops("softmax"), _spatial_softmax),
    Rule("L13", "reductions of short axes", "note", "medium", ("C/A-limits", "C/A-reduction"),
         "reduce in two steps", _REDUCTIONS, _long_reduction),
    Rule("L15", "exact activations", "note", "medium", ("C2", "F/1023"),
         "ReLU is exact; these come from a table, 0.2 to 2 % off", _CURVES,
         lambda op, at: ("note", f"{op.kind} comes from a table")),
    Rule("L17", "enough work for a dispatch", "note", "medium", ("C/9",),
         "let the app run it on the CPU, or join it with the model before", graph=_tiny),
    Rule("L18", "12 branches at most", "warning", "medium", ("C/9", "A/residency"),
         "join branches in groups", graph=_branches),
    Rule("L20", "no tile", "note", "low", ("E",), "broadcast, or store the tensor whole",
         ops("tile"), lambda op, at: ("note", "one user saw later programs fail to compile")),
    Rule("L21", "loaded before it is needed", "note", "high", ("B/prediction",),
         "load the model when the app starts; the system keeps what it compiled", graph=_load),
)  # fmt: skip
