"""Rules on convolutions."""

from __future__ import annotations

from eyecli.ane.program import Op
from eyecli.ane.rules.rule import At, Problem, Rule
from eyecli.ane.tiers import before, limit
from eyecli.ane.vocabulary import ops

_BOTH = ops("conv conv_transpose")
_STRIDES = frozenset({4, 6, 8, 9, 12, 16, 24, 32})
# Beside a stride of 2.
_MIXED = frozenset({3, 4, 8, 9})
# Strides that the engine has, or makes of two of them; further ones leave it.
_LARGEST_TRANSPOSED = 8


def _kernel(op: Op) -> list[int]:
    """Height and width of a 2-D kernel, else nothing."""
    kernel = op.shape("weight")[2:]
    return [size or 1 for size in kernel] if len(kernel) == 2 else []


def _list(op: Op, parameter: str, default: int = 1) -> list[int]:
    return [int(v) for v in op.constants.get(parameter) or (default, default)]


def _channels(op: Op) -> tuple[int, int, int]:
    """Give input channels, output channels and groups; 0 where they are not known."""
    groups = int(op.constants.get("groups") or 1)
    inside = op.shape("x")[1:2] or (0,)
    weight = op.shape("weight")
    if op.kind == "conv_transpose":
        outside = (weight[1] or 0) * groups if len(weight) > 1 else 0
    else:
        outside = weight[0] or 0 if weight else 0
    return inside[0] or 0, outside, groups


