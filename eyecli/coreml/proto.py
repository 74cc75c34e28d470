"""Core ML messages: bytes that are the same every time, shapes, metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# coremltools writes the day of the conversion into every model; equal models must be equal bytes.
TIME_DEPENDENT = ("com.github.apple.coremltools.conversion_date",)


def serialise(spec: Any) -> bytes:
    """Serialise a model with its maps in sorted order and without what depends on the time.

    Parameters
    ----------
    spec
        The protobuf message `Model`; the conversion date is removed from it.

    Returns
    -------
    bytes
        Equal for equal models within one version of protobuf.
    """
    for key in TIME_DEPENDENT:
        spec.description.metadata.userDefined.pop(key, None)
    return bytes(spec.SerializeToString(deterministic=True))


def describe(spec: Any, description: str, metadata: Mapping[str, str]) -> None:
    """Set a model's short description and add key-value pairs to its metadata, in place."""
    spec.description.metadata.shortDescription = description
    for key, value in metadata.items():
        spec.description.metadata.userDefined[key] = value


def set_shape(value_type: Any, shape: Sequence[int]) -> None:
    """Set the dimensions of a `ValueType` that is a tensor, in place."""
    tensor = value_type.tensorType
    tensor.rank = len(shape)
    del tensor.dimensions[:]
    for size in shape:
        tensor.dimensions.add().constant.size = size
