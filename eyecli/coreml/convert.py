"""From a Keras model to an ML Program whose scaling lives in its convolutions."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eyecli.coreml import package, proto
from eyecli.errors import EyecliError, UsageError, suggest
from eyecli.lazy import coremltools

# Before iOS 16 a program cannot take or give float16.
TARGETS = ("iOS16", "iOS17", "iOS18")
_AFFINE = ("scale", "offset")


@dataclass(frozen=True)
class Input:
    """How one input reaches the model: ``scale * x + offset`` is what the network was trained on.

    Attributes
    ----------
    stem
        The convolution that takes the scaling into its weights (it may sit in a nested model and
        be shared by several inputs of the same scaling), or None if nothing is to be folded.
    scale, offset
        One number, or one for each channel.
    image
        A uint8 RGB picture; otherwise a float16 tensor in the same units.
    """

    stem: str | None = None
    scale: float | Sequence[float] = 1.0
    offset: float | Sequence[float] = 0.0
    image: bool = True


@dataclass(frozen=True)
class Output:
    """The unit of one output: ``scale * y + offset``, folded into the convolution it comes from.

    Attributes
    ----------
    scale, offset
        One number, or one for each channel.
    unit
        Of the output after this scaling (``cm``, ``mmHg``), or None if it has none.
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
        A classifier, which names the likeliest class itself (an operation that the Neural Engine
        never takes); otherwise the names of classes are metadata.
    """

    target: str = "iOS16"
    precision: Literal["fp16", "fp32"] = "fp16"
    images: bool = True
    labels: bool = False


@dataclass(frozen=True)
class Contract:
    """What an application may rely on; names that are not mentioned pass unchanged as float16.

    Attributes
    ----------
    inputs, outputs
        By the names of the Keras model's inputs and outputs.
    description
        The model's short description.
    metadata
        Further user-defined keys and values.
    """

    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def convert(model: Any, contract: Contract, path: Path, form: Form = Form()) -> Path:
    """Convert a functional Keras model to a float16 ML Program with channels first.

    Images keep one cast each, from the float32 in which Core ML hands pixel buffers to a program;
    nothing else is added to the operations of the network. The same model gives the same bytes.

    Parameters
    ----------
    model
        Channels last, fixed shapes; it is left untouched.
    contract
        Units and kinds of inputs and outputs.
    path
        The `.mlpackage` folder to make.
    form
        Target, precision, kinds of inputs and outputs.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    EyecliError
        If a scaling cannot be folded, or coremltools refuses the model.
    UsageError
        For a deployment target that coremltools does not know, or a name that is not the model's.
    """
    if form.target not in TARGETS:
        raise UsageError(f"unknown deployment target {form.target}", suggest(form.target, TARGETS))
    inputs, outputs = named(model.input, model.inputs), named(model.output, model.outputs)
    _refuse_unknown(contract, inputs, outputs)
    import tensorflow as tf  # before coremltools, which looks for it

    ct = coremltools()
    function = _channels_first(tf, fold(model, contract), inputs)
    # TensorFlow's own names of the results: its optimiser keeps those, and may drop any other.
    nodes = {t.name.partition(":")[0]: n for t, n in zip(function.outputs, outputs, strict=True)}
    chatter = io.StringIO()
    try:
        with contextlib.redirect_stdout(chatter), contextlib.redirect_stderr(chatter):
            converted = ct.convert(
                [function],
                source="tensorflow",
                inputs=[_input_type(ct, n, t, contract.inputs.get(n)) for n, t in inputs.items()],
                outputs=[ct.TensorType(name=node, dtype=np.float16) for node in nodes],
                convert_to="mlprogram",
                compute_precision=ct.precision.FLOAT16,
                minimum_deployment_target=getattr(ct.target, form.target),
                skip_model_load=True,
            )
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EyecliError(
            f"coremltools cannot convert {model.name}: {reason}",
            "see with --debug where it stopped",
        ) from error
    spec = converted.get_spec()
    for node, name in nodes.items():
        ct.utils.rename_feature(spec, node, name, rename_inputs=False)
    proto.describe(spec, contract.description, contract.metadata)
    weights = Path(converted.weights_dir) / "weight.bin"
    blob = weights.read_bytes() if weights.is_file() else None
    return package.write(path, proto.serialise(spec), blob)


def fold(model: Any, contract: Contract) -> Any:
    """Copy a Keras model with the contract's scalings in its convolutions.

    Parameters
    ----------
    model
        A functional Keras model; it is left untouched.
    contract
        Units of inputs and outputs.

    Returns
    -------
    keras.Model
        It takes inputs in the contract's units, and gives outputs in them.

    Raises
    ------
    EyecliError
        If a layer is not a convolution that can take the scaling exactly.
    """
    import keras

    # Structure, names and sharing come from the configuration.
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    stems: dict[str, Input] = {}
    for name, entry in contract.inputs.items():
        if entry.stem is None:
            if np.any(np.asarray(entry.scale) != 1) or np.any(np.asarray(entry.offset) != 0):
                raise EyecliError(f"input {name} has a scaling but no stem to fold it into")
            continue
        first = stems.setdefault(entry.stem, entry)
        if not all(np.array_equal(getattr(first, k), getattr(entry, k)) for k in _AFFINE):
            raise EyecliError(f"{entry.stem} is shared by inputs of different scaling, as {name}")
    for stem, entry in stems.items():
        _fold_input(_find(copy, stem), entry)
    tensors = named(copy.output, copy.outputs)
    for name, unit in contract.outputs.items():
        _fold_output(tensors[name]._keras_history.operation, unit)
    return copy


def named(structure: Any, tensors: Sequence[Any]) -> dict[str, Any]:
    """Name a Keras model's inputs or outputs: by their keys, or else by their layers."""
    if isinstance(structure, dict):
        return dict(structure)
    return {t._keras_history.operation.name: t for t in tensors}