def pads(op: Op, extent: list[int], window: list[int]) -> list[tuple[int, int]]:
    """Resolve `pad_type` to what is added before and after each spatial axis.

    Parameters
    ----------
    op
        A convolution or pool.
    extent
        Sizes of the spatial axes of its input.
    window
        Sizes of kernel or pool, dilated.
    """
    kind = op.constants.get("pad_type", "valid")
    given = [int(p) for p in op.constants.get("pad") or ()]
    if kind == "custom":
        return list(zip(given[::2], given[1::2], strict=False))
    if not str(kind).startswith("same"):
        return [(0, 0)] * len(extent)
    strides = _list(op, "strides")
    found = []
    for size, width, stride in zip(extent, window, strides, strict=False):
        total = max((-(-size // stride) - 1) * stride + width - size, 0)
        less, more = total // 2, total - total // 2
        found.append((more, less) if kind == "same_lower" else (less, more))
    return found


def _two_dimensional(op: Op, at: At) -> Problem | None:
    size = max(len(op.shape("weight")) - 2, len(op.shape("x")) - 2)
    return ("ineligible", f"a {size}-D convolution") if size not in (-2, 2) else None


def _kernel_size(op: Op, at: At) -> Problem | None:
    kernel = _kernel(op)
    if not kernel:
        return None
    high, wide = limit("kernel height", at.tier), limit("kernel width", at.tier)
    if kernel[0] > high or kernel[1] > wide:
        return (
            "ineligible",
            f"a kernel of {kernel[0]} x {kernel[1]}, the limits are {high} x {wide}",
        )
    extent = [size or 0 for size in op.shape("x")[2:]]
    if op.kind == "conv" and len(extent) == 2 and extent[0]:
        padded = extent[0] + sum(pads(op, extent, kernel)[0])
        if kernel[0] > padded:
            return "ineligible", f"a kernel of height {kernel[0]} on an input of {padded}"
    return None


def _groups(op: Op, at: At) -> Problem | None:
    inside, outside, groups = _channels(op)
    if (inside and inside % groups) or (outside and outside % groups):
        return "ineligible", f"{inside} and {outside} channels in {groups} groups"
    return None


def _constant_weight(op: Op, at: At) -> Problem | None:
    if "weight" not in op.inputs or "weight" in op.fixed:
        return None
    if (op.shape("x") or (1,))[0] == 1:
        return "conditional", "its weight is computed"
    return "ineligible", "its weight is computed and the batch is not 1"


def _dilation(op: Op, at: At) -> Problem | None:
    dilations, kernel = _list(op, "dilations"), _kernel(op)
    if max(dilations) > 8:
        return "conditional", f"a dilation of {max(dilations)}, up to 8 was measured"
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=False)]
    if max(dilations) > 1 and _channels(op)[2] > 1 and spans:
        wide = limit("kernel width", at.tier)
        if max(spans) > wide:
            return "conditional", f"groups with a dilated kernel of {max(spans)}, above {wide}"
    return None


def _palettized_stride(op: Op, at: At) -> Problem | None:
    palettes = [m for m in at.makers(op, "weight") if m.kind.startswith("constexpr_lut")]
    stride = max(_list(op, "strides"))
    if palettes and stride > 2:
        return "conditional", f"a palettized kernel with a stride of {stride}"
    return None


def _transposed(op: Op, at: At) -> Problem | None:
    stride, dilation = max(_list(op, "strides")), max(_list(op, "dilations"))
    if stride > _LARGEST_TRANSPOSED:
        return "ineligible", f"a stride of {stride}"
    return ("conditional", f"a dilation of {dilation}") if dilation > 1 else None


def _strides(op: Op, at: At) -> Problem | None:
    pair = sorted(_list(op, "strides")[:2])
    if max(pair) <= 2:
        return None
    good = pair[-1] in _STRIDES if pair[0] == pair[-1] else pair[0] == 2 and pair[-1] in _MIXED
    return None if good else ("warning", f"strides of {pair[0]} and {pair[-1]}")


def _large(op: Op, at: At) -> Problem | None:
    kernel, dilation = _kernel(op), max(_list(op, "dilations"))
    if max(kernel, default=0) > 7:
        return "warning", f"a kernel of {kernel[0]} x {kernel[1]}"
    return ("warning", f"a dilation of {dilation}") if dilation > 3 else None


def _winograd(op: Op, at: At) -> Problem | None:
    plain = max(_list(op, "strides")) == 1 == max(_list(op, "dilations")) == _channels(op)[2]
    if _kernel(op) == [3, 3] and plain:
        return "note", "3x3 of stride 1: the fast route, 2.25 times fewer multiplications"
    return None


def _lanes(op: Op, at: At) -> Problem | None:
    inside, _, groups = _channels(op)
    if groups in (1, 2, 4) or groups == inside:
        return None
    return "warning", f"{groups} groups"


def _interleave(op: Op, at: At) -> Problem | None:
    inside, outside, _ = _channels(op)
    odd = [n for n in (inside, outside) if n % 16]
    if odd:
        return "note", f"{inside} to {outside} channels: {odd[0]} is no multiple of 16"
    return None


def _dense_weight(op: Op, at: At) -> Problem | None:
    """Find a plain weight beyond the kernel memory, and an operand beyond the working set."""
    largest = max((t.bytes for t in op.activations), default=0)
    if largest > 2**21:
        return "warning", f"an operand of {largest / 2**20:.1f} MB: tiles from memory"
    size = sum(t.bytes for t in op.inputs.get("weight", ())) if "weight" in op.fixed else 0
    streamed = any(m.decompresses for m in at.makers(op, "weight"))
    if size > (2**24 if streamed else 2**16) and before(at.tier, "h14"):
        return "note", f"a weight of {size / 2**10:.0f} KB is split"
    return None


RULES = (
    Rule("C01", "convolutions are two-dimensional", "ineligible", "medium",
         ("C/4-reachable", "C/24-gate"),
         "fold the third axis into channels or batch; author 1-D ones as (n, c, 1, w)",
         _BOTH, _two_dimensional),
    Rule("C02", "kernels within the generation's limits and no higher than the input",
         "ineligible", "medium", ("C/A-limits", "C/17-shapes", "A/strides", "D/2"),
         "two smaller kernels in a row", _BOTH, _kernel_size),
    Rule("C03", "channels divisible by groups", "ineligible", "medium",
         ("C/17-modes", "C/17-validators"), "a number of groups that divides both channels",
         _BOTH, _groups),
    Rule("C04", "weights of convolutions are constants", "ineligible", "low", ("E",),
         "store the weight; matmul for computed ones", _BOTH, _constant_weight),
    Rule("C05", "dilation of 8 at most, small where grouped", "conditional", "medium",
         ("C/17-shapes", "A/dilation"), "a chain of dilations of 2 and 3", _BOTH, _dilation),
    Rule("C06", "palettized kernels with strides of 2 at most", "conditional", "high",
         ("A/strides", "C/17-shapes"), "leave this kernel in float16, or stride twice by 2",
         _BOTH, _palettized_stride),
    Rule("C07", "transposed convolutions without dilation, of small strides", "ineligible",
         "medium", ("F/2450", "C/A-conv"),
         "several of stride 2, or depth_to_space after a convolution",
         ops("conv_transpose"), _transposed),
    Rule("L05", "strides of 2s and 3s, equal or with one 2", "warning", "high", ("A/strides",),
         "strides of 4, 6, 8, 9, 12, 16, 24 or 32; beside a 2: 3, 4, 8 or 9",
         _BOTH, _strides),
    Rule("L07", "small kernels and dilations", "warning", "high", ("A/kernels", "A/dilation"),
         "two kernels with k1 + k2 - 1 = k; a chain of dilations of 2 and 3", _BOTH, _large),
    Rule("L09", "3x3 of stride 1 takes the Winograd route", "note", "medium",
         ("C/4-limits", "C/A-conv"), "nothing to fix: prefer such kernels", ops("conv"),
         _winograd),
    Rule("L10", "1, 2 or 4 groups, or depthwise", "warning", "medium", ("C/17-modes",),
         "another number of groups", ops("conv"), _lanes),
    Rule("L11", "channels in multiples of 16", "note", "medium", ("C/17-modes", "A/alignment"),
         "channels in multiples of 16 or 32", _BOTH, _interleave),
    Rule("L12", "operands of 2 MB at most, plain weights of 64 KB on h13", "warning", "medium",
         ("C/17-memory", "C/24-kernel"), "smaller maps; palettized weights are streamed",
         operation=_dense_weight),
)  # fmt: skip
