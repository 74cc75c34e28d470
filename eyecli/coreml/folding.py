"""Take the scalings of a contract into the weights of a Keras model, where that is exact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from eyecli.coreml.contract import Contract, Input, Output, changes
from eyecli.coreml.graph import every_layer, fresh_inputs, like, named
from eyecli.errors import EyecliError

FOLDABLE = ("Dense", "Conv1D", "Conv2D", "Conv3D")
_SCALING = ("scale", "offset", "reverse")


def fold(model: Any, contract: Contract, half: bool = True) -> tuple[Any, Contract]:
    """Copy a Keras model with the contract's scalings in its weights.

    Parameters
    ----------
    model
        A functional Keras model; it is left untouched.
    contract
        Units of inputs and outputs.
    half
        The weights will be rounded to float16: input kernels are rounded here already, see
        `_fold_input`.

    Returns
    -------
    model : keras.Model
        With the scalings that could be folded.
    rest : Contract
        The contract that remains around it: scalings that could not.

    Raises
    ------
    EyecliError
        If the contract names a layer that is not there or not linear, or scales by zero.
    """
    import keras

    # Structure, names and sharing come from the configuration; the copy is not compiled.
    bare = keras.Model(model.input, model.output, name=model.name)
    copy = keras.models.clone_model(bare, like(model.input, fresh_inputs(model)))
    copy.set_weights(model.get_weights())
    inputs, outputs = dict(contract.inputs), dict(contract.outputs)
    stems: dict[str, list[str]] = {}
    for name, entry in inputs.items():
        if entry.stem is not None:
            stems.setdefault(entry.stem, []).append(name)
    for stem, names in stems.items():
        layer, first = _find(copy, stem), inputs[names[0]]
        alike = all(_same_scaling(inputs[name], first) for name in names)
        if alike and _takes_input(layer, first):
            _fold_input(layer, first, half)
            for name in names:
                inputs[name] = replace(inputs[name], scale=1.0, offset=0.0, reverse=False)
    for name, tensor in named(copy.output, copy.outputs).items():
        unit = outputs.get(name)
        layer = tensor._keras_history.operation
        if unit is not None and changes(unit) and _takes_output(layer, unit, copy):
            _fold_output(layer, unit)
            outputs[name] = replace(unit, scale=1.0, offset=0.0)
    return copy, replace(contract, inputs=inputs, outputs=outputs)


def _same_scaling(one: Input, other: Input) -> bool:
    return all(np.array_equal(getattr(one, k), getattr(other, k)) for k in _SCALING)


def _find(model: Any, name: str) -> Any:
    for layer in every_layer(model):
        if layer.name == name:
            return layer
    raise EyecliError(f"the model has no layer {name} to fold a scaling into")


def _takes_input(layer: Any, entry: Input) -> bool:
    """Say whether a layer can take ``scale * x + offset`` into its weights exactly."""
    if type(layer).__name__ not in FOLDABLE:
        kind = type(layer).__name__
        raise EyecliError(f"cannot fold the input scaling into {layer.name}, a {kind}")
    if np.any(np.asarray(entry.scale) == 0):
        raise EyecliError(f"cannot fold the input scaling into {layer.name}: a scale is zero")
    if getattr(layer, "groups", 1) != 1:
        return False
    # A layer between (zero padding, say) would see the input without its scaling.
    sources = [t._keras_history.operation for n in layer._inbound_nodes for t in n.input_tensors]
    if any(type(source).__name__ != "InputLayer" for source in sources):
        return False
    # Padding adds zeros after the offset, and an offset needs a bias.
    exact = getattr(layer, "padding", "valid") == "valid" and layer.use_bias
    return bool(exact or not np.any(np.asarray(entry.offset) != 0))


def _fold_input(layer: Any, entry: Input, half: bool) -> None:
    """Fold ``scale * x + offset`` into the layer that reads it.

    For a float16 program the kernel is rounded here and the bias is made for the rounded kernel:
    then an input that the network sees as zero (mid-grey) still gives exactly the bias it was
    trained with, and the rounding error grows from there, not from black.
    """
    kernel, *bias = (w.astype(np.float64) for w in layer.get_weights())
    channels = kernel.shape[-2]
    scale, offset = (np.broadcast_to(getattr(entry, k), channels) for k in ("scale", "offset"))
    kernel = kernel * scale[:, None]
    if half:
        kernel = kernel.astype(np.float16).astype(np.float64)
    taps = kernel.reshape(-1, *kernel.shape[-2:]).sum(0)
    bias = [b + (offset / scale) @ taps for b in bias]
    if entry.reverse:
        kernel = kernel[..., ::-1, :]
    layer.set_weights([w.astype(np.float32) for w in (kernel, *bias)])


def _takes_output(layer: Any, unit: Output, model: Any) -> bool:
    """Say whether nothing but this output depends on a linear layer."""
    return (
        type(layer).__name__ in FOLDABLE
        and layer.activation.__name__ == "linear"
        and (layer.use_bias or not np.any(np.asarray(unit.offset) != 0))
        and not layer._outbound_nodes
        and len(layer._inbound_nodes) == 1
        and sum(t._keras_history.operation is layer for t in model.outputs) == 1
    )


def _fold_output(layer: Any, unit: Output) -> None:
    kernel, *bias = (w.astype(np.float64) for w in layer.get_weights())
    scale, offset = np.asarray(unit.scale), np.asarray(unit.offset)
    weights = [kernel * scale, *(b * scale + offset for b in bias)]
    layer.set_weights([w.astype(np.float32) for w in weights])
