"""Every operation against NumPy, SciPy, TensorFlow or Keras, and the list of what is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import evaluate, float32, int32, mil
from scipy import ndimage, special

from eyecli.coreml.interpreter.operations import EXECUTABLE
from eyecli.errors import CheckError
from eyecli.lazy import coremltools

# What Core ML has and this interpreter has not: random numbers, and what no model of ours uses.
UNKNOWN = {
    "affine", "conv_quantized", "crop_resize", "non_maximum_suppression", "random_bernoulli",
    "random_categorical", "random_normal", "random_uniform", "resample", "_const_symbolic",
}  # fmt: skip


def f(*shape: int, seed: int = 0, low: float | None = None, high: float = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(size=shape) if low is None else random.uniform(low, high, shape)
    return values.astype(np.float32)


def whole(*shape: int, high: int = 9, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-high, high, shape).astype(np.int32)


def test_158_of_the_168_core_operations_are_executed() -> None:
    coremltools()
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    core = set(SSAOpRegistry.core_ops)
    assert len(core) == 168
    assert core - EXECUTABLE == UNKNOWN
    assert EXECUTABLE - core == {"coreml_update_state"}


X, POSITIVE = f(2, 3, 4), f(2, 3, 4, low=0.1, high=3)
INSIDE = f(2, 3, 4, low=-0.9, high=0.9)
UNARY: list[tuple[str, np.ndarray, dict[str, Any], Any]] = [
    ("abs", X, {}, np.abs),
    ("acos", INSIDE, {}, np.arccos),
    ("asin", INSIDE, {}, np.arcsin),
    ("atan", X, {}, np.arctan),
    ("atanh", INSIDE, {}, np.arctanh),
    ("ceil", X * 3, {}, np.ceil),
    ("clip", X, {"alpha": -0.5, "beta": 0.25}, lambda x: np.clip(x, -0.5, 0.25)),
    ("cos", X, {}, np.cos),
    ("cosh", X, {}, np.cosh),
    ("erf", X, {}, special.erf),
    ("exp", X, {}, np.exp),
    ("exp2", X, {}, np.exp2),
    ("floor", X * 3, {}, np.floor),
    ("inverse", POSITIVE, {"epsilon": 0.5}, lambda x: 1 / (x + 0.5)),
    ("log", POSITIVE, {"epsilon": 0.5}, lambda x: np.log(x + 0.5)),
    ("round", float32([-2.5, -0.5, 0.5, 1.5, 1.7]), {}, np.round),
    ("rsqrt", POSITIVE, {"epsilon": 0.5}, lambda x: (x + 0.5) ** -0.5),
    ("sign", float32([-2, 0, 3]), {}, np.sign),
    ("sin", X, {}, np.sin),
    ("sinh", X, {}, np.sinh),
    ("sqrt", POSITIVE, {}, np.sqrt),
    ("square", X, {}, np.square),
    ("tan", INSIDE, {}, np.tan),
    ("tanh", X, {}, np.tanh),
    ("threshold", X, {"alpha": 0.2}, lambda x: np.maximum(x, 0.2)),
    (
        "clamped_relu",
        X,
        {"alpha": 0.1, "beta": 0.7},
        lambda x: np.minimum(np.where(x < 0, 0.1 * x, x), 0.7),
    ),
    (
        "clamped_relu",
        X,
        {"alpha": 0.5, "beta": -0.2},
        lambda x: np.minimum(np.where(x < 0, 0.5 * x, x), -0.2),
    ),
    ("elu", X, {"alpha": 0.7}, lambda x: np.where(x < 0, 0.7 * np.expm1(x), x)),
    ("gelu", X, {"mode": "EXACT"}, lambda x: x * special.ndtr(x)),
    (
        "gelu",
        X,
        {"mode": "TANH_APPROXIMATION"},
        lambda x: x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
    ),
    ("gelu", X, {"mode": "SIGMOID_APPROXIMATION"}, lambda x: x * special.expit(1.702 * x)),
    ("leaky_relu", X, {"alpha": 0.3}, lambda x: np.where(x < 0, 0.3 * x, x)),
    ("linear_activation", X, {"alpha": 0.3, "beta": 2.0}, lambda x: 0.3 * x + 2),
    (
        "prelu",
        f(2, 3, 4, 5),
        {"alpha": float32([0.1, 0.2, 0.3])},
        lambda x: np.where(x < 0, x * float32([0.1, 0.2, 0.3]).reshape(3, 1, 1), x),
    ),
    ("relu", X, {}, lambda x: np.maximum(x, 0)),
    ("relu6", X * 9, {}, lambda x: np.clip(x, 0, 6)),
    ("scaled_tanh", X, {"alpha": 1.7, "beta": 0.6}, lambda x: 1.7 * np.tanh(0.6 * x)),
    ("sigmoid", X, {}, special.expit),
    ("sigmoid", float32([-200, 200]), {}, special.expit),
    ("sigmoid_hard", X * 3, {"alpha": 0.2, "beta": 0.5}, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    ("silu", X, {}, lambda x: x * special.expit(x)),
    ("softmax", X * 50, {"axis": 1}, lambda x: special.softmax(x.astype(np.float64), axis=1)),
    ("softplus", X * 90, {}, lambda x: np.logaddexp(0, x)),
    (
        "softplus_parametric",
        X * 90,
        {"alpha": float32([1, 2, 3]), "beta": float32([0.5, 1, 2])},
        lambda x: float32([[[1], [2], [3]]]) * np.logaddexp(0, x * float32([[[0.5], [1], [2]]])),
    ),
    ("softsign", X, {}, lambda x: x / (1 + np.abs(x))),
    ("thresholded_relu", X, {"alpha": 0.5}, lambda x: np.where(x >= 0.5, x, 0)),
    ("identity", X, {}, lambda x: x),
    ("argsort", X, {"axis": 1, "ascending": True}, lambda x: np.argsort(x, 1)),
    ("argsort", X, {"axis": -1}, lambda x: np.argsort(-x)),
    ("reduce_argmax", X, {"axis": 1, "keep_dims": True}, lambda x: x.argmax(1, keepdims=True)),
    ("reduce_argmin", X, {"axis": -1}, lambda x: x.argmin(-1)),
    ("reduce_l1_norm", X, {"axes": [0, 2]}, lambda x: np.abs(x).sum((0, 2))),
    (
        "reduce_l2_norm",
        X,
        {"axes": [-1], "keep_dims": True},
        lambda x: np.linalg.norm(x, axis=-1, keepdims=True),
    ),
    ("reduce_log_sum", POSITIVE, {"axes": [1]}, lambda x: np.log(x.sum(1))),
    ("reduce_log_sum_exp", X * 90, {"axes": [1, 2]}, lambda x: special.logsumexp(x, axis=(1, 2))),
    ("reduce_max", X, {"axes": [1, 2]}, lambda x: x.max((1, 2))),
    (
        "reduce_mean",
        X,
        {"axes": [1, 2], "keep_dims": True},
        lambda x: x.mean((1, 2), keepdims=True),
    ),
    ("reduce_min", X, {}, np.min),
    ("reduce_prod", X, {"axes": [0]}, lambda x: x.prod(0)),
    ("reduce_sum", X, {"axes": [-2]}, lambda x: x.sum(-2)),
    ("reduce_sum", whole(3, 4), {"axes": [0]}, lambda x: x.sum(0)),
    ("reduce_sum_square", X, {"axes": [2]}, lambda x: (x**2).sum(2)),
    ("cumsum", X, {"axis": 2}, lambda x: x.cumsum(2)),
    (
        "cumsum",
        X,
        {"axis": 2, "exclusive": True},
        lambda x: np.pad(x, [(0, 0), (0, 0), (1, 0)])[..., :-1].cumsum(2),
    ),
    ("cumsum", X, {"axis": 1, "reverse": True}, lambda x: x[:, ::-1].cumsum(1)[:, ::-1]),
    ("band_part", f(4, 5), {"lower": 1, "upper": 0}, lambda x: np.tril(np.triu(x, -1))),
    (
        "band_part",
        np.full((3, 3), np.inf, np.float32),
        {"lower": -1, "upper": 0},
        lambda x: np.where(np.tri(3), x, 0),
    ),
    ("expand_dims", X, {"axes": [0, -1]}, lambda x: x[None, ..., None]),
    ("flatten2d", X, {"axis": 2}, lambda x: x.reshape(6, 4)),
    ("reshape", X, {"shape": [0, 2, -1]}, lambda x: x.reshape(2, 2, 6)),
    ("reshape", X, {"shape": [4, -1]}, lambda x: x.reshape(4, 6)),
    ("reverse", X, {"axes": [1]}, lambda x: x[:, ::-1]),
    (
        "reverse_sequence",
        X,
        {"lengths": [1, 3], "seq_axis": 1, "batch_axis": 0},
        lambda x: np.stack([x[0], x[1][::-1]]),
    ),
    ("shape", X, {}, np.shape),
    ("squeeze", f(1, 3, 1), {"axes": [0, 2]}, np.squeeze),
    ("squeeze", f(1, 1), {}, np.squeeze),
    ("transpose", X, {"perm": [2, 0, 1]}, lambda x: x.transpose(2, 0, 1)),
    ("tile", X, {"reps": [1, 2, 3]}, lambda x: np.tile(x, (1, 2, 3))),
    ("slice_by_size", X, {"begin": [0, 1, 2], "size": [2, 2, 1]}, lambda x: x[:, 1:3, 2:3]),
    (
        "slice_by_index",
        X,
        {"begin": [0, 0, 1], "end": [2, 3, 4], "stride": [1, 2, 2]},
        lambda x: x[:, ::2, 1:4:2],
    ),
    (
        "slice_by_index",
        X,
        {"begin": [1, 2, 3], "end": [0, 0, 0], "squeeze_mask": [True] * 3},
        lambda x: x[1, 2, 3],
    ),
    (
        "slice_by_index",
        X,
        {
            "begin": [0, -2, 0],
            "end": [0, 0, 2],
            "begin_mask": [True, False, False],
            "end_mask": [True, True, False],
        },
        lambda x: x[:, -2:, :2],
    ),
    (
        "pad",
        X,
        {"pad": [1, 0, 0, 2], "mode": "constant", "constant_val": 3.0},
        lambda x: np.pad(x, [(0, 0), (1, 0), (0, 2)], constant_values=3),
    ),
    (
        "pad",
        X,
        {"pad": [1, 1, 2, 2], "mode": "reflect"},
        lambda x: np.pad(x, [(0, 0), (1, 1), (2, 2)], "reflect"),
    ),
    (
        "pad",
        X,
        {"pad": [1, 1, 2, 2], "mode": "replicate"},
        lambda x: np.pad(x, [(0, 0), (1, 1), (2, 2)], "edge"),
    ),
    (
        "sliding_windows",
        X,
        {"axis": 2, "size": 2, "stride": 2},
        lambda x: np.stack([x[..., :2], x[..., 2:]], 2),
    ),
    (
        "crop",
        f(1, 2, 6, 7),
        {"crop_height": [1, 2], "crop_width": [0, 3]},
        lambda x: x[..., 1:4, :4],
    ),
    (
        "l2_norm",
        f(2, 3, 4, 5),
        {"epsilon": 0.5},
        lambda x: x / np.sqrt((x**2).sum((1, 2, 3), keepdims=True) + 0.5),
    ),
    (
        "instance_norm",
        f(2, 3, 4, 5),
        {"gamma": float32([1, 2, 3]), "beta": float32([3, 2, 1]), "epsilon": 0.1},
        lambda x: (
            (x - x.mean((2, 3), keepdims=True))
            / np.sqrt(x.var((2, 3), keepdims=True) + 0.1)
            * float32([1, 2, 3]).reshape(3, 1, 1)
            + float32([3, 2, 1]).reshape(3, 1, 1)
        ),
    ),
    (
        "layer_norm",
        X,
        {"axes": [0, 1, 2], "epsilon": 0.1},
        lambda x: (x - x.mean()) / np.sqrt(x.var() + 0.1),
    ),
]


@pytest.mark.parametrize(("kind", "x", "constants", "reference"), UNARY)
def test_one_input(kind: str, x: np.ndarray, constants: dict[str, Any], reference: Any) -> None:
    before = x.copy()
    result = mil(kind, {"x": x}, constants)
    expected = np.asarray(reference(x))
    assert np.shape(result) == expected.shape
    assert np.asarray(result).dtype in (np.float32, np.int32)
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=1e-6)
    np.testing.assert_array_equal(x, before)
    if x.dtype == np.float32 and not constants:
        half = np.asarray(mil(kind, {"x": x}, half=True))
        np.testing.assert_array_equal(half, half.astype(np.float16).astype(half.dtype))


BINARY: list[tuple[str, Any]] = [
    ("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("real_div", np.divide),
    ("floor_div", np.floor_divide), ("mod", np.mod), ("maximum", np.maximum),
    ("minimum", np.minimum), ("equal", np.equal), ("not_equal", np.not_equal),
    ("greater", np.greater), ("greater_equal", np.greater_equal), ("less", np.less),
    ("less_equal", np.less_equal),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "reference"), BINARY)
def test_two_inputs(kind: str, reference: Any) -> None:
    x, y = f(2, 3, 4), f(3, 1, seed=1)
    np.testing.assert_allclose(mil(kind, {"x": x, "y": y}), reference(x, y), rtol=1e-6)
    if kind != "real_div":
        i, j = whole(4, 5), np.abs(whole(5, seed=1)) + 1
        result = mil(kind, {"x": i, "y": j})
        np.testing.assert_array_equal(result, reference(i, j))
        assert result.dtype in (np.int32, np.bool_)


def test_more_of_two_inputs() -> None:
    np.testing.assert_allclose(
        mil("pow", {"x": POSITIVE, "y": X}), np.power(POSITIVE, X), rtol=1e-5
    )
    x, y = whole(6, seed=1) > 0, whole(6, seed=2) > 0
    for kind in ("and", "or", "xor"):
        expected = getattr(np, f"logical_{kind}")(x, y)
        np.testing.assert_array_equal(mil(f"logical_{kind}", {"x": x, "y": y}), expected)
    np.testing.assert_array_equal(mil("logical_not", {"x": x}), ~x)
    a, b = f(6), f(6, seed=1)
    chosen = mil("select", {"cond": x, "a": a, "b": b})
    np.testing.assert_array_equal(chosen, np.where(x, a, b))
    np.testing.assert_array_equal(mil("non_zero", {"x": x}), np.argwhere(x))


def test_products() -> None:
    x, y = f(2, 3, 4), f(2, 5, 4, seed=1)
    product = mil("matmul", {"x": x, "y": y}, {"transpose_y": True})
    np.testing.assert_allclose(product, x @ y.swapaxes(1, 2), atol=1e-5)
    weight, bias = f(5, 4), f(5, seed=1)
    linear = mil("linear", {"x": x}, {"weight": weight, "bias": bias})
    np.testing.assert_allclose(linear, x @ weight.T + bias, atol=1e-5)
    a, b = f(2, 3, 1, 5), f(2, 5, 4, 3, seed=1)
    out = mil("einsum", {"values_0": a, "values_1": b}, {"equation": "nchw,nwhu->nchu"})
    np.testing.assert_allclose(out, np.einsum("nchw,nwhu->nchu", a.repeat(4, 2), b), atol=1e-5)


def test_attention_is_tensorflows() -> None:
    import tensorflow as tf

    q, k, v = f(1, 2, 3, 4), f(1, 2, 5, 4, seed=1), f(1, 2, 5, 6, seed=2)
    mask = whole(3, 5) > -4
    scores = tf.matmul(q, k, transpose_b=True) / 2.0
    expected = tf.nn.softmax(tf.where(mask, scores, -np.inf)) @ v
    inputs = {"query": q, "key": k, "value": v, "attn_mask": mask}
    result = mil("scaled_dot_product_attention", inputs)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_joining_and_cutting() -> None:
    x, y = f(2, 3), f(2, 3, seed=1)
    both = {"values_0": x, "values_1": y}
    np.testing.assert_array_equal(mil("concat", both, {"axis": 1}), np.concatenate([x, y], 1))
    dealt = mil("concat", both, {"axis": 1, "interleave": True})
    np.testing.assert_array_equal(dealt, np.stack([x, y], 2).reshape(2, 6))
    np.testing.assert_array_equal(mil("stack", both, {"axis": 1}), np.stack([x, y], 1))
    parts = mil("split", {"x": X}, {"split_sizes": [1, 3], "axis": 2})
    np.testing.assert_array_equal(parts[1], X[..., 1:])
    same = mil("split", {"x": X}, {"num_splits": 2, "axis": 2})
    np.testing.assert_array_equal(same[0], X[..., :2])
    values, places = mil("topk", {"x": X}, {"k": 2, "axis": 2})
    np.testing.assert_array_equal(places, np.argsort(-X, 2)[..., :2])
    np.testing.assert_array_equal(values, -np.sort(-X, 2)[..., :2])
    updated = mil("slice_update", {"x": X, "update": f(2, 1, 4, seed=3)},
                  {"begin": [0, 1, 0], "end": [2, 2, 4]})  # fmt: skip
    np.testing.assert_array_equal(updated[:, 1], f(2, 1, 4, seed=3)[:, 0])
    np.testing.assert_array_equal(updated[:, ::2], X[:, ::2])


def test_gathering_is_tensorflows() -> None:
    import tensorflow as tf

    x, i = f(3, 4, 5), int32([[2, 0], [1, 1], [0, 2]])
    np.testing.assert_array_equal(mil("gather", {"x": x, "indices": i}, {"axis": 1}), x[:, i])
    batched = mil("gather", {"x": x, "indices": i}, {"axis": 1, "batch_dims": 1})
    np.testing.assert_array_equal(batched, tf.gather(x, i, axis=1, batch_dims=1))
    along = mil("gather_along_axis", {"x": x[:, :2, 0], "indices": i % 2}, {"axis": 1})
    np.testing.assert_array_equal(along, np.take_along_axis(x[:, :2, 0], i % 2, 1))
    np.testing.assert_array_equal(mil("gather_nd", {"x": x, "indices": i}), tf.gather_nd(x, i))
    deep = mil("gather_nd", {"x": x, "indices": i}, {"batch_dims": 1})
    np.testing.assert_array_equal(deep, tf.gather_nd(x, i, batch_dims=1))
    hot = mil("one_hot", {"indices": i}, {"one_hot_vector_size": 3, "axis": 1, "on_value": 2.0,
              "off_value": -1.0})  # fmt: skip
    np.testing.assert_array_equal(hot, tf.one_hot(i, 3, 2.0, -1.0, axis=1))
    last = mil("one_hot", {"indices": i}, {"one_hot_vector_size": 3})
    np.testing.assert_array_equal(last, tf.one_hot(i, 3))


@pytest.mark.parametrize("mode", ["add", "sub", "max", "min", "update", "mul", "div"])
def test_scattering_is_tensorflows(mode: str) -> None:
    import tensorflow as tf

    data, updates = f(4, 3), f(2, 3, seed=1)
    variable = tf.Variable(data)
    slices = tf.IndexedSlices(updates, [3, 1])
    getattr(variable, f"scatter_{mode}")(slices)
    inputs = {"data": data, "indices": int32([3, 1]), "updates": updates}
    np.testing.assert_allclose(mil("scatter", inputs, {"mode": mode}), variable, rtol=1e-6)
    flipped = {**inputs, "data": data.T.copy(), "updates": updates.T.copy()}
    across = mil("scatter", flipped, {"mode": mode, "axis": 1})
    np.testing.assert_allclose(across, np.transpose(variable), rtol=1e-6)
    deep = mil("scatter_nd", {**inputs, "indices": int32([[3], [1]])}, {"mode": mode})
    np.testing.assert_allclose(deep, variable, rtol=1e-6)
    spread = {**inputs, "indices": int32([[3] * 3, [1] * 3])}
    along = mil("scatter_along_axis", spread, {"mode": mode})
    np.testing.assert_allclose(along, variable, rtol=1e-6)


def test_adding_twice_to_one_place() -> None:
    inputs = {"data": f(4), "indices": int32([2, 2]), "updates": float32([1, 10])}
    np.testing.assert_allclose(mil("scatter", inputs, {"mode": "add"})[2], f(4)[2] + 11)


def test_blocks_are_tensorflows() -> None:
    import tensorflow as tf

    def last(v: np.ndarray) -> np.ndarray:
        return np.moveaxis(v, 1, -1)

    x = f(1, 8, 2, 3)
    spread = mil("depth_to_space", {"x": x}, {"block_size": 2})
    np.testing.assert_array_equal(last(spread), tf.nn.depth_to_space(last(x), 2))
    back = mil("space_to_depth", {"x": spread}, {"block_size": 2})
    np.testing.assert_array_equal(back, x)
    shuffled = mil("pixel_shuffle", {"x": x}, {"upscale_factor": 2})
    assert shuffled[0, 1, 3, 4] == x[0, 4 + 2 * (3 % 2) + 4 % 2, 1, 2]
    again = mil("pixel_unshuffle", {"x": shuffled}, {"downscale_factor": np.uint32(2)})
    np.testing.assert_array_equal(again, x)
    y, pads = f(2, 3, 4, 5), [[1, 1], [0, 1]]
    batch = mil("space_to_batch", {"x": y}, {"block_shape": [2, 3], "paddings": pads})
    np.testing.assert_array_equal(last(batch), tf.space_to_batch(last(y), [2, 3], pads))
    image = mil("batch_to_space", {"x": batch}, {"block_shape": [2, 3], "crops": pads})
    np.testing.assert_array_equal(image, y)


def test_making_values() -> None:
    shape = int32([2, 3])
    full = mil("fill", {"shape": shape}, {"value": np.float16(0.1)})
    np.testing.assert_array_equal(full, np.full((2, 3), np.float16(0.1), np.float32))
    assert full.dtype == np.float32
    like = mil("fill_like", {"ref_tensor": X}, {"value": np.int32(7)})
    assert like.dtype == np.int32 and like.shape == X.shape and (like == 7).all()
    coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    def counted(x: Any) -> Any:
        return mb.range_1d(start=0, end=mb.reduce_max(x=x), step=1)

    # Longer than what coremltools' own computes.
    np.testing.assert_array_equal(evaluate(counted, {"x": int32([5, 2000000])}), np.arange(2e6))

    def shaped(x: Any, y: Any) -> Any:
        return mb.reshape_like(
            x=x, ref_tensors=(y, x), begins=(0, 0), ends=(2, 0), end_masks=(False, True)
        )

    assert evaluate(shaped, {"x": f(1, 6), "y": f(1, 1, 9)}).shape == (1, 1, 1, 6)


def test_casts() -> None:
    x = float32([-1.7, 0, 2.7])
    np.testing.assert_array_equal(mil("cast", {"x": x}, {"dtype": "int32"}), [-1, 0, 2])
    np.testing.assert_array_equal(mil("cast", {"x": x}, {"dtype": "bool"}), [True, False, True])
    np.testing.assert_array_equal(mil("cast", {"x": x}, {"dtype": "fp16"}), x)
    half = mil("cast", {"x": x}, {"dtype": "fp16"}, half=True)
    np.testing.assert_array_equal(half, x.astype(np.float16).astype(np.float32))
    integers = mil("cast", {"x": float32([3])}, {"dtype": "uint8"})
    assert integers.dtype == np.uint8


def test_batch_norm_is_kerass() -> None:
    import keras

    layer = keras.layers.BatchNormalization(epsilon=0.02)
    x = f(2, 3, 4, 5)
    layer.build((None, 4, 5, 3))
    gamma, beta, mean, variance = f(3), f(3, seed=1), f(3, seed=2), f(3, seed=3, low=0.01)
    layer.set_weights([gamma, beta, mean, variance])
    expected = np.moveaxis(np.asarray(layer(np.moveaxis(x, 1, -1))), -1, 1)
    constants = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    result = mil("batch_norm", {"x": x}, {**constants, "epsilon": np.float32(0.02)})
    np.testing.assert_allclose(result, expected, atol=1e-5)
    # The planted fault.
    wrong = mil("batch_norm", {"x": x}, {**constants, "epsilon": np.float32(1e-3)})
    assert np.abs(wrong - expected).max() > 0.01


def test_layer_norm_is_kerass() -> None:
    import keras

    layer, x = keras.layers.LayerNormalization(epsilon=0.1), f(2, 3, 4)
    layer.build(x.shape)
    gamma, beta = f(4), f(4, seed=1)
    layer.set_weights([gamma, beta])
    constants = {"gamma": gamma, "beta": beta, "axes": [-1], "epsilon": np.float32(0.1)}
    np.testing.assert_allclose(mil("layer_norm", {"x": x}, constants), layer(x), atol=1e-6)


def test_local_response_norm_is_tensorflows() -> None:
    import tensorflow as tf

    x = f(1, 7, 3, 2)
    expected = tf.nn.local_response_normalization(np.moveaxis(x, 1, -1), 2, 1.5, 0.2, 0.6)
    constants = {"size": 5, "alpha": 1.0, "beta": 0.6, "k": 1.5}
    result = mil("local_response_norm", {"x": x}, constants)
    np.testing.assert_allclose(np.moveaxis(result, 1, -1), expected, atol=1e-6)
    with pytest.raises(CheckError, match="even size"):
        mil("local_response_norm", {"x": x}, {"size": 4})


@pytest.mark.parametrize(("height", "width"), [(11, 9), (3, 2), (4, 5), (1, 1), (8, 5)])
def test_bilinear_resizing_is_tensorflows(height: int, width: int) -> None:
    import tensorflow as tf

    x = f(1, 2, 4, 5)
    size = {"target_size_height": height, "target_size_width": width}
    for mode, corners, centres in [("DEFAULT", False, False), ("STRICT_ALIGN_CORNERS", True, False),
                                   ("UNALIGN_CORNERS", False, True)]:  # fmt: skip
        result = mil("resize_bilinear", {"x": x}, {**size, "sampling_mode": mode})
        expected = tf.raw_ops.ResizeBilinear(
            images=np.moveaxis(x, 1, -1), size=[height, width], align_corners=corners,
            half_pixel_centers=centres,
        )  # fmt: skip
        np.testing.assert_allclose(np.moveaxis(result, 1, -1), expected, atol=1e-5)
        newer = {"shape": [height, width], "resized_dims": np.uint32(2), "sampling_mode": mode}
        np.testing.assert_array_equal(mil("resize", {"x": x}, newer), result)


def test_grids_are_those_of_the_documentation() -> None:
    """The examples that coremltools prints for resize_bilinear, at 0 and 1."""
    ramp = float32([[[0, 1], [0, 1]]])
    table: dict[tuple[str, int], list[float]] = {
        ("OFFSET_CORNERS", 5): [0.1, 0.3, 0.5, 0.7, 0.9],
        ("OFFSET_CORNERS", 6): [1 / 12, 3 / 12, 5 / 12, 7 / 12, 9 / 12, 11 / 12],
        ("DEFAULT", 5): [0, 0.4, 0.8, 1, 1],
        ("UNALIGN_CORNERS", 6): [0, 0, 1 / 3, 2 / 3, 1, 1],
        ("ALIGN_CORNERS", 1): [0.5],
        ("STRICT_ALIGN_CORNERS", 1): [0],
    }
    for (mode, width), expected in table.items():
        constants = {"target_size_height": 2, "target_size_width": width, "sampling_mode": mode}
        result = mil("resize_bilinear", {"x": ramp}, constants)
        np.testing.assert_allclose(result[0, 0], expected, atol=1e-6)


def test_upsampling_is_kerass() -> None:
    import keras

    x = f(1, 2, 4, 5)
    factors = {"scale_factor_height": 3, "scale_factor_width": 2}
    near = mil("upsample_nearest_neighbor", {"x": x}, factors)
    np.testing.assert_array_equal(near, ndimage.zoom(x, (1, 1, 3, 2), order=0, grid_mode=True,
                                                     mode="nearest"))  # fmt: skip
    layer = keras.layers.UpSampling2D((3, 2), interpolation="bilinear")
    expected = np.moveaxis(np.asarray(layer(np.moveaxis(x, 1, -1))), -1, 1)
    smooth = mil("upsample_bilinear", {"x": x}, {**factors, "align_corners": False})
    np.testing.assert_allclose(smooth, expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(11, 9), (3, 2), (8, 10)])
def test_nearest_resizing_is_tensorflows(height: int, width: int) -> None:
    import tensorflow as tf

    x = f(1, 2, 4, 5)
    constants = {"target_size_height": height, "target_size_width": width}
    result = mil("resize_nearest_neighbor", {"x": x}, constants)
    expected = tf.image.resize(np.moveaxis(x, 1, -1), (height, width), "nearest")
    np.testing.assert_array_equal(np.moveaxis(result, 1, -1), expected)
    newer = {"shape": [height, width], "resized_dims": np.uint32(2),
             "interpolation_mode": "NEAREST_NEIGHBOR"}  # fmt: skip
    with pytest.raises(CheckError, match="ALIGN_CORNERS"):
        mil("resize", {"x": x}, {**newer, "sampling_mode": "ALIGN_CORNERS"})
    legacy = tf.raw_ops.ResizeNearestNeighbor(images=np.moveaxis(x, 1, -1), size=[height, width])
    np.testing.assert_array_equal(np.moveaxis(mil("resize", {"x": x}, newer), 1, -1), legacy)
    fractions = {"scale_factor_height": np.float32((height + 1e-4) / 4),
                 "scale_factor_width": np.float32((width + 1e-4) / 5)}  # fmt: skip
    scaled = mil("upsample_nearest_neighbor", {"x": x}, fractions)
    np.testing.assert_array_equal(np.moveaxis(scaled, 1, -1), legacy)
    # Factors are not rounded: the shape would be another.
    assert mil("upsample_nearest_neighbor", {"x": x}, fractions, half=True).shape == result.shape
