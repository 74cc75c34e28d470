"""What a program costs: operations of arithmetic, and memory, from its shapes alone."""

from __future__ import annotations

import math
from collections.abc import Iterable

from eyecli.ane.program import Graph, Op, Tensor
from eyecli.ane.vocabulary import ops

_POOLS = ops("avg_pool max_pool l2_pool")
_RECURRENT = ops("lstm gru rnn")
# What only moves or names data.
_MOVES = ops(
    """
reshape reshape_like expand_dims squeeze flatten2d transpose concat split stack pad slice_by_index
slice_by_size slice_update reverse reverse_sequence tile gather gather_along_axis gather_nd scatter
scatter_along_axis scatter_nd depth_to_space space_to_depth pixel_shuffle pixel_unshuffle
space_to_batch batch_to_space identity fill fill_like range_1d crop cast const shape read_state
coreml_update_state sliding_windows band_part one_hot non_zero make_list list_gather list_length
list_read list_scatter list_write cond while_loop
"""
)


def flops(op: Op) -> int:
    """Count the arithmetic of one operation.

    A multiplication with its addition counts two. Convolutions, `linear`, `matmul`, `einsum`,
    pools and recurrent cells by their sums; a reduction by what it reads; whatever else computes,
    elementwise operations and activations, one for each element of its results; what only moves
    data, nothing.

    Returns
    -------
    int
        Floating-point operations of one call; a size that is not fixed counts as one.
    """
    if op.decompresses or op.kind in _MOVES:
        return 0
    made = sum(tensor.elements for tensor in op.outputs)
    weight = op.shape("weight")
    if op.kind in ("conv", "conv_quantized"):
        return 2 * made * _product(weight[1:])
    if op.kind == "conv_transpose":
        return 2 * math.prod(n or 1 for n in op.shape("x")) * _product(weight[1:])
    if op.kind in ("linear", "linear_activation"):
        return 2 * made * _product(weight[1:])
    if op.kind == "matmul":
        left = op.shape("x")
        deep = left[-2 if op.constants.get("transpose_x") else -1] if len(left) > 1 else None
        return 2 * made * (deep or 1)
    if op.kind == "einsum":
        return 2 * _einsum(op)
    if op.kind in _POOLS:
        return made * math.prod(int(k) for k in op.constants.get("kernel_sizes", ()))
    if op.kind in _RECURRENT:
        steps = _product(op.shape("x")[:2])
        parts = ("weight_ih", "weight_hh", "weight_ih_back", "weight_hh_back")
        return 2 * steps * sum(_product(op.shape(p)) for p in parts if op.inputs.get(p))
    if op.kind.startswith("reduce_"):
        return sum(t.elements for group in op.inputs.values() for t in group[:1])
    return made


def in_words(count: int) -> str:
    """Write a number of floating-point operations: ``12.5 MFLOPs``."""
    for size, unit in ((1e9, "GFLOPs"), (1e6, "MFLOPs"), (1e3, "kFLOPs")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} FLOPs"


def _product(sizes: Iterable[int | None]) -> int:
    return math.prod(size or 1 for size in sizes)


def _einsum(op: Op) -> int:
    """Multiply the sizes of all axes that the equation names."""
    terms = str(op.constants.get("equation", "")).partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, op.inputs.get("values", ()), strict=False):
        sizes.update({c: n or 1 for c, n in zip(term.strip(), tensor.shape, strict=False)})
    return math.prod(sizes.values())


def working_set(op: Op) -> int:
    """Give the bytes of everything that one operation reads and writes, weights included."""
    tensors = [*op.outputs, *(t for group in op.inputs.values() for t in group)]
    return sum(tensor.bytes for tensor in tensors)


def largest_live(graph: Graph) -> int:
    """Give the most bytes of activations that are alive at once, in program order.

    Parameters
    ----------
    graph
        A function; values of nested blocks count as if they were in it.
    """
    last: dict[str, int] = {}
    types: dict[str, Tensor] = {}
    for n, op in enumerate(graph.ops):
        if op.decompresses:
            continue
        for parameter, names in op.arguments.items():
            if parameter not in op.fixed:
                last.update(dict.fromkeys(names, n))
                types.update(zip(names, op.inputs[parameter], strict=False))
        last.update({name: max(n, last.get(name, n)) for name in op.results})
        types.update(zip(op.results, op.outputs, strict=True))
    last.update({name: len(graph.ops) for name in graph.results})
    made = {name for op in graph.ops for name in op.results}
    alive = {name for name in last if name not in made}
    size = sum(types[name].bytes for name in alive if name in types)
    ends: dict[int, list[str]] = {}
    for name, n in last.items():
        ends.setdefault(n, []).append(name)
    most = size
    for n, op in enumerate(graph.ops):
        if not op.decompresses:
            size += sum(tensor.bytes for tensor in op.outputs)
        most = max(most, size)
        size -= sum(types[name].bytes for name in ends.get(n, ()) if name in types)
    return most