def apply(model: Any, feed: Mapping[str, Any]) -> dict[str, Any]:
    """Call a Keras model with its inputs by the names of `named`, and name its outputs so too."""
    ordered = [feed[name] for name in named(model.input, model.inputs)]
    single = ordered[0] if len(ordered) == 1 else ordered
    result = model(dict(feed) if isinstance(model.input, dict) else single, training=False)
    if isinstance(result, dict):
        return result
    values = result if isinstance(result, list | tuple) else [result]
    return dict(zip(named(model.output, model.outputs), values, strict=True))


def _refuse_unknown(
    contract: Contract, inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> None:
    for kind, asked, there in (
        ("input", contract.inputs, inputs),
        ("output", contract.outputs, outputs),
    ):
        for name in asked:
            if name not in there:
                raise UsageError(f"the model has no {kind} {name}", f"it has {', '.join(there)}")


def _find(model: Any, name: str) -> Any:
    waiting = list(model.layers)
    while waiting:
        layer = waiting.pop()
        if layer.name == name:
            return layer
        waiting.extend(getattr(layer, "layers", ()))
    raise EyecliError(f"the model has no layer {name} to fold a scaling into")


def _convolution(layer: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    if type(layer).__name__ != "Conv2D" or layer.groups != 1 or not layer.use_bias:
        raise EyecliError(f"{what}: {layer.name} is not a Conv2D with a bias and without groups")
    kernel, bias = layer.get_weights()
    return kernel.astype(np.float64), bias.astype(np.float64)


def _fold_input(layer: Any, entry: Input) -> None:
    """Fold ``scale * x + offset`` into the convolution that reads it.

    The kernel is rounded to float16 here and the bias is made for the rounded kernel: then an
    input that the network sees as zero (mid-grey) still gives exactly the bias it was trained
    with, and the rounding error grows from there, not from black.
    """
    kernel, bias = _convolution(layer, "cannot fold the input scaling")
    scale, offset = (np.broadcast_to(getattr(entry, k), kernel.shape[2]) for k in _AFFINE)
    if layer.padding != "valid" and np.any(offset != 0):
        raise EyecliError(
            f"cannot fold the input offset into {layer.name}: its padding is {layer.padding}",
            "padding adds zeros after the offset; author the stem with padding='valid'",
        )
    if np.any(scale == 0):
        raise EyecliError(f"cannot fold the input scaling into {layer.name}: a scale is zero")
    scaled = (kernel * scale[:, None]).astype(np.float16).astype(np.float64)
    bias = bias + np.einsum("hwio,i->o", scaled, offset / scale)
    layer.set_weights([scaled.astype(np.float32), bias.astype(np.float32)])


def _fold_output(layer: Any, unit: Output) -> None:
    """Fold the unit of an output into the convolution that it comes from."""
    kernel, bias = _convolution(layer, "cannot fold the output's unit")
    if layer.activation.__name__ != "linear":
        raise EyecliError(f"cannot fold the output's unit into {layer.name}: it has an activation")
    if layer._outbound_nodes:
        raise EyecliError(f"cannot fold the output's unit into {layer.name}: others read it too")
    scale, offset = (np.broadcast_to(getattr(unit, k), bias.shape) for k in _AFFINE)
    layer.set_weights(
        [(kernel * scale).astype(np.float32), (bias * scale + offset).astype(np.float32)]
    )


def _channels_first(tf: Any, model: Any, inputs: Mapping[str, Any]) -> Any:
    """Trace a model behind transposes that cancel those which coremltools puts around it."""
    outputs = named(model.output, model.outputs)
    signature = [tf.TensorSpec(_shape(t), tf.float32, name=n) for n, t in inputs.items()]

    @tf.function(autograph=False)
    def program(*tensors: Any) -> list[Any]:
        feed = [tf.transpose(t, (0, 2, 3, 1)) if len(t.shape) == 4 else t for t in tensors]
        result = apply(model, dict(zip(inputs, feed, strict=True)))
        values = [result[name] for name in outputs]
        return [tf.transpose(v, (0, 3, 1, 2)) if len(v.shape) == 4 else v for v in values]

    return program.get_concrete_function(*signature)


def _shape(tensor: Any) -> tuple[int, ...]:
    """Shape of one sample as the program takes it: batch of 1, channels before rows."""
    sizes = tuple(tensor.shape[1:])
    if None in sizes:
        raise EyecliError(f"input {tensor.name} has no fixed shape: {tensor.shape}")
    return (1, sizes[2], *sizes[:2]) if len(sizes) == 3 else (1, *sizes)


def _input_type(ct: Any, name: str, tensor: Any, entry: Input | None) -> Any:
    if entry is None or not entry.image:
        return ct.TensorType(name=name, shape=_shape(tensor), dtype=np.float16)
    rgb = ct.colorlayout.RGB
    return ct.ImageType(name=name, shape=_shape(tensor), color_layout=rgb, channel_first=True)
