"""Rules on weights, on the kind of model and on what it does besides computing."""

from __future__ import annotations

from eyecli.ane.program import Graph, Op
from eyecli.ane.rules.rule import At, Problem, Rule, until
from eyecli.ane.vocabulary import ops

_WEIGHTED = ops("conv conv_transpose linear matmul")
_CONTROL = ops("""shape cond while_loop make_list list_gather list_length list_read list_scatter
               list_write custom_layer""")
_BLOCKWISE = ops("constexpr_blockwise_shift_scale constexpr_sparse_blockwise_shift_scale")
_GIGABYTE = 2**30


def _integer(op: Op, at: At) -> Problem | None:
    for parameter in ("weight", "y"):
        if parameter not in op.fixed or at.makers(op, parameter):
            continue
        kinds = {t.dtype for t in op.inputs[parameter] if "INT" in t.dtype}
        if kinds:
            return "ineligible", f"a plain {min(kinds).lower()} weight"
    return None


def _blockwise(op: Op, at: At) -> Problem | None:
    return "conditional", "unfolded to float16 before h15 (M3): smaller on disk only"


def _activations(op: Op, at: At) -> Problem | None:
    return "warning", "8-bit activations are no faster before h16 (A17 Pro, M4)"


def _gigabyte(graph: Graph, at: At) -> Problem | None:
    size = sum(graph.weights.values())
    if size >= _GIGABYTE:
        return "conditional", f"weights of {size / _GIGABYTE:.2f} GB: an iPhone takes less than 1"
    return None


def _skipped(graph: Graph, at: At) -> Problem | None:
    """Find layers that a compression left out, which it does without a word."""
    if not any(op.decompresses for op in graph.ops):
        return None
    plain = [
        op.name for op in graph.ops
        if op.kind in _WEIGHTED and "weight" in op.fixed and not at.makers(op, "weight")
        and sum(t.bytes for t in op.inputs["weight"]) > 4096
    ]  # fmt: skip
    if not plain:
        return None
    return "warning", f"{len(plain)} layers are not compressed, {plain[0]} the first of them"


RULES = (
    Rule("R01", "an ML Program", "ineligible", "high", ("B/programs",),
         "convert it with convert_to='mlprogram'"),
    Rule("S06", "no control flow, lists, computed shapes or custom layers", "ineligible", "high",
         ("C/A-control", "C/A-sampling", "F/1278", "D/unsupported"),
         "unroll it, with fixed shapes", _CONTROL,
         lambda op, at: ("ineligible", "not implemented on any generation")),
    Rule("S07", "weights below 1 GB on an iPhone", "conditional", "high", ("B/utilities",),
         "compress the weights, or a pipeline of smaller models", graph=_gigabyte),
    Rule("Q01", "integer weights are decompressed by a constexpr operation", "ineligible",
         "medium", ("C/4-envelope", "C/17-types"),
         "compress with coremltools.optimize: --compress", _WEIGHTED | ops("conv_quantized"),
         _integer),
    Rule("Q02", "weights by blocks from h15 on", "conditional", "medium",
         ("C/A-quantization", "B/opt"), "--compress palettize4, which is native", _BLOCKWISE,
         _blockwise, tiers=until("h15")),
    Rule("Q03", "8-bit activations from h16 on", "warning", "high", ("B/quantization",),
         "compress weights only", ops("quantize dequantize"), _activations, tiers=until("h16")),
    Rule("L19", "a compressed model is compressed in all its layers", "warning", "high",
         ("A/compression", "B/opt"), "look whether channels are divisible by the block size",
         graph=_skipped),
)  # fmt: skip
