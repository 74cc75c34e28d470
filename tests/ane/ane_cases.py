"""For every rule a program that breaks it and the nearest one that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ane_programs import Step

Feature = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A rule, what it says of the bad program, both programs, and what an app gives to them."""

    rule: str
    level: str
    bad: Sequence[Step]
    good: Sequence[Step]
    bad_features: Sequence[Feature] = ()
    good_features: Sequence[Feature] = ()
    tier: str = "h13"
    good_tier: str | None = None
    specification: int = 9


def conv(
    kernel: Sequence[int] = (3, 3),
    *,
    x: Any = (1, 16, 40, 40),
    inside: int | None = None,
    outside: int = 16,
    kind: str = "conv",
    weight: str = "FLOAT16",
    **constants: Any,
) -> Step:
    channels = x[1] if inside is None else inside
    return Step(kind, {"x": x}, {"weight": ((outside, channels, *kernel), weight)}, constants)


def pool(
    window: int = 2, stride: int = 2, size: int = 64, kind: str = "max_pool", **constants: Any
) -> Step:
    sizes = {"kernel_sizes": [window] * 2, "strides": [stride] * 2, "pad_type": "valid"}
    return Step(kind, {"x": (1, 16, size, size)}, {}, {**sizes, **constants})


def relu(shape: Sequence[int | None] = (1, 16, 8, 32), **more: Any) -> Step:
    return Step("relu", {"x": shape}, output=shape, **more)


def cast(made: str, read: str = "FLOAT16", name: str | None = None) -> Step:
    return Step("cast", {"x": ((1, 16, 8, 32), read)}, dtype=made, name=name)


def add(x: Any = (1, 16, 8, 32), y: Any = (1, 16, 8, 32), **more: Any) -> Step:
    return Step("add", {"x": x, "y": y}, **more)


def unary(kind: str, shape: Sequence[int] = (1, 16, 8, 32), **constants: Any) -> Step:
    return Step(kind, {"x": shape}, {}, constants, output=shape)


def pad(sizes: list[int], mode: str = "constant", value: float = 0.0) -> Step:
    return unary("pad", pad=sizes, mode=mode, constant_val=value)


def palette(weight: tuple[int, ...], **constants: Any) -> list[Step]:
    made = Step("constexpr_lut_to_dense", output=weight, name="palette",
                attributes={"indices": (weight, "UINT8"), "lut": (16,)})  # fmt: skip
    step = conv(**constants)
    return [made, replace(step, weights={"weight": "palette"})]


def branches(count: int) -> Step:
    return Step("concat", {"values": [(1, 16, 8, 32)] * count}, {}, {"axis": 1})


IMAGE = ("picture", "image", (64, 64))
HALF = ("values", "FLOAT16", (1, 16, 8, 32))


def feature(kind: str, shape: Sequence[int] = (1, 16, 8, 32), flexible: str = "") -> list[Feature]:
    return [("values", kind, shape, flexible)]


