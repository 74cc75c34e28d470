"""What is known of each MIL operation on the Apple Neural Engine, before its parameters.

No static list exists from Apple: placement changes with system, device and shape (a maintainer in
coremltools issue 1780). So these are verdicts with their sources and how far those can be trusted,
never a promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["eligible", "conditional", "unknown", "ineligible"]
Confidence = Literal["high", "medium", "low", "none"]

# The strictest generation that somebody measured: M1, and by its name A14.
TIER = "h13"
WORST: tuple[Status, ...] = ("eligible", "conditional", "unknown", "ineligible")

SOURCES: dict[str, str] = {
    "A": "Apple, authoring rules for the Neural Engine: https://github.com/apple/coreai-models/"
    "blob/86b363d/skills/skills/model-authoring/references/neural_engine_rules.md",
    "B": "Apple, coremltools guides (typed-execution, flexible-inputs, faqs): "
    "https://github.com/apple/coremltools/tree/e0e2f42/docs-guides",
    "C": "ane-guide, chapters 4, 17, 24 and appendix A, measured on M1, M2 and M5: "
    "https://github.com/sbryngelson/ane-guide/tree/9eb1afe",
    "C2": "ANEForge, sweep of single operations: https://github.com/sbryngelson/ANEForge/"
    "blob/067717a/aneforge/full_mil_vocabulary_sweep.json",
    "D": "neural-engine, unsupported layers and issues 1, 2, 44: "
    "https://github.com/hollance/neural-engine/blob/master/docs/unsupported-layers.md",
    "F": "coremltools issues 1278 and 2631: https://github.com/apple/coremltools/issues",
}


@dataclass(frozen=True)
class Entry:
    """The verdict on an operation by its name alone.

    Attributes
    ----------
    status
        Default verdict, before the rules on parameters.
    rule
        Identifier: V01 eligible, V02 conditional, V03 never, or the rule that says more.
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

_ELIGIBLE = """
conv conv_transpose linear matmul einsum avg_pool max_pool l2_pool batch_norm instance_norm
layer_norm l2_norm local_response_norm relu relu6 leaky_relu prelu elu clamped_relu
thresholded_relu clip sigmoid sigmoid_hard tanh scaled_tanh silu gelu softplus softsign softmax erf
exp exp2 log sqrt rsqrt inverse square abs sign ceil floor round atan add sub mul real_div floor_div
pow maximum minimum equal not_equal less less_equal greater greater_equal logical_not select concat
split stack reshape expand_dims squeeze transpose pad slice_by_size reverse tile depth_to_space
space_to_depth pixel_shuffle pixel_unshuffle space_to_batch batch_to_space reduce_sum reduce_mean
reduce_max reduce_min reduce_l1_norm reduce_l2_norm reduce_log_sum reduce_log_sum_exp
reduce_sum_square scaled_dot_product_attention quantize dequantize constexpr_affine_dequantize
constexpr_lut_to_dense constexpr_sparse_to_dense read_state
"""

# rule, reason, sources, confidence, fix, operations
_CONDITIONAL: tuple[tuple[str, str, tuple[str, ...], Confidence, str | None, str], ...] = (
    ("V02", "only with static offsets and sizes", ("C", "C2"), "medium", None, "slice_by_index"),
    ("V02", "depends on its shapes", ("C", "C2"), "medium", None, "slice_update"),
    (
        "D02",
        "only between float16 and float32 or bool, at the edge of the graph",
        ("B", "C"),
        "medium",
        "float16 inputs and outputs; image inputs keep one cast each",
        "cast",
    ),
    (
        "T02",
        "sources disagree: small shapes on M1, more from M2 on, not implemented in the sweep",
        ("C", "C2"),
        "low",
        None,
        "gather gather_along_axis gather_nd",
    ),
    ("T03", "from M2 on", ("C", "C2"), "medium", None, "topk argsort"),
    ("T04", "from M3 on", ("C",), "medium", None, "sin cos"),
    (
        "T01",
        "in software and rounded differently on M1, native from M2 on",
        ("C",),
        "medium",
        None,
        "resize resize_bilinear resize_nearest_neighbor upsample_bilinear "
        "upsample_nearest_neighbor",
    ),
    ("T01", "from M2 on", ("C",), "medium", None, "affine resample crop_resize"),
    ("T05", "uniform only, from M3 on", ("C",), "medium", None, "random_uniform"),
    (
        "A01",
        "sources disagree; axis of at most 2048",
        ("C", "C2"),
        "low",
        None,
        "reduce_argmax reduce_argmin",
    ),
    (
        "V02",
        "sources disagree",
        ("C", "C2"),
        "low",
        "1x1 convolution with triangular weights",
        "cumsum",
    ),
    ("V02", "state dimension a multiple of 32", ("F",), "medium", None, "coreml_update_state"),
)

_NEVER: tuple[tuple[str, str, tuple[str, ...], Confidence, str | None, str], ...] = (
    (
        "V03",
        "not implemented",
        ("C", "C2"),
        "medium",
        "a mask and add",
        "scatter scatter_along_axis scatter_nd",
    ),
    (
        "V03",
        "not implemented",
        ("C", "C2"),
        "medium",
        "exp(reduce_log_sum(x)), for positive x",
        "reduce_prod",
    ),
    ("V03", "not implemented", ("C", "C2"), "medium", "precompute it", "one_hot"),
    (
        "V03",
        "not implemented",
        ("C", "C2"),
        "medium",
        "minimum, maximum or mul of 0 and 1",
        "logical_and logical_or logical_xor",
    ),
    (
        "V03",
        "recurrent operations are not implemented",
        ("C", "C2"),
        "medium",
        "a convolution over time",
        "lstm gru rnn",
    ),
    (
        "V03",
        "not implemented",
        ("C", "C2"),
        "medium",
        None,
        "mod non_zero band_part reverse_sequence sliding_windows range_1d non_maximum_suppression "
        "classify",
    ),
    (
        "T04",
        "no trigonometry but atan, and sin and cos from M3 on",
        ("C",),
        "medium",
        None,
        "tan asin acos sinh cosh asinh acosh atanh",
    ),
    (
        "T05",
        "no random numbers but uniform ones from M3 on",
        ("C",),
        "medium",
        "make them an input",
        "random_normal random_bernoulli random_categorical",
    ),
    (
        "S06",
        "no control flow, lists, dynamic shapes or custom layers",
        ("C", "F"),
        "medium",
        "unroll it, with fixed shapes",
        "shape cond while_loop make_list list_gather list_length list_read list_scatter list_write "
        "custom_layer",
    ),
)


def _table() -> dict[str, Entry]:
    table = {
        op: Entry("eligible", "V01", "native from M1 on, measured correct", ("C", "C2"), "medium")
        for op in _ELIGIBLE.split()
    }
    statuses: tuple[tuple[Status, tuple], ...] = (
        ("conditional", _CONDITIONAL),
        ("ineligible", _NEVER),
    )
    for status, groups in statuses:
        for rule, reason, sources, confidence, fix, ops in groups:
            for op in ops.split():
                table[op] = Entry(status, rule, reason, sources, confidence, fix)
    return table


VOCABULARY: dict[str, Entry] = _table()
