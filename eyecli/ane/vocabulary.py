"""What is known of each MIL operation on the Apple Neural Engine, before its parameters.

No static list exists from Apple: placement changes with system, device and shape (a maintainer in
coremltools issue 1780). So these are verdicts with their sources and how far those can be trusted,
never a promise. All 168 core operations of coremltools 9 are here; any other is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["eligible", "conditional", "unknown", "ineligible"]
Confidence = Literal["high", "medium", "low", "none"]


def ops(words: str) -> frozenset[str]:
    """Give the names of operations in a text."""
    return frozenset(words.split())


WORST: tuple[Status, ...] = ("eligible", "conditional", "unknown", "ineligible")


@dataclass(frozen=True)
class Entry:
    """The verdict on an operation by its name alone.

    Attributes
    ----------
    status
        Class of the operation, before its parameters and the generation.
    rule
        Identifier: V01 eligible, V02 conditional, V03 never, V00 unknown, or the rule that
        decides by parameters or generation.
    reason
        One clause.
    sources
        Keys of `SOURCES`.
    confidence
        How far the sources can be trusted here.
    fix
        What to author instead, or None.
    """

    status: Status
    rule: str
    reason: str
    sources: tuple[str, ...]
    confidence: Confidence
    fix: str | None = None


UNKNOWN = Entry("unknown", "V00", "no source says anything about this operation", (), "none")
OLD = Entry(
    "unknown",
    "V00",
    "not among what the oldest generations are known to have",
    ("C/24-gate", "C/A-limits"),
    "low",
    "convolutions, pools, elementwise operations, reshape, transpose and concat",
)

# Section of appendix A of ane-guide to the operations that it has as native from M1 on; nearly all
# were also measured correct one by one (C2).
_ELIGIBLE: dict[str, str] = {
    "C/A-conv": """conv conv_transpose linear linear_activation matmul einsum avg_pool max_pool
        l2_pool""",
    "C/A-norm": "batch_norm instance_norm layer_norm l2_norm local_response_norm",
    "C/A-activations": """relu relu6 leaky_relu prelu elu clamped_relu thresholded_relu threshold
        clip sigmoid sigmoid_hard tanh scaled_tanh silu gelu softplus softplus_parametric softsign
        softmax erf exp exp2 log sign ceil floor round""",
    "C/A-arithmetic": """abs add sub mul real_div floor_div pow square sqrt rsqrt inverse maximum
        minimum""",
    "C/A-logic": "equal not_equal less less_equal greater greater_equal logical_not select",
    "C/A-trigonometry": "atan",
    "C/A-reduction": """reduce_sum reduce_mean reduce_max reduce_min reduce_l1_norm reduce_l2_norm
        reduce_log_sum reduce_log_sum_exp reduce_sum_square""",
    "C/A-movement": """concat split stack reshape reshape_like flatten2d expand_dims squeeze
        transpose pad slice_by_size reverse tile crop identity fill fill_like depth_to_space
        space_to_depth pixel_shuffle pixel_unshuffle space_to_batch batch_to_space""",
    "C/A-control": "scaled_dot_product_attention read_state",
    "C/A-quantization": """quantize dequantize const constexpr_affine_dequantize
        constexpr_lut_to_dense constexpr_sparse_to_dense""",
}

# rule, reason, sources, confidence, fix, operations
_Row = tuple[str, str, tuple[str, ...], Confidence, str | None, str]
_CONDITIONAL: tuple[_Row, ...] = (
    ("T03", "only at fixed places", ("C/A-movement", "C2"), "medium", "slice_by_size",
     "slice_by_index"),
    ("V02", "depends on its shapes", ("C/A-movement", "C2"), "medium", "concat of slices",
     "slice_update"),
    ("D02", "at the edge of a graph", ("B/types", "C/A-quantization", "C/34"), "medium",
     "float16 inputs and outputs, or images", "cast"),
    ("T02", "sources disagree", ("C/A-movement", "C2"), "low", None,
     "gather gather_along_axis gather_nd"),
    ("T03", "from M2 on", ("C/A-sampling", "C2"), "medium", "sort in the app", "topk argsort"),
    ("T04", "from M3 on", ("C/A-trigonometry",), "medium", "a polynomial", "sin cos"),
    ("T01", "in software on M1, native from M2 on", ("C/A-texture",), "medium",
     "a transposed convolution",
     "resize resize_bilinear resize_nearest_neighbor upsample_bilinear upsample_nearest_neighbor"),
    ("T01", "from M2 on", ("C/A-texture",), "medium", "resize in the app",
     "affine resample crop_resize"),
    ("T05", "from M3 on", ("C/A-sampling",), "medium", "make it an input", "random_uniform"),
    ("A01", "sources disagree", ("C/A-reduction", "C2"), "low", "take it in the app",
     "reduce_argmax reduce_argmin"),
    ("V02", "sources disagree", ("C/A-arithmetic", "C2"), "low",
     "a 1x1 convolution with triangular weights", "cumsum"),
    ("V02", "state dimension a multiple of 32", ("F/2631",), "medium",
     "states of a multiple of 32", "coreml_update_state"),
    ("Q02", "unfolded to float16 before M3", ("C/A-quantization", "B/opt"), "medium",
     "--compress palettize4", "constexpr_blockwise_shift_scale "
     "constexpr_sparse_blockwise_shift_scale"),
    ("V02", "unfolded to float16 before M3", ("C/A-quantization",), "medium",
     "--compress palettize4", "constexpr_lut_to_sparse"),
)  # fmt: skip

_NEVER: tuple[_Row, ...] = (
    ("V03", "not implemented on any generation", ("C/A-movement", "C2"), "medium",
     "a mask and add", "scatter scatter_along_axis scatter_nd"),
    ("V03", "not implemented on any generation", ("C/A-reduction", "C2"), "medium",
     "exp(reduce_log_sum(x)), for positive x", "reduce_prod"),
    ("V03", "not implemented on any generation", ("C/A-movement", "C2"), "medium",
     "precompute it", "one_hot range_1d"),
    ("V03", "not implemented on any generation", ("C/A-logic", "C2"), "medium",
     "minimum, maximum or mul of 0 and 1", "logical_and logical_or logical_xor"),
    ("V03", "recurrent operations are not implemented on any generation",
     ("C/A-recurrent", "D/unsupported"), "medium", "a convolution over time", "lstm gru rnn"),
    ("V03", "not implemented on any generation", ("C/A-arithmetic", "C2"), "medium",
     "x - floor(x / y) * y", "mod"),
    ("V03", "not implemented on any generation", ("C/A-movement", "C2"), "medium",
     "fixed shapes; a mask stored as a constant",
     "non_zero band_part reverse_sequence sliding_windows"),
    ("V03", "not implemented on any generation", ("C/A-sampling", "C2"), "medium",
     "do it in the app", "non_maximum_suppression"),
    ("V03", "dictionaries and strings are no tensors", ("C/17-types", "B/types"), "medium",
     "the plain scores as output, labels in metadata", "classify"),
    ("V03", "rejected on every generation", ("C/A-quantization",), "medium",
     "store the weight in float16", "constexpr_cast"),
    ("T04", "not implemented on any generation", ("C/A-trigonometry",), "medium", "precompute it",
     "tan asin acos sinh cosh asinh acosh atanh"),
    ("T05", "not implemented on any generation", ("C/A-sampling",), "medium",
     "make them an input", "random_normal random_bernoulli random_categorical"),
    ("S06", "not implemented on any generation", ("C/A-control", "F/1278"), "high",
     "unroll it, with fixed shapes",
     "shape cond while_loop make_list list_gather list_length list_read list_scatter list_write "
     "custom_layer"),
)  # fmt: skip

# Nothing is known of a relic of iOS 13 and of what never leaves the converter.
_UNKNOWN = "conv_quantized _const_symbolic"

# What the generations before h13 have: family 0 of ane-guide, chapter 24, without what its table of
# limits takes from them.
FAMILY_0 = ops(
    """
conv conv_transpose avg_pool max_pool l2_pool add sub mul real_div maximum minimum abs square relu
relu6 leaky_relu prelu elu clamped_relu thresholded_relu threshold clip sigmoid sigmoid_hard tanh
scaled_tanh softplus softsign reshape expand_dims squeeze transpose concat identity const cast
constexpr_affine_dequantize constexpr_lut_to_dense constexpr_sparse_to_dense
"""
)


def _table() -> dict[str, Entry]:
    table = {
        op: Entry("eligible", "V01", "native from M1 on", (section, "C2"), "medium")
        for section, words in _ELIGIBLE.items()
        for op in words.split()
    }
    groups: tuple[tuple[Status, tuple[_Row, ...]], ...] = (
        ("conditional", _CONDITIONAL),
        ("ineligible", _NEVER),
    )
    for status, rows in groups:
        for rule, reason, sources, confidence, fix, words in rows:
            for op in words.split():
                table[op] = Entry(status, rule, reason, sources, confidence, fix)
    return table | dict.fromkeys(_UNKNOWN.split(), UNKNOWN)


VOCABULARY: dict[str, Entry] = _table()