CASES: tuple[Case, ...] = (
    Case("D01", "ineligible", [relu(dtype="FLOAT32")], [relu()]),
    Case("D01", "ineligible", [relu(dtype="INT32")], [unary("reduce_argmax", axis=1)]),
    Case("D02", "ineligible", [cast("INT32")], [relu()]),
    Case("D02", "ineligible", [relu(dtype="BFLOAT16")], [relu()]),
    Case("D02", "conditional", [cast("FLOAT32")], [relu()]),
    Case("D02", "ineligible", [relu()], [relu()], feature("string"), [HALF]),
    Case("D03", "ineligible", [Step("add", {"x": (1, 16, 8, 32)}, {"y": ((), "FLOAT32")})],
         [Step("add", {"x": (1, 16, 8, 32)}, {"y": ((), "FLOAT16")})]),
    Case("D04", "conditional", [relu()], [relu()], feature("FLOAT32"), [HALF, IMAGE]),
    Case("D04", "conditional", [relu()], [relu()], feature("INT8"), [HALF]),
    Case("S01", "ineligible", [relu((1,) * 6)], [relu((1,) * 5)]),
    Case("S02", "conditional", [relu((1, 16, 8, None))], [relu()]),
    Case("S02", "ineligible", [relu((1, 0, 8, 32))], [relu()]),
    Case("S02", "conditional", [relu()], [relu()],
         feature("FLOAT16", flexible="range"), feature("FLOAT16")),
    Case("S02", "conditional", [relu()], [relu()],
         [(*IMAGE, "enumerated")], [IMAGE]),
    Case("S03", "conditional", [unary("layer_norm")], [unary("layer_norm")],
         feature("FLOAT16", flexible="enumerated"), feature("FLOAT16")),
    Case("S04", "ineligible", [conv((1, 1), x=(1, 16, 1, 16385))],
         [conv((1, 1), x=(1, 16, 1, 16384))]),
    Case("S04", "ineligible", [conv((1, 1), x=(1, 65537, 1, 32))],
         [conv((1, 1), x=(1, 65536, 1, 32))]),
    Case("S05", "ineligible", [relu((1, 16385, 1, 32))], [conv((1, 1), x=(1, 16385, 1, 32))]),
    Case("S06", "ineligible", [Step("while_loop")], [relu()]),
    Case("S06", "ineligible", [Step("custom_layer")], [relu()]),
    Case("S07", "conditional",
         [conv((1, 1), x=(1, 32768, 1, 32), inside=32768, outside=16384)],
         [conv((1, 1), x=(1, 32768, 1, 32), inside=32768, outside=16376)]),
    Case("C01", "ineligible", [conv((3, 3, 3), x=(1, 16, 8, 8, 32))], [conv()]),
    Case("C01", "ineligible", [conv((3,), x=(1, 16, 32))], [conv((1, 3))]),
    Case("C02", "ineligible", [conv((1, 14))], [conv((1, 13))]),
    Case("C02", "ineligible", [conv((1, 14))], [conv((1, 16))], good_tier="h14"),
    Case("C02", "ineligible", [conv((30, 1))], [conv((29, 1))]),
    Case("C02", "ineligible", [conv((9, 1), x=(1, 16, 8, 32))],
         [conv((9, 1), x=(1, 16, 8, 32), pad_type="same")]),
    Case("C03", "ineligible", [conv(inside=5, groups=3)], [conv(inside=4, groups=4)]),
    Case("C04", "conditional", [Step("conv", {"x": (1, 16, 8, 32), "weight": (16, 16, 3, 3)})],
         [conv()]),
    Case("C04", "ineligible", [Step("conv", {"x": (2, 16, 8, 32), "weight": (16, 16, 3, 3)})],
         [conv()]),
    Case("C05", "conditional", [conv(dilations=[9, 9])], [conv(dilations=[8, 8])]),
    Case("C05", "conditional", [conv(inside=1, groups=16, dilations=[7, 7])],
         [conv(inside=1, groups=16, dilations=[6, 6])]),
    Case("C06", "conditional", palette((16, 16, 3, 3), strides=[4, 4]),
         palette((16, 16, 3, 3), strides=[2, 2])),
    Case("C07", "ineligible", [conv(kind="conv_transpose", strides=[16, 1])],
         [conv(kind="conv_transpose", strides=[2, 2])]),
    Case("C07", "conditional", [conv(kind="conv_transpose", dilations=[2, 2])],
         [conv(kind="conv_transpose", dilations=[1, 1])]),
    Case("P01", "ineligible", [pool(30)], [pool(29)]),
    Case("P01", "ineligible", [pool(30)], [pool(31)], good_tier="h14"),
    Case("P01", "ineligible", [pool(9, size=8)], [pool(7, size=8)]),
    Case("P01", "ineligible", [pool(3, pad_type="custom", pad=[1, 3, 1, 1])],
         [pool(3, pad_type="custom", pad=[1, 2, 1, 1])]),
    Case("P02", "ineligible",
         [pool(2, kind="avg_pool", pad_type="custom", pad=[2, 2, 0, 0],
               exclude_padding_from_average=True)],
         [pool(2, kind="avg_pool", pad_type="custom", pad=[2, 2, 0, 0],
               exclude_padding_from_average=False)]),
    Case("P03", "conditional", [pool(14, 1, 14, "avg_pool")], [pool(12, 1, 14, "avg_pool")]),
    Case("P03", "warning", [pool(13, 1, 13, "avg_pool")], [pool(12, 1, 13, "avg_pool")]),
    Case("P03", "conditional", [unary("reduce_mean", (1, 16, 14, 14), axes=[2, 3])],
         [unary("reduce_mean", (1, 16, 14, 14), axes=[1])]),
    Case("P03", "warning", [unary("reduce_mean", (1, 3, 3, 64), axes=[1, 2])],
         [unary("reduce_mean", (1, 3, 3, 64), axes=[1])]),
    Case("P04", "ineligible", [pool(2, 5)], [pool(2, 2)]),
    Case("P04", "conditional", [pool(2, 3)], [pool(2, 1)]),
    Case("P05", "ineligible",
         [pool(7, 4, kind="avg_pool", pad_type="custom", pad=[3, 3, 3, 3])],
         [pool(7, 4, kind="avg_pool")]),
    Case("P05", "ineligible", [pool(7, 4, 62, "avg_pool", pad_type="same")],
         [pool(7, 2, 62, "avg_pool", pad_type="same")]),
    Case("E01", "warning", [add((1, 16, 8, 32), (1, 16, 1, 1))], [add()]),
    Case("E01", "conditional", [add((1, 16, 8, 32), (1, 16, 1, 1))],
         [Step("add", {"x": (1, 16, 8, 32)}, {"y": (1, 16, 1, 1)})], tier="h12"),
    Case("E02", "conditional", [unary("softmax", (1, 1000), axis=-1)],
         [unary("softmax", (1, 1024), axis=-1)]),
    Case("X01", "ineligible", [pad([1, 1, 0, 0, 0, 0])], [pad([0, 0, 1, 1, 1, 1])]),
    Case("X02", "ineligible", [pad([1, 1, 1, 1], "reflect")], [pad([1, 1, 1, 1])]),
    Case("X02", "ineligible", [pad([1, 1, 1, 1], "reflect")], [pad([1, 1, 1, 1], "reflect")],
         good_tier="h14"),
    Case("X02", "conditional", [pad([1, 1, 1, 1], value=1.0)], [pad([1, 1, 1, 1])]),
    Case("X03", "conditional",
         [Step("concat", {"values": [(1, 16, 8, 32)] * 2}, {}, {"axis": -1})], [branches(2)]),
    Case("X03", "ineligible",
         [Step("concat", {"values": [(1, 16, 8, 32)] * 2, "axis": ((), "INT32")})],
         [branches(2)]),
    Case("X04", "ineligible", [add((1, 16, 8, 8, 32), (1, 16, 1, 8, 32))],
         [add((1, 16, 8, 8, 32), (1, 1, 8, 8, 32))]),
    Case("X04", "ineligible", [add((1, 16, 8, 32), (1, 8, 8, 32))], [add()]),
    Case("X05", "conditional", [unary("slice_by_size", begin=[0, 0, 0, 1], size=[1, 16, 8, 31])],
         [unary("slice_by_size", begin=[0, 1, 0, 0], size=[1, 15, 8, 32])]),
    Case("X05", "conditional", [unary("slice_by_size", begin=[0, 0, 0, 1], size=[1, 16, 8, 31])],
         [unary("slice_by_size", begin=[0, 0, 0, 1], size=[1, 16, 8, 31])], good_tier="h15"),
    Case("X06", "ineligible", [unary("transpose", perm=[0, 1, 1, 3])],
         [unary("transpose", perm=[0, 2, 1, 3])]),
    Case("X06", "ineligible", [unary("transpose", (1, 16385, 1, 32), perm=[0, 2, 1, 3])],
         [unary("transpose", (1, 16384, 1, 32), perm=[0, 2, 1, 3])]),
    Case("M01", "ineligible", [Step("matmul", {"x": (1, 1, 4, 8, 32), "y": (1, 1, 4, 32, 32)})],
         [Step("matmul", {"x": (1, 4, 8, 32), "y": (1, 4, 32, 32)})]),
    Case("M01", "ineligible", [Step("linear", {"x": (1, 1, 4, 8, 32)}, {"weight": (32, 32)})],
         [Step("linear", {"x": (1, 4, 8, 32)}, {"weight": (32, 32)})]),
    Case("M01", "ineligible",
         [Step("matmul", {"x": (1, 32), "y": (32, 32769)}, output=(1, 32769))],
         [Step("matmul", {"x": (1, 32), "y": (32, 32768)}, output=(1, 32768))], tier="h16"),
    Case("A01", "ineligible", [unary("reduce_argmax", (1, 2049, 1, 32), axis=1)], [relu()]),
    Case("A01", "conditional", [unary("reduce_argmax", (1, 2048, 1, 32), axis=1)], [relu()]),
    Case("N01", "conditional",
         [Step("add", {"x": (1, 16, 8, 32)}, {}, {"y": float("-inf")})],
         [Step("add", {"x": (1, 16, 8, 32)}, {}, {"y": -4e4})]),
    Case("N01", "ineligible", [Step("softmax", {"x": (1, 16, 8, 32)}, dtype="INT8")],
         [unary("softmax")]),
    Case("T01", "conditional", [unary("resize_bilinear")], [unary("resize_bilinear")],
         good_tier="h14"),
    Case("T01", "ineligible", [unary("crop_resize")], [unary("crop_resize")], good_tier="h14"),
    Case("T02", "conditional", [unary("gather")], [unary("slice_by_size")]),
    Case("T03", "ineligible", [unary("topk")], [unary("topk")], good_tier="h14"),
    Case("T03", "ineligible",
         [Step("slice_by_index", {"x": (1, 16, 8, 32), "begin": ((4,), "INT32")})],
         [unary("slice_by_index", begin=[0, 1, 0, 0], end=[1, 2, 8, 32])]),
    Case("T04", "ineligible", [unary("sin")], [unary("sin")], good_tier="h15"),
    Case("T04", "ineligible", [unary("tan")], [unary("atan")], tier="h17"),
    Case("T05", "ineligible", [unary("random_uniform")], [unary("random_uniform")],
         good_tier="h15"),
    Case("T05", "ineligible", [unary("random_normal")], [relu()], tier="h17"),
    Case("Q01", "ineligible", [conv(weight="INT8")], [conv()]),
    Case("Q01", "ineligible", [conv(weight="UINT8")], palette((16, 16, 3, 3))),
    Case("Q02", "conditional",
         [Step("constexpr_blockwise_shift_scale", attributes={"data": ((16, 32), "INT4")})],
         [Step("constexpr_blockwise_shift_scale", attributes={"data": ((16, 32), "INT4")})],
         good_tier="h15"),
    Case("Q03", "warning", [unary("dequantize")], [unary("dequantize")], good_tier="h16"),
    Case("L01", "note", [relu()], [relu()], feature("FLOAT16", (1, 128, 1, 1)), [HALF]),
    Case("L02", "warning", [unary("transpose", perm=[0, 3, 1, 2])],
         [unary("transpose", perm=[0, 2, 1, 3])]),
    Case("L02", "warning", [Step("reshape", {"x": (1, 16, 8, 8)}, output=(1, 16, 64))],
         [Step("reshape", {"x": (1, 16, 8, 32)}, output=(1, 128, 32))]),
    Case("L03", "note", [Step("linear", {"x": (1, 32)}, {"weight": (32, 32)})],
         [conv((1, 1))]),
    Case("L03", "note", [Step("matmul", {"x": (1, 32)}, {"y": (32, 32)})],
         [Step("matmul", {"x": (1, 32), "y": (32, 32)})]),
    Case("L04", "warning",
         [Step("reduce_mean", {"x": (1, 16, 8, 32)}, {}, {"axes": [1]}, name="mean"),
          Step("add", {"x": "mean"}, {}, {"y": 1e-5}, name="sum"), Step("rsqrt", {"x": "sum"})],
         [add(name="sum"), Step("rsqrt", {"x": "sum"})]),
    Case("L05", "warning", [conv(strides=[5, 5])], [conv(strides=[4, 4])]),
    Case("L05", "warning", [conv(strides=[4, 8])], [conv(strides=[2, 4])]),
    Case("L06", "warning", [pool(3, 3)], [pool(3, 2)]),
    Case("L07", "warning", [conv((9, 9))], [conv((7, 7))]),
    Case("L07", "warning", [conv(dilations=[4, 4])], [conv(dilations=[3, 3])]),
    Case("L08", "note", [unary("softmax", axis=-1)], [unary("softmax", axis=1)]),
    Case("L09", "note", [conv()], [conv(strides=[2, 2])]),
    Case("L10", "warning", [conv(inside=2, groups=8)], [conv(inside=4, groups=4)]),
    Case("L11", "note", [conv(outside=10)], [conv(outside=32)]),
    Case("L12", "warning", [relu((1, 16, 256, 257))], [relu((1, 16, 256, 256))]),
    Case("L12", "note", [conv(outside=256)], palette((256, 16, 3, 3))),
    Case("L13", "note", [unary("reduce_sum", (1, 192, 8, 32), axes=[1])],
         [unary("reduce_sum", (1, 191, 8, 32), axes=[1])]),
    Case("L13", "note", [unary("reduce_sum", (1, 192, 8, 32), axes=[1])],
         [unary("reduce_sum", (1, 383, 8, 32), axes=[1])], good_tier="h15"),
    Case("L14", "warning", [unary("layer_norm", epsilon=1e-8)],
         [unary("layer_norm", epsilon=1e-5)]),
    Case("L14", "warning", [Step("add", {"x": (1, 16, 8, 32)}, {}, {"y": 4e4})],
         [Step("add", {"x": (1, 16, 8, 32)}, {}, {"y": 3e4})]),
    Case("L15", "note", [unary("sigmoid")], [relu()]),
    Case("L16", "warning", [relu()], [relu()], feature("FLOAT16", (8, 16, 8, 32)), [HALF]),
    Case("L17", "note", [relu()],
         [replace(conv(x=(1, 64, 128, 128)), output=(1, 16, 128, 128))]),
    Case("L18", "warning", [branches(13)], [branches(12)]),
    Case("L19", "warning", [*palette((16, 16, 3, 3)), conv(outside=64)],
         palette((16, 16, 3, 3))),
    Case("L20", "note", [unary("tile")], [relu()]),
    Case("L21", "note", [conv((1, 1), x=(1, 4096, 1, 32), outside=2048)],
         [conv((1, 1), x=(1, 4096, 1, 32), outside=1024)]),
)  # fmt: skip

# Hard rules that a program breaks together with the one that it is made for.
IMPLIED: Mapping[str, frozenset[str]] = {
    # Padding as large as the window is refused for itself.
    "P02": frozenset({"P01"}),
    # The stride that gives wrong numbers is above 2 anyway.
    "P05": frozenset({"P04"}),
    # Several shapes are not a fixed one.
    "S03": frozenset({"S02"}),
    # An axis too long to transpose is too long for all but convolutions.
    "X06": frozenset({"S05"}),
}
