from __future__ import annotations

import pytest
from ane_cases import conv, pool, relu
from ane_programs import Step, model

from eyecli.ane.cost import flops, in_words, largest_live, working_set
from eyecli.ane.program import Graph, Tensor, graphs


def graph(*steps: Step) -> Graph:
    (made,) = graphs(model(*steps))
    return made


OUT = 1 * 16 * 8 * 32


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (conv(), 2 * OUT * 16 * 9),
        (conv(inside=1, groups=16), 2 * OUT * 9),
        (conv(kind="conv_transpose"), 2 * (16 * 40 * 40) * 16 * 9),
        (Step("linear", {"x": (1, 64)}, {"weight": (10, 64)}, output=(1, 10)), 2 * 10 * 64),
        (Step("matmul", {"x": (4, 8), "y": (8, 5)}, output=(4, 5)), 2 * 4 * 5 * 8),
        (
            Step("matmul", {"x": (8, 4), "y": (8, 5)}, {}, {"transpose_x": True}, output=(4, 5)),
            2 * 4 * 5 * 8,
        ),
        (
            Step("einsum", {"values": [(2, 3, 5), (2, 5, 7)]}, {},
                 {"equation": "bij,bjk->bik"}, output=(2, 3, 7)),
            2 * 2 * 3 * 5 * 7,
        ),
        (pool(3), OUT * 9),
        (relu(), OUT),
        (Step("reduce_mean", {"x": (1, 16, 8, 8)}, output=(1, 16)), 16 * 64),
        (
            Step("lstm", {"x": (10, 1, 4)}, {"weight_ih": (32, 4), "weight_hh": (32, 8)}),
            2 * 10 * 32 * (4 + 8),
        ),
        (Step("reshape", {"x": (1, 16)}), 0),
        (Step("constexpr_lut_to_dense"), 0),
    ],
    ids=lambda v: getattr(v, "kind", None),
)  # fmt: skip
def test_arithmetic(step: Step, expected: int) -> None:
    (op,) = graph(step).ops
    assert flops(op) == expected


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 FLOPs"), (999, "999 FLOPs"), (1500, "1.5 kFLOPs"), (12_500_000, "12.5 MFLOPs"),
     (3_000_000_000, "3.0 GFLOPs")],
)  # fmt: skip
def test_arithmetic_in_words(count: int, words: str) -> None:
    assert in_words(count) == words


def test_a_working_set_has_all_that_is_read_and_written() -> None:
    (op,) = graph(conv(x=(1, 16, 8, 32))).ops
    assert working_set(op) == 2 * (OUT + OUT + 16 * 16 * 9)


def test_memory_is_freed_after_the_last_use() -> None:
    shape = (1, 1, 1, 100)
    chain = [
        Step("relu", {"x": shape}, output=shape, name="a"),
        Step("relu", {"x": "a"}, output=shape, name="b"),
        Step("relu", {"x": "b"}, output=shape, name="c"),
    ]
    assert largest_live(graph(*chain)) == 2 * 200
    kept = [*chain, Step("add", {"x": "c", "y": "a"}, output=shape, name="d")]
    assert largest_live(graph(*kept)) == 3 * 200


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("FLOAT16", 200), ("FLOAT32", 400), ("INT4", 50), ("UINT1", 13), ("BOOL", 100),
     ("FLOAT8E4M3FN", 100), ("UINT8", 100), ("UNUSED_TYPE", 0)],
)  # fmt: skip
def test_bytes_of_a_type(dtype: str, expected: int) -> None:
    assert Tensor(dtype, (100,)).bytes == expected


def test_weights_are_counted_where_they_are_stored() -> None:
    sizes = graph(conv(), conv(outside=32)).weights
    assert sum(sizes.values()) == 2 * (16 + 32) * 16 * 9
