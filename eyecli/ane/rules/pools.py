"""Rules on pools, global ones by reduction included."""

from __future__ import annotations

from eyecli.ane.program import Op
from eyecli.ane.rules.convolutions import pads
from eyecli.ane.rules.rule import At, Problem, Rule
from eyecli.ane.tiers import limit
from eyecli.ane.vocabulary import ops

_POOLS = ops("avg_pool max_pool l2_pool")
# A global pool of up to this is a pool like others; D/2 gives the message of larger ones.
_GLOBAL = 13


def _window(op: Op) -> list[int]:
    return [int(k) for k in op.constants.get("kernel_sizes") or ()]


def _stride(op: Op) -> int:
    return max((int(s) for s in op.constants.get("strides") or ()), default=1)


def _extent(op: Op) -> list[int]:
    return [size or 0 for size in op.shape("x")[2:]]


def _padding(op: Op) -> list[tuple[int, int]]:
    return pads(op, _extent(op), _window(op))


def _window_size(op: Op, at: At) -> Problem | None:
    window, most = _window(op), limit("pool window", at.tier)
    if any(k > most for k in window):
        return "ineligible", f"a window of {_by(window)}, the limit is {most}"
    padding = _padding(op)
    if any(max(p) >= k > 0 for p, k in zip(padding, window, strict=False)):
        return "ineligible", f"padding {padding} not smaller than the window {_by(window)}"
    sizes = [e + sum(p) for e, p in zip(_extent(op), padding, strict=False)]
    if any(k > e > 0 for k, e in zip(window, sizes, strict=False)):
        return "ineligible", f"a window of {_by(window)} on a map of {_by(sizes)}"
    return None


def _by(sizes: list[int]) -> str:
    return " x ".join(map(str, sizes))


def _exclusive(op: Op, at: At) -> Problem | None:
    wide = any(max(p) >= k for p, k in zip(_padding(op), _window(op), strict=False))
    if op.constants.get("exclude_padding_from_average") and wide:
        return "ineligible", "an average without its padding, which is as large as the window"
    return None


def _whole_map(op: Op, at: At) -> Problem | None:
    """Judge a pool over the whole map: a pool of that window, or a mean over height and width."""
    if op.kind in _POOLS:
        sizes = _extent(op)
        if not sizes or _window(op) != sizes or max(sizes) == 1:
            return None
    else:
        shape, axes = op.shape("x"), op.constants.get("axes")
        rank = len(shape)
        chosen = {int(a) % rank for a in axes} if isinstance(axes, list) and rank else set()
        # Height and width, or as Keras has them, before the channels.
        if rank != 4 or not ({2, 3} <= chosen or chosen == {1, 2}):
            return None
        sizes = [size or 0 for size in (shape[1:3] if chosen == {1, 2} else shape[2:])]
    if max(sizes) > _GLOBAL:
        return "conditional", f"a pool over a whole map of {_by(sizes)}, above {_GLOBAL}"
    return "warning", f"a pool over a whole map of {_by(sizes)}: sources disagree"


def _pool_stride(op: Op, at: At) -> Problem | None:
    stride, most = _stride(op), limit("pool stride", at.tier)
    if stride > most:
        return "ineligible", f"a stride of {stride}, the limit is {most}"
    return ("conditional", f"a stride of {stride}, above 2") if stride > 2 else None


def _padded_average(op: Op, at: At) -> Problem | None:
    if _stride(op) > 2 and any(max(p) for p in _padding(op)):
        return "ineligible", f"a padded average with a stride of {_stride(op)} gave wrong numbers"
    return None


def _even_stride(op: Op, at: At) -> Problem | None:
    stride = _stride(op)
    return None if stride in (1, 2, 4) else ("warning", f"a stride of {stride}")


RULES = (
    Rule("P01", "windows within the limit and the map, padding below the window", "ineligible",
         "medium", ("C/A-limits", "C/A-conv", "C/17-validators"),
         "several smaller pools", _POOLS, _window_size),
    Rule("P02", "no average without padding where the padding is as large as the window",
         "ineligible", "low", ("C/17-validators",), "less padding", ops("avg_pool"), _exclusive),
    Rule("P03", "no pool over a large whole map", "conditional", "low",
         ("D/1", "D/2", "D/44", "C/A-reduction", "C2"),
         "a depthwise VALID convolution over the final map; --ane-rewrite does it",
         _POOLS | ops("reduce_mean reduce_max"), _whole_map),
    Rule("P04", "pooling strides of 2", "ineligible", "medium", ("D/2", "A/pools"),
         "several pools of stride 2", _POOLS, _pool_stride),
    Rule("P05", "no padded averages with strides above 2", "ineligible", "medium", ("F/1901",),
         "pad first, or a stride of 2", ops("avg_pool"), _padded_average),
    Rule("L06", "pooling strides of 2 or 4", "warning", "high", ("A/pools",),
         "a stride of 2 or 4", _POOLS, _even_stride),
)  # fmt: skip
