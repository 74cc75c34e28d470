"""What an application may rely on in a Core ML package: units, kinds of inputs, classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Input:
    """How one input reaches the model: ``scale * x + offset`` is what the network was trained on.

    Attributes
    ----------
    stem
        The layer that takes the scaling into its weights (it may sit in a nested model and be
        shared by several inputs of the same scaling); None, or one that cannot take it exactly,
        makes the scaling an operation of the program.
    scale, offset
        One number, or one for each channel as the network reads them.
    image
        A uint8 picture, if it has three channels or one; otherwise a tensor in the same units.
    reverse
        The network reads the channels backwards (blue first); the input stays RGB.
    """

    stem: str | None = None
    scale: float | Sequence[float] = 1.0
    offset: float | Sequence[float] = 0.0
    image: bool = True
    reverse: bool = False


@dataclass(frozen=True)
class Output:
    """The unit of one output: ``scale * y + offset``, in the layer it comes from where that can be.

    Attributes
    ----------
    scale, offset
        One number, or one for each channel.
    unit
        Of the output after this scaling (``cm``, ``mmHg``), or None if it has none; ``logits``: one
        for each boundary between ordered classes; ``class logits``: one for each class.
    classes
        Names of the classes, in the order of the output's values, or empty.
    """

    scale: float | Sequence[float] = 1.0
    offset: float | Sequence[float] = 0.0
    unit: str | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """What the package is like, apart from the function that it computes.

    Attributes
    ----------
    target
        The oldest system that has to run it, in coremltools' words: ``iOS16`` to ``iOS18``.
    precision
        Of tensors and weights, inputs and outputs included: ``fp16``, or ``fp32``, which the
        Neural Engine does not take.
    images
        Pictures as inputs; otherwise tensors in pixel units.
    labels
        A classifier: the outputs ``classLabel`` and ``classLabel_probs`` (an operation that the
        Neural Engine never takes) replace the one output that has classes. In any case the names
        of classes are metadata: ``classes``, a JSON list.
    """

    target: str = "iOS16"
    precision: Literal["fp16", "fp32"] = "fp16"
    images: bool = True
    labels: bool = False


@dataclass(frozen=True)
class Contract:
    """What an application may rely on; names that are not mentioned pass unchanged, as tensors.

    Attributes
    ----------
    inputs, outputs
        By the names of the Keras model's inputs and outputs.
    description
        The model's short description.
    meanings
        What each input and output is, in words, by name.
    metadata
        Further user-defined keys and values.
    licence, version
        Of the model, and of what made it.
    only
        The outputs that the package has; all by default.
    shown
        From stored arrays (n, ...) by input to what an application gives to the package, where
        that is not the same.
    """

    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    description: str = ""
    meanings: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    version: str = ""
    only: tuple[str, ...] = ()
    shown: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] | None = None


# How coremltools calls the output of a classifier that has the probabilities.
PROBABILITIES = "classLabel_probs"


def changes(entry: Input | Output | None) -> bool:
    """Say whether a scaling does anything."""
    if entry is None:
        return False
    moved = np.any(np.asarray(entry.scale) != 1) or np.any(np.asarray(entry.offset) != 0)
    return bool(moved) or (isinstance(entry, Input) and entry.reverse)


def scaled(values: Any, entry: Input | Output | None) -> Any:
    """Apply the scaling of an entry, channels last, to an array or a TensorFlow tensor.

    Parameters
    ----------
    values
        (..., channels).
    entry
        Scale, offset and order of channels, or None to change nothing.

    Returns
    -------
    numpy.ndarray or tensorflow.Tensor
        Same shape and type of number.
    """
    if entry is None or not changes(entry):
        return values
    if isinstance(entry, Input) and entry.reverse:
        values = values[..., ::-1]
    dtype = getattr(values.dtype, "as_numpy_dtype", values.dtype)
    if np.any(np.asarray(entry.scale) != 1):
        values = values * np.asarray(entry.scale, dtype)
    if np.any(np.asarray(entry.offset) != 0):
        values = values + np.asarray(entry.offset, dtype)
    return values
