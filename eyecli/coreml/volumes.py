"""Models of volumes as ML Programs, built operation by operation.

coremltools' reader of TensorFlow refuses dilated 3-D convolutions ("Rank of spatial shape > 2 is
not supported") and makes tensors of rank 6 of group normalisation and upsampling; there is no
other path from Keras than this one. `emitters` has what a layer becomes.
"""

from __future__ import annotations

from typing import Any

from eyecli.coreml import emitters
from eyecli.coreml.contract import Contract, Form, Input, Output, changes
from eyecli.coreml.graph import every_layer, named, walk
from eyecli.lazy import coremltools


def needed(model: Any) -> bool:
    """Say whether a model works on volumes: an input of rank 5, or a layer of them."""
    deep = any(len(tensor.shape) == 5 for tensor in model.inputs)
    return deep or any(type(layer).__name__.endswith("3D") for layer in every_layer(model))


def program(model: Any, contract: Contract, form: Form) -> tuple[Any, dict[str, str]]:
    """Build the program of a functional Keras model with the MIL builder.

    Parameters
    ----------
    model
        Channels last, fixed shapes.
    contract
        Scalings that are operations of the program; pictures become tensors.
    form
        Target and precision: inputs and outputs are float16 or float32, all between is written in
        float32, so that coremltools rounds weights once, after it has fused normalisations.

    Returns
    -------
    program : coremltools.converters.mil.Program
        Values of rank 4 and 5 have their channels first: (1, C, D, H, W).
    nodes : dict of str to str
        Names in the program to the names of the model's outputs.

    Raises
    ------
    EyecliError
        For a layer that is not known here, by its name and class.
    """
    ct = coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import Function, Program, types

    half = form.precision == "fp16"
    inputs, outputs = named(model.input, model.inputs), named(model.output, model.outputs)
    kinds = {n: _kind(types, t.dtype, half) for n, t in inputs.items()}
    holders = {
        n: mb.placeholder(_shape(t), dtype=kinds[n], allow_rank0_input=True)
        for n, t in inputs.items()
    }
    version = getattr(ct.target, form.target)
    made = Program()
    with Function(holders, opset_version=version) as function:
        feed = {n: _entering(mb, function.inputs[n], contract.inputs.get(n)) for n in inputs}
        # In the order of the model, which is not that of the names.
        ordered = [feed[n] for t in model.inputs for n, own in inputs.items() if own is t]
        results = walk(model, ordered, lambda node, xs: emitters.emit(mb, node, xs))
        by_tensor = dict(zip(map(id, model.outputs), results, strict=True))
        nodes = {f"output_{i}": name for i, name in enumerate(outputs)}
        leaving = [
            _leaving(mb, by_tensor[id(outputs[n])], contract.outputs.get(n), node, half)
            for node, n in nodes.items()
        ]
        function.set_outputs(leaving)
    made.add_function("main", function)
    return made, nodes


def _kind(types: Any, dtype: str, half: bool) -> Any:
    if not dtype.startswith("float"):
        return types.int32
    return types.fp16 if half else types.fp32


def _shape(tensor: Any) -> tuple[int, ...]:
    sizes = tuple(tensor.shape[1:])
    return (1, sizes[-1], *sizes[:-1]) if len(sizes) > 2 else (1, *sizes)


def _entering(mb: Any, value: Any, entry: Input | None) -> Any:
    if str(value.dtype.__name__) != "int32":
        value = mb.cast(x=value, dtype="fp32")
    if entry is None or not changes(entry):
        return value
    if entry.reverse:
        value = mb.reverse(x=value, axes=[emitters.channel_axis(value)])
    return emitters.affine(mb, value, entry.scale, entry.offset)


def _leaving(mb: Any, value: Any, entry: Output | None, name: str, half: bool) -> Any:
    if entry is not None and changes(entry):
        value = emitters.affine(mb, value, entry.scale, entry.offset)
    if half:
        return mb.cast(x=value, dtype="fp16", name=name)
    value.name = name
    return value
