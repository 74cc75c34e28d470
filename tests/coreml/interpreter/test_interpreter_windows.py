"""Convolutions and pools against SciPy's correlation, TensorFlow and the definition."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mil_programs import mil
from scipy import signal

from eyecli.coreml.interpreter import convolution, pooling
from eyecli.coreml.interpreter.windows import padding


@st.composite
def geometry(draw: st.DrawFn, dilated: bool = True) -> dict[str, Any]:
    """A window over one to three axes, with an input that is large enough."""
    rank = draw(st.sampled_from([1, 2, 2, 3]))

    def numbers(low: int, high: int, n: int = rank) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=n, max_size=n))

    kernel, strides = numbers(1, 3), numbers(1, 3)
    dilations = numbers(1, 2) if dilated else [1] * rank
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    sizes = [e + more for e, more in zip(extents, numbers(0, 5), strict=True)]
    return {
        "kernel": kernel, "strides": strides, "dilations": dilations, "extents": extents,
        "sizes": sizes, "pad": numbers(0, 2, 2 * rank),
        "pad_type": draw(st.sampled_from(["valid", "same", "same_lower", "custom"])),
        "seed": draw(st.integers(0, 99)),
    }  # fmt: skip


def explicit(drawn: dict[str, Any]) -> list[tuple[int, int]]:
    """Padding by the definition: the output of `same` has ceil(size / stride) positions."""
    pads = []
    for i, size in enumerate(drawn["sizes"]):
        if drawn["pad_type"] == "valid":
            pads.append((0, 0))
        elif drawn["pad_type"] == "custom":
            pads.append((drawn["pad"][2 * i], drawn["pad"][2 * i + 1]))
        else:
            stride, reach = drawn["strides"][i], drawn["extents"][i]
            total = max(((size + stride - 1) // stride - 1) * stride + reach - size, 0)
            less, more = total // 2, (total + 1) // 2
            pads.append((less, more) if drawn["pad_type"] == "same" else (more, less))
    return pads


def correlated(drawn: dict[str, Any], x: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """The convolution as sums of SciPy's correlations, dilation as zeros in the kernel."""
    padded = np.pad(x, [(0, 0), (0, 0), *explicit(drawn)]).astype(np.float64)
    wide = np.zeros((*weight.shape[:2], *drawn["extents"]))
    wide[(..., *(slice(None, None, d) for d in drawn["dilations"]))] = weight
    per, out = weight.shape[1], len(weight) // groups
    steps = tuple(slice(None, None, s) for s in drawn["strides"])
    return np.array(
        [
            [
                sum(
                    signal.correlate(image[o // out * per + c], wide[o, c], "valid", "direct")[
                        steps
                    ]
                    for c in range(per)
                )
                for o in range(len(weight))
            ]
            for image in padded
        ]
    )


@settings(deadline=None, max_examples=120)
@given(geometry(), st.sampled_from([(4, 6, 1), (4, 6, 2), (4, 4, 4), (3, 6, 3), (1, 2, 1)]))
def test_conv_is_scipys_correlation(drawn: dict[str, Any], channels: tuple[int, int, int]) -> None:
    inside, outside, groups = channels
    random = np.random.default_rng(drawn["seed"])
    x = random.normal(size=(2, inside, *drawn["sizes"])).astype(np.float32)
    weight = random.normal(size=(outside, inside // groups, *drawn["kernel"])).astype(np.float32)
    bias = random.normal(size=outside).astype(np.float32)
    out = convolution.conv({**drawn, "x": x, "weight": weight, "bias": bias, "groups": groups})
    expected = correlated(drawn, x, weight, groups) + bias.reshape(-1, *[1] * (x.ndim - 2))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected, atol=2e-5)


@pytest.mark.parametrize("groups", [1, 6])
def test_chunks_change_nothing(groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(1, 6, 5, 9, 8)).astype(np.float32)
    weight = random.normal(size=(6, 6 // groups, 2, 3, 3)).astype(np.float32)
    arguments = {"x": x, "weight": weight, "groups": groups, "strides": [1, 2, 1],
                 "dilations": [1, 1, 1], "pad_type": "same"}  # fmt: skip
    whole = convolution.conv(arguments)
    monkeypatch.setattr(convolution, "COLUMN_BYTES", 1)
    monkeypatch.setattr(convolution, "CHUNK_BYTES", 1)
    np.testing.assert_allclose(convolution.conv(arguments), whole, atol=1e-5)


def test_same_lower_is_not_same() -> None:
    """The planted fault: the odd pixel on the other side."""
    same, lower = (
        padding([4], [2], {"pad_type": mode, "strides": [1]}) for mode in ("same", "same_lower")
    )
    assert same == [(0, 1)] and lower == [(1, 0)]


@settings(deadline=None, max_examples=60)
@given(geometry(), st.sampled_from([1, 2]))
def test_conv_transpose_is_the_adjoint(drawn: dict[str, Any], groups: int) -> None:
    """<conv(a), b> = <a, conv_transpose(b)> for the convolution with the same padding."""
    random = np.random.default_rng(drawn["seed"])
    if drawn["pad_type"] == "same_lower":
        drawn["pad_type"] = "same"
    a = random.normal(size=(1, 4, *drawn["sizes"])).astype(np.float32)
    weight = random.normal(size=(6, 4 // groups, *drawn["kernel"])).astype(np.float32)
    forward = convolution.conv({**drawn, "x": a, "weight": weight, "groups": groups})
    b = random.normal(size=forward.shape).astype(np.float32)
    back = convolution.conv_transpose(
        {**drawn, "x": b, "weight": weight, "groups": groups, "output_shape": list(a.shape)}
    )
    assert back.shape == a.shape
    gap = np.vdot(forward.astype(np.float64), b) - np.vdot(a.astype(np.float64), back)
    assert abs(gap) < 1e-3


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (2, 3), (3, 1)])
@pytest.mark.parametrize("mode", ["same", "valid"])
def test_conv_transpose_is_tensorflows(kernel: int, stride: int, mode: str) -> None:
    import keras

    layer = keras.layers.Conv2DTranspose(5, kernel, stride, mode, bias_initializer="normal")
    x = np.random.default_rng(2).normal(size=(1, 4, 6, 5)).astype(np.float32)
    expected = np.moveaxis(np.asarray(layer(np.moveaxis(x, 1, -1))), -1, 1)
    weight, bias = layer.get_weights()
    constants = {"weight": weight.transpose(3, 2, 0, 1), "bias": bias, "strides": [stride] * 2,
                 "pad_type": mode}  # fmt: skip
    if mode == "same" or kernel >= stride:
        np.testing.assert_allclose(mil("conv_transpose", {"x": x}, constants), expected, atol=1e-5)
    # The converter from TensorFlow says the shape, too.
    constants["output_shape"] = list(expected.shape)
    np.testing.assert_allclose(mil("conv_transpose", {"x": x}, constants), expected, atol=1e-5)


def test_conv_transpose_cuts_custom_pads() -> None:
    random = np.random.default_rng(3)
    x, weight = random.normal(size=(1, 2, 5)), random.normal(size=(2, 3, 4))
    x, weight = x.astype(np.float32), weight.astype(np.float32)
    whole = mil("conv_transpose", {"x": x}, {"weight": weight, "strides": [2]})
    constants = {"weight": weight, "strides": [2], "pad_type": "custom", "pad": [1, 2]}
    cut = mil("conv_transpose", {"x": x}, constants)
    np.testing.assert_array_equal(cut, whole[..., 1:-2])
    # Output 3 is reached by input 0 (tap 3) and input 1 (tap 1).
    by_hand = weight[:, :, 3].T @ x[0, :, 0] + weight[:, :, 1].T @ x[0, :, 1]
    np.testing.assert_allclose(whole[0, :, 3], by_hand, atol=1e-5)


@settings(deadline=None, max_examples=120)
@given(geometry(dilated=False), st.booleans(), st.booleans())
def test_pools_are_the_definition(drawn: dict[str, Any], exclude: bool, ceil: bool) -> None:
    kernel, strides, sizes = drawn["kernel"], drawn["strides"], drawn["sizes"]
    drawn["pad"] = [min(p, kernel[i // 2] - 1) for i, p in enumerate(drawn["pad"])]
    # With a stride beyond the kernel a last window may lie outside, and its value is undefined.
    reaches = all(k >= s for k, s in zip(kernel, strides, strict=True))
    ceil = ceil and reaches and drawn["pad_type"] in ("valid", "custom")
    if ceil:  # coremltools: then padding has to be symmetric
        drawn["pad"] = [drawn["pad"][i // 2 * 2] for i in range(len(drawn["pad"]))]
    x = np.random.default_rng(drawn["seed"]).normal(size=(1, 2, *sizes)).astype(np.float32)
    arguments = {**drawn, "x": x, "kernel_sizes": kernel, "ceil_mode": ceil,
                 "exclude_padding_from_average": exclude}  # fmt: skip
    largest, average = pooling.max_pool(arguments), pooling.avg_pool(arguments)
    euclid = pooling.l2_pool(arguments)
    counts = []
    for (before, after), n, k, s in zip(explicit(drawn), sizes, kernel, strides, strict=True):
        whole = n + before + after - k
        count = (whole + s - 1 if ceil else whole) // s + 1
        counts.append(count - (ceil and (count - 1) * s >= n + before and before + after > 0))
    assert largest.shape == average.shape == euclid.shape == (1, 2, *counts)
    for c, position in product(range(2), np.ndindex(*counts)):
        real, inside = [], 0
        for offset in np.ndindex(*kernel):
            at = [p * s + o - b for p, s, o, (b, _) in
                  zip(position, strides, offset, explicit(drawn), strict=True)]  # fmt: skip
            inside += all(a < n + after for a, n, (_, after) in
                          zip(at, sizes, explicit(drawn), strict=True))  # fmt: skip
            if all(0 <= a < n for a, n in zip(at, sizes, strict=True)):
                real.append(float(x[(0, c, *at)]))
        assert largest[(0, c, *position)] == np.float32(max(real))
        expected = sum(real) / (len(real) if exclude else inside)
        assert average[(0, c, *position)] == pytest.approx(expected, abs=1e-5)
        assert euclid[(0, c, *position)] == pytest.approx(np.linalg.norm(real), rel=1e-5)


@pytest.mark.parametrize("kind", ["MaxPooling2D", "AveragePooling2D"])
def test_pools_are_kerass(kind: str) -> None:
    import keras

    x = np.random.default_rng(4).normal(size=(1, 3, 9, 8)).astype(np.float32)
    layer = getattr(keras.layers, kind)(3, 2, padding="same")
    expected = np.moveaxis(np.asarray(layer(np.moveaxis(x, 1, -1))), -1, 1)
    constants: dict[str, Any] = {"kernel_sizes": [3, 3], "strides": [2, 2], "pad_type": "same"}
    if kind == "MaxPooling2D":
        np.testing.assert_array_equal(mil("max_pool", {"x": x}, constants), expected)
    else:
        constants["exclude_padding_from_average"] = True
        np.testing.assert_allclose(mil("avg_pool", {"x": x}, constants), expected, atol=1e-6)
