"""Recurrent layers in a form that coremltools' reader of TensorFlow understands.

Keras runs them as a loop, over whose counters it stumbles. An LSTM becomes TensorFlow's block
operation, which is read as one ``lstm``; the others are unrolled in time, since Core ML's own
``gru`` has no bias inside its reset gate.
"""

from __future__ import annotations

import functools
from typing import Any

from eyecli.coreml.graph import every_layer


def readable(model: Any) -> Any:
    """Change how a model's recurrent layers are computed, not what; in place, and return it."""
    for layer in every_layer(model):
        if not hasattr(layer, "unroll"):
            continue
        layer.unroll = True
        gates = (getattr(layer, k, None) for k in ("activation", "recurrent_activation"))
        names = [getattr(gate, "__name__", None) for gate in gates]
        if type(layer).__name__ == "LSTM" and names == ["tanh", "sigmoid"]:
            layer.inner_loop = functools.partial(_block, layer, layer.inner_loop)
    return model


def _block(layer: Any, unrolled: Any, sequences: Any, initial_state: Any, **rest: Any) -> Any:
    """Stand in for Keras's `LSTM.inner_loop`: last output, all outputs, states."""
    if rest.get("mask") is not None:
        return unrolled(sequences, initial_state, **rest)
    import tensorflow as tf

    cell, zeros = layer.cell, tf.zeros(layer.units)
    weights = tf.concat([cell.kernel, cell.recurrent_kernel], 0)
    steps = tf.transpose(sequences, (1, 0, 2))
    if layer.go_backwards:
        steps = tf.reverse(steps, [0])
    result = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(steps.shape[0], tf.int64),
        x=steps,
        h_prev=initial_state[0],
        cs_prev=initial_state[1],
        w=_gates(tf, weights),
        b=_gates(tf, tf.zeros(4 * layer.units) if cell.bias is None else cell.bias),
        wci=zeros,
        wcf=zeros,
        wco=zeros,
        forget_bias=0.0,
        cell_clip=-1.0,
        use_peephole=False,
    )
    last = result.h[-1]
    return last, tf.transpose(result.h, (1, 0, 2)), [last, result.cs[-1]]


def _gates(tf: Any, weights: Any) -> Any:
    """Reorder Keras's gates (input, forget, cell, output) as TensorFlow's block has them."""
    entry, forget, cell, output = tf.split(weights, 4, axis=-1)
    return tf.concat([entry, cell, forget, output], -1)
