"""The layer before softmax: where two classifiers are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eyecli.coreml.convert import named

ACTIVATIONS = ("softmax", "sigmoid")


def logits_model(model: Any, outputs: Sequence[str]) -> Any:
    """Return a Keras model that shares the weights but ends before softmax or sigmoid.

    Parameters
    ----------
    model
        A functional Keras model; it is left untouched.
    outputs
        Names of the outputs to change; one that has no such activation stays as it is.

    Returns
    -------
    keras.Model
        With the same inputs, and a dictionary of all outputs by their names.
    """
    import keras

    tensors = named(model.output, model.outputs)
    changed = {n: _before(t) if n in outputs else t for n, t in tensors.items()}
    return keras.Model(model.input, changed)


def _before(tensor: Any) -> Any:
    """Return the tensor that the activation of this one reads."""
    import keras

    layer, node, index = tensor._keras_history
    read = layer._inbound_nodes[node].input_tensors
    if isinstance(layer, keras.Model):
        inner = named(layer.output, layer.outputs)
        name = list(inner)[index]
        return logits_model(layer, [name])(read if len(read) > 1 else read[0])[name]
    if isinstance(layer, keras.layers.Softmax):
        return read[0]
    if getattr(getattr(layer, "activation", None), "__name__", "") not in ACTIVATIONS:
        return tensor
    if isinstance(layer, keras.layers.Activation):
        return read[0]
    twin = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    values = twin(read[0])
    twin.set_weights(layer.get_weights())
    return values
