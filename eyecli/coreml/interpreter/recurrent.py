"""Recurrent layers: in emulated float16 only inputs, weights and results are rounded.

Gates and states stay in float32 from step to step: a layer is one operation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments, Array
from eyecli.errors import CheckError


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


# The parameters that hard sigmoid and scaled tanh have inside a layer are not documented.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
}


def _activation(arguments: Arguments, name: str) -> Callable[[Array], Array]:
    kind = str(arguments[name]).lower()
    if kind not in ACTIVATIONS:
        raise CheckError(f"unknown parameters of the activation {kind}")
    return ACTIVATIONS[kind]


def lstm(arguments: Arguments) -> tuple[Array, Array, Array]:
    """Run a long short-term memory over x (s, b, i); gates are packed input, forget, output, cell.

    Returns
    -------
    sequence : numpy.ndarray
        (s, b, directions * h), or (1, b, directions * h) without `output_sequence`.
    hidden, cell : numpy.ndarray
        (b, directions * h), the states after the last step of each direction.
    """
    direction, size = arguments["direction"], arguments["weight_hh"].shape[1]
    runs = {"forward": [("", False)], "reverse": [("", True)]}.get(
        direction, [("", False), ("_back", True)]
    )
    parts = []
    for i, (suffix, backwards) in enumerate(runs):
        columns = slice(i * size, (i + 1) * size)
        start = arguments["initial_h"][:, columns], arguments["initial_c"][:, columns]
        parts.append(_lstm_direction(arguments, suffix, backwards, *start))
    sequence, hidden, cell = (np.concatenate(p, axis=-1) for p in zip(*parts, strict=True))
    return (sequence if arguments["output_sequence"] else hidden[None]), hidden, cell


def _lstm_direction(
    arguments: Arguments, suffix: str, backwards: bool, hidden: Array, cell: Array
) -> tuple[Array, Array, Array]:
    gate, squash, shape = (
        _activation(arguments, name)
        for name in ("recurrent_activation", "cell_activation", "activation")
    )
    # All steps of the input at once.
    inputs = arguments["x"] @ arguments["weight_ih" + suffix].T
    if "bias" + suffix in arguments:
        inputs = inputs + arguments["bias" + suffix]
    recurrent, zeros = arguments["weight_hh" + suffix].T, np.zeros_like(hidden)
    peephole = arguments.get("peephole" + suffix)
    peep_i, peep_f, peep_o = (zeros,) * 3 if peephole is None else np.split(peephole, 3)
    states = np.empty((len(inputs), *hidden.shape), np.float32)
    for t in range(len(inputs))[:: -1 if backwards else 1]:
        i, f, o, z = np.split(inputs[t] + hidden @ recurrent, 4, axis=-1)
        cell = gate(f + peep_f * cell) * cell + gate(i + peep_i * cell) * squash(z)
        # "Cell gate" in the description of the operation; coremltools' converter to neural
        # networks hands it on as the limit of the cell state.
        if "clip" in arguments:
            cell = np.clip(cell, -arguments["clip"], arguments["clip"])
        hidden = gate(o + peep_o * cell) * shape(cell)
        states[t] = hidden
    return states, hidden, cell


def gru(arguments: Arguments) -> tuple[Array, Array]:
    """Run a gated recurrent unit over x (s, b, i); gates are packed reset, output, update.

    Returns
    -------
    sequence : numpy.ndarray
        (s, b, h), or (1, b, h) without `output_sequence`.
    hidden : numpy.ndarray
        (b, h).
    """
    gate, squash = (_activation(arguments, n) for n in ("recurrent_activation", "activation"))
    inputs, recurrent = _inputs(arguments), arguments["weight_hh"].T

    def step(x: Array, hidden: Array) -> Array:
        (xr, xo, xz), (hr, ho, hz) = (np.split(v, 3, axis=-1) for v in (x, hidden @ recurrent))
        reset, update = gate(xr + hr), gate(xz + hz)
        return np.asarray((1 - update) * squash(xo + reset * ho) + update * hidden)

    return _unroll(arguments, inputs, step)


def rnn(arguments: Arguments) -> tuple[Array, Array]:
    """Run a simple recurrent layer over x (s, b, i); results as those of `gru`."""
    squash, recurrent = _activation(arguments, "activation"), arguments["weight_hh"].T
    return _unroll(arguments, _inputs(arguments), lambda x, hidden: squash(x + hidden @ recurrent))


def _inputs(arguments: Arguments) -> Array:
    """Weigh the input of all steps at once."""
    inputs = arguments["x"] @ arguments["weight_ih"].T
    return np.asarray(inputs + arguments["bias"] if "bias" in arguments else inputs)


def _unroll(
    arguments: Arguments, inputs: Array, step: Callable[[Array, Array], Array]
) -> tuple[Array, Array]:
    hidden = arguments["initial_h"]
    states = np.empty((len(inputs), *hidden.shape), np.float32)
    for t in range(len(inputs))[:: -1 if arguments["direction"] == "reverse" else 1]:
        hidden = states[t] = step(inputs[t], hidden)
    return (states if arguments["output_sequence"] else hidden[None]), hidden
