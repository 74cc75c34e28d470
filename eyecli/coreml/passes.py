"""Graph passes that coremltools lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SOFTMAX = "eyecli::softmax_before_transpose"
OUTPUTS = "eyecli::forget_output_types"
_TRANSPOSES = "common::reduce_transposes"
# It turns mul and add into a batch normalisation of variance 1 with the default epsilon of 1e-5:
# DenseNet121 in float32 was 9e-4 of the logits' spread off with it, 3e-5 without.
_INEXACT = "common::fuse_elementwise_to_batchnorm"


def pipeline(ct: Any, labels: bool) -> Any:
    """Return coremltools' default passes with some of our own.

    Parameters
    ----------
    ct
        coremltools.
    labels
        The model will be a classifier.

    Returns
    -------
    coremltools.PassPipeline
        Without the one that changes values. Softmax is moved before transposes: TensorFlow has it
        on the last axis only, so that one on channels comes between two transposes, which cancel
        once it is out of their way. For classifiers, the types of outputs are forgotten at the
        end: they are applied by then, and coremltools stumbles over the output that a classifier
        has more.
    """
    _register(SOFTMAX, _move_softmax)
    passes = ct.PassPipeline()
    passes.remove_passes({_INEXACT})
    passes.insert_pass(passes.passes.index(_TRANSPOSES), SOFTMAX)
    if labels:
        _register(OUTPUTS, _forget)
        passes.append_pass(OUTPUTS)
    return passes


def _register(name: str, change: Callable[[Any], None]) -> None:
    """Make a pass of a function on one function of a program; coremltools wants a class of it."""
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY, register_pass

    if name in PASS_REGISTRY.passes:
        return
    namespace, kind = name.split("::")

    def apply(self: Any, prog: Any) -> None:
        for function in prog.functions.values():
            change(function)

    register_pass(namespace=namespace)(type(kind, (AbstractGraphPass,), {"apply": apply}))


def _forget(function: Any) -> None:
    function.output_types = None


def _move_softmax(block: Any) -> None:
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    for op in list(block.operations):
        before = op.x.op if op.op_type == "softmax" else None
        if before is None or before.op_type != "transpose":
            continue
        perm = [int(axis) for axis in before.perm.val]
        with block:
            first = mb.softmax(x=before.x, axis=perm[int(op.axis.val)], before_op=op)
            moved = mb.transpose(x=first, perm=perm, before_op=op, name=op.name)
            block.replace_uses_of_var_after_op(anchor_op=op, old_var=op.outputs[0], new_var=moved)
            block.remove_ops([op])
