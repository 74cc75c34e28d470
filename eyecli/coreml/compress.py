"""Smaller weights, by coremltools.optimize: look-up tables or 8-bit integers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eyecli.ane.program import graphs
from eyecli.coreml.library import asking, save
from eyecli.lazy import coremltools
from eyecli.mlprogram import block_of, coreml_messages, operations

Scheme = Literal["palettize4", "palettize6", "palettize8", "int8"]

# How far the outputs may move from those of the Keras model, as a share of their scale. Twice as
# far with indices of fewer bits; what moves further is another model, and wants training.
LOSS: dict[str, float] = {"palettize8": 0.1, "int8": 0.1, "palettize6": 0.2, "palettize4": 0.2}
# Weights of fewer values stay as they are: coremltools' own threshold.
SMALL = 2048
# Of kernels as look-up tables (rule C06 of the checker).
LONGEST_STRIDE = 2


@dataclass(frozen=True)
class Compressed:
    """What became of the weights.

    Attributes
    ----------
    compressed
        How many weights are stored in the scheme.
    skipped
        Names of the weights of more than `SMALL` values that are not.
    """

    compressed: int
    skipped: tuple[str, ...]


def compress(source: Path, path: Path, scheme: Scheme) -> Compressed:
    """Write a package again with compressed weights; the same package gives the same bytes.

    Look-up tables are one a weight, by k-means with a fixed seed: the Neural Engine's own scheme;
    it does not take them with strides above 2, where weights stay as they are. Integers are
    symmetric, with a scale for each output channel.

    Parameters
    ----------
    source
        The `.mlpackage` folder to read.
    path
        The folder to make.
    scheme
        ``palettize4``, ``palettize6``, ``palettize8`` (bits of an index) or ``int8``.

    Raises
    ------
    EyecliError
        If coremltools refuses the package.
    """
    ct = coremltools()
    import coremltools.optimize.coreml as optimize

    if scheme == "int8":
        config: Any = optimize.OpLinearQuantizerConfig(mode="linear_symmetric")
        change = optimize.linear_quantize_weights
    else:
        config = optimize.OpPalettizerConfig(mode="kmeans", nbits=int(scheme[-1]))
        change = optimize.palettize_weights
    hint = "leave --compress out, or see with --debug where it stopped"
    with asking(f"compress the model to {scheme}", hint):
        model = ct.models.MLModel(str(source), skip_model_load=True)
        alone = dict.fromkeys([] if scheme == "int8" else _long_strides(model.get_spec()))
        made = change(model, optimize.OptimizationConfig(config, op_name_configs=alone))
    spec = made.get_spec()
    save(path, spec, made.weights_dir)
    return _count(spec)


def _long_strides(spec: Any) -> list[str]:
    """Name the convolutions whose kernels the Neural Engine does not take as look-up tables."""
    return [
        op.name
        for graph in graphs(spec)
        for op in graph.ops
        if op.kind == "conv" and max(op.constants.get("strides", [1])) > LONGEST_STRIDE
    ]


def _count(spec: Any) -> Compressed:
    done, skipped = 0, []
    for function in spec.mlProgram.functions.values():
        for op in operations(block_of(function)):
            if op.type.startswith("constexpr_"):
                done += 1
            elif op.type == "const" and _values(op.outputs[0].type) > SMALL:
                skipped.append(op.outputs[0].name)
    return Compressed(done, tuple(skipped))


def _values(value_type: Any) -> int:
    """How many floating-point values a constant holds; other kinds count as none."""
    tensor = value_type.tensorType
    kinds = coreml_messages("MIL_pb2").DataType
    if tensor.dataType not in (kinds.FLOAT16, kinds.FLOAT32):
        return 0
    total = 1
    for size in tensor.dimensions:
        total *= size.constant.size
    return total
