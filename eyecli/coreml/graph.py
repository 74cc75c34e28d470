"""Keras models as graphs: one form for all of them, names of inputs and outputs, a walk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from eyecli.errors import EyecliError


def functional(model: Any) -> Any:
    """Return a Keras model as a functional one on the same layers.

    Raises
    ------
    EyecliError
        If it has no graph: a Sequential model without its input shape, or a subclass of Model.
    """
    import keras

    if isinstance(model, keras.Sequential):
        if not model.built or not model.inputs:
            raise EyecliError(f"{model.name} has no input shape", "start it with keras.Input")
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not hasattr(model, "_nodes_by_depth"):
        raise EyecliError(
            f"{model.name} is a {type(model).__name__}, which has no graph of layers",
            "build it with keras.Model(inputs, outputs)",
        )
    return model


def named(structure: Any, tensors: Sequence[Any]) -> dict[str, Any]:
    """Name a Keras model's inputs or outputs: by their keys, or else by their layers.

    Several results of one layer are told apart by a number.
    """
    if isinstance(structure, dict):
        return dict(structure)
    found: dict[str, Any] = {}
    for tensor in tensors:
        name = base = tensor._keras_history.operation.name
        while name in found:
            name = f"{base}_{len(found)}"
        found[name] = tensor
    return found


def like(structure: Any, tensors: Mapping[str, Any]) -> Any:
    """Arrange what `named` named as a model's ``input`` or ``output`` is: dict, list or single."""
    if isinstance(structure, dict):
        return dict(tensors)
    values = list(tensors.values())
    return values if isinstance(structure, list | tuple) else values[0]


def fresh_inputs(model: Any) -> dict[str, Any]:
    """Make inputs like those of a model, layers of the same names, for another one."""
    import keras

    return {
        name: keras.Input(t.shape[1:], dtype=t.dtype, name=t._keras_history.operation.name)
        for name, t in named(model.input, model.inputs).items()
    }


def apply(model: Any, feed: Mapping[str, Any]) -> dict[str, Any]:
    """Call a Keras model with its inputs by the names of `named`, and name its outputs so too."""
    tensors = {name: feed[name] for name in named(model.input, model.inputs)}
    result = model(like(model.input, tensors), training=False)
    if isinstance(result, dict):
        return result
    values = result if isinstance(result, list | tuple) else [result]
    return dict(zip(named(model.output, model.outputs), values, strict=True))


def every_layer(model: Any) -> Iterator[Any]:
    """Yield the layers of a model, then those of nested models and wrappers."""
    waiting = list(model.layers)
    while waiting:
        layer = waiting.pop()
        yield layer
        waiting.extend(getattr(layer, "layers", ()))
        waiting.extend(
            inner
            for wrapped in ("layer", "forward_layer", "backward_layer")
            if (inner := getattr(layer, wrapped, None)) is not None
        )


def walk(model: Any, values: Sequence[Any], call: Callable[[Any, list[Any]], list[Any]]) -> list:
    """Carry values through a functional model in the order of its graph, nested models inlined.

    Parameters
    ----------
    model
        A functional Keras model.
    values
        One for each of ``model.inputs``, of any type.
    call
        Takes a node of Keras's graph (``operation``, ``arguments``, ``outputs``) and the values of
        its input tensors, gives one value for each of its outputs.

    Returns
    -------
    list
        One value for each of ``model.outputs``.
    """
    known = {id(t): v for t, v in zip(model.inputs, values, strict=True)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arguments = [known[id(t)] for t in node.input_tensors]
            nested = hasattr(node.operation, "_nodes_by_depth") or hasattr(
                node.operation, "_functional"
            )
            if nested:
                results = walk(functional(node.operation), arguments, call)
            else:
                results = call(node, arguments)
            known |= {id(t): v for t, v in zip(node.outputs, results, strict=True)}
    return [known[id(t)] for t in model.outputs]
