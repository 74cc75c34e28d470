"""Core ML messages: bytes that are the same every time, shapes, metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyecli.coreml.contract import Contract

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


def describe(spec: Any, contract: Contract, metadata: Mapping[str, str]) -> None:
    """Say in a model what it is, in place: descriptions, licence, key-value pairs.

    Parameters
    ----------
    spec
        The protobuf message `Model`.
    contract
        Its descriptions, licence and version.
    metadata
        The key-value pairs.
    """
    about = spec.description.metadata
    about.shortDescription = contract.description
    about.license = contract.licence
    about.versionString = contract.version
    for feature in (*spec.description.input, *spec.description.output):
        feature.shortDescription = contract.meanings.get(feature.name, "")
    for key, value in metadata.items():
        about.userDefined[key] = value


def set_shape(value_type: Any, shape: Sequence[int]) -> None:
    """Set the dimensions of a `ValueType` that is a tensor, in place."""
    tensor = value_type.tensorType
    tensor.rank = len(shape)
    del tensor.dimensions[:]
    for size in shape:
        tensor.dimensions.add().constant.size = size
