"""A user's linear head as a Core ML model, by patching a saved ML Program.

``gaze_calibrated = weight @ [gaze, embedding] + bias``: identity, bias, affine and ridge on the
embedding are all of this form, so one program serves every user, and a head costs well under a
millisecond with nothing but coremltools' messages loaded.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.coreml import package, proto
from eyecli.errors import CheckError, UsageError
from eyecli.lazy import coremltools
from eyecli.mlprogram import BLOB_HEADER, BLOB_MARK, coreml_messages

TEMPLATE = "linear_head.mlmodel"
TEMPLATE_EMBEDDING = 8
# coremltools keeps smaller constants in the program itself.
BLOB_FROM = 10
FLOAT16 = 1


def make_head(
    weight: np.ndarray, bias: np.ndarray, metadata: Mapping[str, str] | None = None
) -> tuple[bytes, bytes | None]:
    """Make a linear head as a Core ML model.

    Weight and bias are rounded once, from the precision they come in to float16, to nearest even:
    that is all the rounding of this function, the rest happens where the head runs
    (`apply_head_fp16` emulates it).

    Parameters
    ----------
    weight
        (2, 2 + d): columns for the base model's gaze x and y, then for its embedding.
    bias
        (2,), in the unit of the calibrated gaze.
    metadata
        User-defined keys and values, for instance the base model's digest.

    Returns
    -------
    spec : bytes
        The serialised protobuf message `Model`, with the inputs `gaze` (1, 2, 1, 1) and
        `embedding` (1, d, 1, 1) and the output `gaze_calibrated` (1, 2, 1, 1), all float16.
    weights : bytes or None
        The content of ``weight.bin``; None if the weights are so few (d <= 2) that the program
        holds them.

    Raises
    ------
    CheckError
        If a weight is not finite in float16.
    UsageError
        If the shapes are not (2, 2 + d) with d >= 1 and (2,).
    """
    rows, offset = _half(weight, "weight"), _half(bias, "bias")
    if rows.ndim != 2 or rows.shape[0] != 2 or rows.shape[1] < 3 or offset.shape != (2,):
        raise UsageError(f"a head needs (2, 2 + d) and (2,), not {rows.shape} and {offset.shape}")
    spec = coreml_messages("Model_pb2").Model()
    spec.ParseFromString(_template())
    features = rows.shape[1]
    _set_embedding(spec, features - 2)
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    ops = {op.outputs[0].name: op for op in block.operations}
    proto.set_shape(ops["features"].outputs[0].type, (1, features, 1, 1))
    kernel = ops["gaze_calibrated_weight_0"]
    held = kernel.attributes["val"]
    for value_type in (kernel.outputs[0].type, held.type):
        proto.set_shape(value_type, (2, features, 1, 1))
    raw = rows.astype("<f2").tobytes()
    if rows.size < BLOB_FROM:
        held.immediateValue.tensor.bytes.values = raw
    shift = ops["gaze_calibrated_bias_0"].attributes["val"].immediateValue.tensor
    shift.bytes.values = offset.astype("<f2").tobytes()
    for key, value in (metadata or {}).items():
        spec.description.metadata.userDefined[key] = value
    return proto.serialise(spec), None if rows.size < BLOB_FROM else _weights(raw)


def write_head(
    path: Path, weight: np.ndarray, bias: np.ndarray, metadata: Mapping[str, str] | None = None
) -> Path:
    """Write a linear head as an `.mlpackage` folder; see `make_head`."""
    return package.write(path, *make_head(weight, bias, metadata))


def apply_head_fp16(
    weight: np.ndarray, bias: np.ndarray, gaze: np.ndarray, embedding: np.ndarray
) -> np.ndarray:
    """Apply a head as it runs in Core ML: all values float16, sums in float32.

    Parameters
    ----------
    weight, bias
        (2, 2 + d) and (2,), before rounding.
    gaze, embedding
        (n, 2) and (n, d).

    Returns
    -------
    numpy.ndarray
        Calibrated gaze (n, 2), float16 values as float64; infinite where they exceed float16.
    """
    rows, offset = _half(weight, "weight"), _half(bias, "bias")
    with np.errstate(over="ignore"):
        features = np.concatenate([gaze, embedding], axis=1).astype(np.float16)
        total = features.astype(np.float32) @ rows.T.astype(np.float32) + offset.astype(np.float32)
        return total.astype(np.float16).astype(np.float64)


def build_head(weight: np.ndarray, bias: np.ndarray) -> Any:
    """Build the same head through coremltools' MIL builder and converter.

    This is where the template comes from, and what the patched heads are compared with.

    Parameters
    ----------
    weight, bias
        (2, 2 + d) and (2,).

    Returns
    -------
    coremltools.models.MLModel
        The converted model, for iOS 16.
    """
    ct = coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    rows, offset = _half(weight, "weight"), _half(bias, "bias")
    shapes = ((1, 2, 1, 1), (1, rows.shape[1] - 2, 1, 1))
    specs = [mb.TensorSpec(shape, dtype=types.fp16) for shape in shapes]

    @mb.program(input_specs=specs, opset_version=ct.target.iOS16)
    def program(gaze: Any, embedding: Any) -> Any:
        x = mb.concat(values=(gaze, embedding), axis=1, name="features")
        kernel = rows[:, :, None, None]
        return mb.conv(x=x, weight=kernel, bias=offset, pad_type="valid", name="gaze_calibrated")

    return ct.convert(
        program,
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT16,
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )


def build_template() -> bytes:
    """Make the content of the template file anew, with a head of zeros."""
    zeros = np.zeros((2, 2 + TEMPLATE_EMBEDDING))
    return proto.serialise(build_head(zeros, np.zeros(2)).get_spec())


@functools.cache
def _template() -> bytes:
    return (resources.files("eyecli.coreml") / "templates" / TEMPLATE).read_bytes()


def _half(values: np.ndarray, what: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        rounded = np.asarray(values).astype(np.float16)
    if not np.isfinite(rounded).all():
        worst = np.abs(np.asarray(values, np.float64)).max()
        raise CheckError(
            f"the head's {what} does not fit float16: {worst:g}, the largest is 65504",
            "calibrate in cm, or on standardised embeddings",
        )
    return rounded


def _set_embedding(spec: Any, size: int) -> None:
    (feature,) = (f for f in spec.description.input if f.name == "embedding")
    feature.type.multiArrayType.shape[1] = size
    (entry,) = (i for i in spec.mlProgram.functions["main"].inputs if i.name == "embedding")
    proto.set_shape(entry.type, (1, size, 1, 1))


def _weights(raw: bytes) -> bytes:
    """Lay out one float16 blob as weight.bin: file header, blob header, data, 64 bytes aligned."""
    file = struct.pack("<II", 1, 2).ljust(64, b"\0")
    return file + BLOB_HEADER.pack(BLOB_MARK, FLOAT16, len(raw), 128).ljust(64, b"\0") + raw
