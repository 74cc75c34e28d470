"""Heads by patching saved ML Programs: well under a millisecond, with nothing but the messages."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.coreml import package, proto
from eyecli.coreml.heads.forms import Head
from eyecli.coreml.heads.half import half
from eyecli.coreml.heads.programs import PROGRAMS, program_of
from eyecli.coreml.weights import WEIGHTS, append_blob
from eyecli.errors import UsageError
from eyecli.mlprogram import coreml_messages

FOLDER = "templates"
# coremltools keeps smaller constants in the program itself.
BLOB_FROM = 10


@dataclass(frozen=True)
class Trace:
    """A program's constants and the channels of its values, by their names in the program."""

    constants: dict[str, np.ndarray] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)

    def shift(self, x: int, by: np.ndarray, name: str) -> int:
        """Note the constant (1, c, 1, 1)."""
        self.constants[f"{name}_y_0"] = half(by, name).reshape(1, -1, 1, 1)
        return self._note(name, x)

    scale = shift

    def mul(self, x: int, y: int, name: str) -> int:
        """Note the channels."""
        return self._note(name, x)

    def conv(self, x: int, weight: np.ndarray, bias: np.ndarray | None, name: str) -> int:
        """Note kernel (o, i, 1, 1) and bias (o,)."""
        kernel = half(weight, f"{name} weight")
        if kernel.shape[1] != x:
            raise UsageError(f"a head's {name} weight is {kernel.shape}, not for {x} channels")
        self.constants[f"{name}_weight_0"] = kernel[:, :, None, None]
        if bias is not None:
            self.constants[f"{name}_bias_0"] = half(bias, f"{name} bias")
        return self._note(name, len(kernel))

    def concat(self, values: tuple[int, ...], name: str) -> int:
        """Note the channels."""
        return self._note(name, sum(values))

    def exp(self, x: int, name: str) -> int:
        """Note the channels."""
        return self._note(name, x)

    relu = exp

    def _note(self, name: str, channels: int) -> int:
        self.channels[name] = channels
        return channels


def make_head(head: Head, metadata: Mapping[str, str] | None = None) -> tuple[bytes, bytes | None]:
    """Make a head as a Core ML model.

    All that is rounded here are the weights, once, to float16; the rest happens where the head
    runs (`apply_head_fp16` emulates it).

    Parameters
    ----------
    head
        Of any kind.
    metadata
        User-defined keys and values, for instance the base model's digest.

    Returns
    -------
    spec : bytes
        The serialised protobuf message `Model`, with the inputs `gaze` (1, 2, 1, 1) and
        `embedding` (1, D, 1, 1) and the output `gaze_calibrated` (1, 2, 1, 1), all float16.
    weights : bytes or None
        The content of ``weight.bin``; None if the weights are so few that the program holds them.

    Raises
    ------
    CheckError
        If a weight is not finite in float16.
    UsageError
        If the shapes do not fit each other.
    """
    if head.weight.ndim != 2 or len(head.weight) != 2 or head.bias.shape != (2,) or head.dims < 1:
        raise UsageError(
            f"a head needs weights (2, 2 + features) and (2,), not {head.weight.shape} and "
            f"{head.bias.shape}"
        )
    trace = Trace()
    PROGRAMS[program_of(head)](trace, head, 2, head.dims)
    spec = coreml_messages("Model_pb2").Model()
    spec.ParseFromString(_template(program_of(head)))
    _set_embedding(spec, head.dims)
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    weights = bytearray()
    for op in block.operations:
        name = op.outputs[0].name
        if name in trace.constants:
            _set_constant(op, trace.constants[name], weights)
        elif name in trace.channels:
            proto.set_shape(op.outputs[0].type, (1, trace.channels[name], 1, 1))
    for key, value in (metadata or {}).items():
        spec.description.metadata.userDefined[key] = value
    return proto.serialise(spec), bytes(weights) or None


def write_head(path: Path, head: Head, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a head as an `.mlpackage` folder; see `make_head`."""
    return package.write(path, *make_head(head, metadata))


def template_file(name: str) -> Any:
    """Return the template of a program, a resource of the package."""
    return resources.files("eyecli.coreml") / FOLDER / f"{name}_head.mlmodel"


@functools.cache
def _template(name: str) -> bytes:
    content: bytes = template_file(name).read_bytes()
    return content


def _set_embedding(spec: Any, size: int) -> None:
    (feature,) = (f for f in spec.description.input if f.name == "embedding")
    feature.type.multiArrayType.shape[1] = size
    (entry,) = (i for i in spec.mlProgram.functions["main"].inputs if i.name == "embedding")
    proto.set_shape(entry.type, (1, size, 1, 1))


def _set_constant(op: Any, values: np.ndarray, weights: bytearray) -> None:
    """Set a constant's value and shape; what is large enough is appended to the weights."""
    held, raw = op.attributes["val"], values.astype("<f2").tobytes()
    for value_type in (op.outputs[0].type, held.type):
        proto.set_shape(value_type, values.shape)
    if values.size < BLOB_FROM:
        held.immediateValue.tensor.bytes.values = raw
        return
    held.blobFileValue.fileName = WEIGHTS
    held.blobFileValue.offset = append_blob(weights, raw)
