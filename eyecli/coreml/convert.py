"""From a Keras model to an ML Program whose scaling lives in its convolutions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.coreml import passes, proto, volumes
from eyecli.coreml.contract import Contract, Form, Input, Output, scaled
from eyecli.coreml.folding import fold
from eyecli.coreml.graph import apply, functional, named
from eyecli.coreml.library import asking, save
from eyecli.coreml.recurrent import readable
from eyecli.errors import EyecliError, UsageError, suggest
from eyecli.lazy import coremltools

__all__ = ["TARGETS", "Contract", "Form", "Input", "Output", "apply", "convert", "fold", "named"]

# Before iOS 16 a program cannot take or give float16.
TARGETS = ("iOS16", "iOS17", "iOS18")


def convert(model: Any, contract: Contract, path: Path, form: Form = Form()) -> Path:  # noqa: B008
    """Convert a Keras model to an ML Program with channels first.

    Images keep one cast each, from the float32 in which Core ML hands pixel buffers to a program;
    scalings that no layer can take become a multiplication and an addition. Nothing else is added
    to the operations of the network. The same model gives the same bytes.

    Parameters
    ----------
    model
        Functional or Sequential, channels last, fixed shapes; it is left untouched.
    contract
        Units and kinds of inputs and outputs.
    path
        The `.mlpackage` folder to make. Inputs and outputs of rank 4 and 5 are (1, channels,
        rows...), those of lower rank as in Keras.
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
    model = functional(model)
    inputs, outputs = named(model.input, model.inputs), named(model.output, model.outputs)
    _refuse_unknown(contract, inputs, outputs)
    folded, rest = fold(model, contract, form.precision == "fp16")
    for name, tensor in inputs.items():
        if None in tensor.shape[1:]:
            raise EyecliError(f"input {name} has no fixed shape: {tensor.shape}")
    build = _with_builder if volumes.needed(folded) else _with_tensorflow
    with asking(f"convert {model.name}", "see with --debug where it stopped"):
        converted, nodes = build(folded, rest, form)
    spec = converted.get_spec()
    there = {feature.name for feature in spec.description.output}
    for node, name in nodes.items():
        if node in there:  # not those that a classifier replaced
            coremltools().utils.rename_feature(spec, node, name, rename_inputs=False)
    proto.describe(spec, contract, {**_class_names(contract), **contract.metadata})
    return save(path, spec, converted.weights_dir)


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


def _class_names(contract: Contract) -> dict[str, str]:
    """Metadata: the list of classes, under the output's name if there are several."""
    found = {name: list(o.classes) for name, o in contract.outputs.items() if o.classes}
    if len(found) == 1:
        return {"classes": json.dumps(*found.values())}
    return {f"classes.{name}": json.dumps(names) for name, names in found.items()}


def _options(ct: Any, form: Form, contract: Contract, nodes: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of ``coremltools.convert`` that do not depend on where the program comes from."""
    half = form.precision == "fp16"
    options = {
        "convert_to": "mlprogram",
        "compute_precision": ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        "minimum_deployment_target": getattr(ct.target, form.target),
        "skip_model_load": True,
        "pass_pipeline": passes.pipeline(ct, form.labels),
    }
    if not form.labels:
        return options
    found = [name for name, o in contract.outputs.items() if o.classes]
    if len(found) != 1:
        raise UsageError(
            f"a classifier needs one output with names of classes, here are {len(found)}",
            "export without class labels: the names stay in the metadata",
        )
    (node,) = (node for node, name in nodes.items() if name == found[0])
    labels = list(contract.outputs[found[0]].classes)
    config = ct.ClassifierConfig(labels, "classLabel", predicted_probabilities_output=node)
    return {**options, "classifier_config": config}


def _with_builder(model: Any, contract: Contract, form: Form) -> tuple[Any, dict[str, str]]:
    """Convert what coremltools' reader of TensorFlow refuses; see `volumes`."""
    ct = coremltools()
    program, nodes = volumes.program(model, contract, form)
    return ct.convert(program, **_options(ct, form, contract, nodes)), nodes


def _with_tensorflow(model: Any, contract: Contract, form: Form) -> tuple[Any, dict[str, str]]:
    import tensorflow as tf  # before coremltools, which looks for it

    ct = coremltools()
    inputs, outputs = named(model.input, model.inputs), named(model.output, model.outputs)
    function = _channels_first(tf, readable(model), contract)
    # TensorFlow's own names of the results: its optimiser keeps those, and may drop any other.
    nodes = {t.name.partition(":")[0]: n for t, n in zip(function.outputs, outputs, strict=True)}
    real = np.float16 if form.precision == "fp16" else np.float32
    converted = ct.convert(
        [function],
        source="tensorflow",
        inputs=[_input_type(ct, n, t, contract.inputs.get(n), form) for n, t in inputs.items()],
        outputs=[ct.TensorType(name=node, dtype=real) for node in nodes],
        **_options(ct, form, contract, nodes),
    )
    return converted, nodes


def _channels_first(tf: Any, model: Any, contract: Contract) -> Any:
    """Trace a model behind transposes that cancel those which coremltools puts around it."""
    inputs, outputs = named(model.input, model.inputs), named(model.output, model.outputs)
    signature = [tf.TensorSpec(_shape(t), t.dtype, name=n) for n, t in inputs.items()]

    @tf.function(autograph=False)
    def program(*tensors: Any) -> list[Any]:
        feed = {}
        for name, t in zip(inputs, tensors, strict=True):
            last = tf.transpose(t, (0, 2, 3, 1)) if len(t.shape) == 4 else t
            feed[name] = scaled(last, contract.inputs.get(name))
        result = apply(model, feed)
        values = [scaled(result[name], contract.outputs.get(name)) for name in outputs]
        return [tf.transpose(v, (0, 3, 1, 2)) if len(v.shape) == 4 else v for v in values]

    with _inlined(tf):
        return program.get_concrete_function(*signature)


@contextlib.contextmanager
def _inlined(tf: Any) -> Iterator[None]:
    """Trace functions within functions as part of the caller.

    Keras compiles grouped convolutions as a function of their own, a call to which coremltools
    cannot read.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _shape(tensor: Any) -> tuple[int, ...]:
    """Shape of one sample as the program takes it: batch of 1, channels before rows."""
    sizes = tuple(tensor.shape[1:])
    return (1, sizes[2], *sizes[:2]) if len(sizes) == 3 else (1, *sizes)


def _input_type(ct: Any, name: str, tensor: Any, entry: Input | None, form: Form) -> Any:
    shape = _shape(tensor)
    if entry is None or not (entry.image and form.images and _is_picture(shape)):
        real = np.float16 if form.precision == "fp16" else np.float32
        dtype = real if tensor.dtype.startswith("float") else np.int32
        return ct.TensorType(name=name, shape=shape, dtype=dtype)
    layout = ct.colorlayout.RGB if shape[1] == 3 else ct.colorlayout.GRAYSCALE
    return ct.ImageType(name=name, shape=shape, color_layout=layout, channel_first=True)


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[1] in (1, 3)
