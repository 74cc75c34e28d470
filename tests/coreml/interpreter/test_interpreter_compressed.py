"""Decompression against coremltools' own, and saved packages that were compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_programs import float32, int8, save, uint8, uint32

from eyecli.coreml.interpreter import compressed, load, run
from eyecli.lazy import coremltools


def definition(name: str, target: str) -> Any:
    coremltools()
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    ct = coremltools()
    kinds = SSAOpRegistry.core_ops[name]
    return kinds[getattr(ct.target, target)]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def whole(*shape: int, high: int, low: int = 0, kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(1).integers(low, high, shape).astype(kind)


@pytest.mark.parametrize("axis", [0, 2])
def test_affine(axis: int) -> None:
    data = whole(3, 4, 3, high=128, low=-128, kind=np.int8)
    scale, zero = normal(3), whole(3, high=9, low=-9, kind=np.int8)
    theirs = definition("constexpr_affine_dequantize", "iOS16").decompress(data, zero, scale, axis)
    arguments = {"quantized_data": data, "scale": scale, "zero_point": zero, "axis": axis}
    np.testing.assert_allclose(compressed.affine_dequantize(arguments), theirs, rtol=1e-6)
    one = compressed.affine_dequantize(
        {**arguments, "scale": np.float32(2), "zero_point": np.int8(3)}
    )
    np.testing.assert_array_equal(one, 2.0 * (data.astype(int) - 3))
    other = compressed.dequantize({"input": data, "scale": scale, "zero_point": zero, "axis": axis})
    np.testing.assert_allclose(other, theirs, rtol=1e-6)
    plain = compressed.dequantize({"input": data, "scale": np.float32(0.5)})
    np.testing.assert_array_equal(plain, data * 0.5)


def test_quantize_undoes_dequantize() -> None:
    data = whole(3, 4, high=128, low=-128, kind=np.int8)
    scale, zero = float32([0.5, 2, 1]), int8([1, 0, -1])
    rest = {"scale": scale, "zero_point": zero, "axis": 0}
    values = compressed.dequantize({"input": data, **rest})
    again = compressed.quantize({"input": values, "output_dtype": "int8", **rest})
    np.testing.assert_array_equal(again, data)
    assert again.dtype == np.int8
    far = {"input": float32([[999, -999]]), "scale": np.float32(1), "output_dtype": "uint8"}
    np.testing.assert_array_equal(compressed.quantize(far), [[255, 0]])


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_one_table_of_ios16(bits: int) -> None:
    coremltools()
    from coremltools.optimize._utils import pack_elements_into_bits

    indices, lut = whole(3, 5, 7, high=2**bits), normal(2**bits)
    packed = pack_elements_into_bits(indices.ravel(), bits)
    shape = uint32([3, 5, 7])
    ours = compressed.lut_to_dense({"indices": packed, "lut": lut, "shape": shape})
    np.testing.assert_array_equal(ours, lut[indices])
    kind = definition("constexpr_lut_to_dense", "iOS16")
    np.testing.assert_array_equal(ours, kind.decompress(lut, packed, shape))


@pytest.mark.parametrize(("tables", "vector", "axis"), [
    ((1, 1, 1), 1, None), ((2, 1, 3), 1, None), ((2, 1, 1), 2, 0), ((1, 2, 3), 3, 1),
    ((1, 1, 3), 4, -1),
])  # fmt: skip
def test_many_tables_of_ios18(tables: tuple[int, ...], vector: int, axis: int | None) -> None:
    indices, lut = whole(4, 2, 6, high=4), normal(*tables, 4, vector)
    arguments = {"indices": indices, "lut": lut} | ({} if axis is None else {"vector_axis": axis})
    theirs = definition("constexpr_lut_to_dense", "iOS18").decompress(indices, lut, axis)
    np.testing.assert_array_equal(compressed.lut_to_dense(arguments), theirs)


def test_vectors_as_documented() -> None:
    """Case 2 of coremltools' description of constexpr_lut_to_dense."""
    indices = uint8([[[0, 0], [1, 0]], [[1, 1], [0, 0]]])
    lut = float32([[[[[10, 11, 12], [20, 21, 22]]]]])
    out = compressed.lut_to_dense({"indices": indices, "lut": lut, "vector_axis": np.int32(2)})
    assert out[0].tolist() == [[10, 11, 12, 10, 11, 12], [20, 21, 22, 10, 11, 12]]


def test_sparse_weights() -> None:
    dense = normal(3, 5, 7) * (whole(3, 5, 7, high=2) > 0)
    mask, data = dense != 0, dense[dense != 0]
    old = {"nonzero_data": data, "mask": np.packbits(mask, bitorder="little"), "shape": [3, 5, 7]}
    np.testing.assert_array_equal(compressed.sparse_to_dense(old), dense)
    new = {"nonzero_data": data, "mask": mask.astype(np.uint8)}
    np.testing.assert_array_equal(compressed.sparse_to_dense(new), dense)


@pytest.mark.parametrize("shifted", [False, True])
def test_blocks_of_weights(shifted: bool) -> None:
    data, scale = whole(4, 6, high=8, low=-8, kind=np.int8), normal(2, 3)
    offset = whole(2, 3, high=3, low=-3, kind=np.int8) if shifted else None
    kind = definition("constexpr_blockwise_shift_scale", "iOS18")
    arguments = {"data": data, "scale": scale} | ({"offset": offset} if shifted else {})
    theirs = kind.decompress(data, scale, offset)
    np.testing.assert_allclose(compressed.blockwise_shift_scale(arguments), theirs, rtol=1e-6)
    mask = whole(4, 6, high=2)
    sparse = definition("constexpr_sparse_blockwise_shift_scale", "iOS18")
    nonzero = data[mask != 0]
    theirs = sparse.decompress(mask, nonzero, scale, offset)
    rest = {k: v for k, v in arguments.items() if k != "data"}
    ours = compressed.sparse_blockwise_shift_scale(
        {"data_mask": mask, "nonzero_data": nonzero, **rest}
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("vector", [1, 2])
def test_sparse_tables(vector: int) -> None:
    mask, lut = whole(4, 6, high=2), normal(1, 1, 2, vector)
    indices = whole(4, 6, high=2)[mask != 0]
    axis = {"vector_axis": np.int32(0)} if vector > 1 else {}
    kind = definition("constexpr_lut_to_sparse", "iOS18")
    theirs = kind.decompress(mask, indices, lut, axis.get("vector_axis"))
    arguments = {"indices_mask": mask, "indices_nonzero_data": indices, "lut": lut, **axis}
    for a, b in zip(compressed.lut_to_sparse(arguments), theirs, strict=True):
        np.testing.assert_array_equal(a, b)


WEIGHT = normal(64, 32, 3, 3)


def network(x: Any) -> Any:
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    return mb.relu(x=mb.conv(x=x, weight=WEIGHT, pad_type="same", name="conv"), name="y")


def compress(model: Any, how: str) -> Any:
    ct = coremltools()
    cto = ct.optimize.coreml
    palettes = {"palettize4": {"nbits": 4}, "palettize6": {"nbits": 6}, "palettize8": {"nbits": 8}}
    grouped = {"granularity": "per_grouped_channel", "group_size": 16, "nbits": 4}
    if how.startswith("palettize"):
        options = palettes.get(how, grouped)
        op: Any = cto.OpPalettizerConfig(mode="uniform", weight_threshold=0, **options)
        return cto.palettize_weights(model, cto.OptimizationConfig(global_config=op))
    if how == "sparse":
        op = cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=0)
        return cto.prune_weights(model, cto.OptimizationConfig(global_config=op))
    blocks = {"granularity": "per_block", "block_size": 8} if how == "int4 blocks" else {}
    kind = "int4" if how == "int4 blocks" else "int8"
    op = cto.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype=kind, weight_threshold=0, **blocks
    )
    return cto.linear_quantize_weights(model, cto.OptimizationConfig(global_config=op))


@pytest.mark.parametrize(("target", "how"), [
    *((t, h) for t in ("iOS16", "iOS18") for h in
      ("palettize4", "palettize6", "palettize8", "int8", "sparse")),
    ("iOS18", "palettize groups"), ("iOS18", "int4 blocks"), ("iOS18", "sparse+palettize4"),
    ("iOS18", "sparse+int8"),
])  # fmt: skip
def test_a_compressed_package_computes_with_its_weights(
    target: str, how: str, tmp_path: Path
) -> None:
    ct = coremltools()
    from coremltools.models.utils import load_spec

    x = normal(2, 32, 5, 6)
    path = save(network, {"x": x[:1]}, tmp_path / "plain.mlpackage", target)
    plain = run(path, {"x": x})["y"]
    model = ct.models.MLModel(str(path), skip_model_load=True)
    first, _, second = how.partition("+")
    small = compress(model, first)
    if second:
        cto = ct.optimize.coreml
        config = {"palettize4": cto.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=0)}
        if second == "int8":
            op = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
            config["int8"] = op
        joint = {"palettize4": cto.palettize_weights, "int8": cto.linear_quantize_weights}[second]
        small = joint(small, cto.OptimizationConfig(global_config=config[second]),
                      joint_compression=True)  # fmt: skip
    small.save(str(tmp_path / "small.mlpackage"))
    kinds = {op.op_type for op in load(tmp_path / "small.mlpackage").functions["main"].operations}
    assert any(k.startswith("constexpr_") for k in kinds), kinds
    result = run(tmp_path / "small.mlpackage", {"x": x})["y"]
    # The same with the weights as coremltools decompresses them.
    dense = cto_decompressed(small)
    dense.save(str(tmp_path / "dense.mlpackage"))
    expected = run(tmp_path / "dense.mlpackage", {"x": x})["y"]
    np.testing.assert_allclose(result, expected, atol=1e-4)
    spread = plain.std()
    assert 1e-4 * spread < np.abs(result - plain).max()
    if how in ("palettize8", "int8"):
        assert np.abs(result - plain).max() < 0.2 * spread
    assert load_spec(str(tmp_path / "small.mlpackage")).specificationVersion in (7, 9)


def cto_decompressed(model: Any) -> Any:
    return coremltools().optimize.coreml.decompress_weights(model)
