"""Recurrent layers against Keras, peepholes and clipping against TensorFlow's block cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import mil

from eyecli.coreml.interpreter import recurrent
from eyecli.errors import CheckError

STEPS, BATCH, FEATURES, HIDDEN = 6, 2, 3, 4


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def packed(weights: list[np.ndarray], order: str, keras_order: str, suffix: str = "") -> Any:
    """Reorder Keras' gates, and transpose."""
    kernel, inner, bias = weights
    places = [keras_order.index(gate) for gate in order]

    def take(v: np.ndarray) -> np.ndarray:
        return np.concatenate([np.split(v, len(order), -1)[p] for p in places], -1)

    return {
        f"weight_ih{suffix}": take(kernel).T,
        f"weight_hh{suffix}": take(inner).T,
        f"bias{suffix}": take(bias),
    }


def lstm_constants(layer: Any, suffix: str = "", order: str = "ifoz") -> dict[str, Any]:
    return packed(layer.get_weights(), order, "ifzo", suffix)


def keras_lstm(**options: Any) -> Any:
    import keras

    return keras.layers.LSTM(
        HIDDEN, return_sequences=True, return_state=True, bias_initializer="normal", **options
    )


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequence", [False, True])
def test_lstm_is_kerass(backwards: bool, sequence: bool) -> None:
    x, h, c = normal(STEPS, BATCH, FEATURES), normal(BATCH, HIDDEN, seed=1), normal(BATCH, HIDDEN)
    layer = keras_lstm(go_backwards=backwards)
    outputs = layer(x.transpose(1, 0, 2), initial_state=[h, c])
    states, hidden, cell = (np.asarray(v) for v in outputs)
    inputs = {"x": x, "initial_h": h, "initial_c": c}
    constants = lstm_constants(layer) | {
        "direction": "reverse" if backwards else "forward", "output_sequence": sequence,
    }  # fmt: skip
    ours = mil("lstm", inputs, constants)
    # Keras gives the states in the order of its steps, MIL in the order of time.
    steps = states.transpose(1, 0, 2)[:: -1 if backwards else 1]
    np.testing.assert_allclose(ours[0], steps if sequence else hidden[None], atol=1e-6)
    np.testing.assert_allclose(ours[1], hidden, atol=1e-6)
    np.testing.assert_allclose(ours[2], cell, atol=1e-6)
    # The planted fault: gates in another order.
    wrong = mil("lstm", inputs, constants | lstm_constants(layer, order="iofz"))
    assert np.abs(wrong[1] - hidden).max() > 0.01


def test_bidirectional_lstm_is_kerass() -> None:
    import keras

    x = normal(STEPS, BATCH, FEATURES)
    layer = keras.layers.Bidirectional(keras.layers.LSTM(HIDDEN, return_sequences=True))
    expected = np.asarray(layer(x.transpose(1, 0, 2))).transpose(1, 0, 2)
    zeros = np.zeros((BATCH, 2 * HIDDEN), np.float32)
    constants = lstm_constants(layer.forward_layer) | lstm_constants(layer.backward_layer, "_back")
    sequence, hidden, _ = mil(
        "lstm",
        {"x": x, "initial_h": zeros, "initial_c": zeros},
        constants | {"direction": "bidirectional", "output_sequence": True},
    )
    np.testing.assert_allclose(sequence, expected, atol=1e-6)
    np.testing.assert_allclose(hidden[:, :HIDDEN], expected[-1, :, :HIDDEN], atol=1e-6)
    np.testing.assert_allclose(hidden[:, HIDDEN:], expected[0, :, HIDDEN:], atol=1e-6)


def test_peepholes_and_clipping_are_tensorflows() -> None:
    import tensorflow as tf

    x, h, c = normal(1, BATCH, FEATURES), normal(BATCH, HIDDEN, seed=1), normal(BATCH, HIDDEN)
    weight, bias = normal(FEATURES + HIDDEN, 4 * HIDDEN, seed=2), normal(4 * HIDDEN, seed=3)
    peep_i, peep_f, peep_o = normal(3, HIDDEN, seed=4)
    cell = tf.raw_ops.LSTMBlockCell(
        x=x[0], cs_prev=c, h_prev=h, w=weight, wci=peep_i, wcf=peep_f, wco=peep_o, b=bias,
        forget_bias=0.0, cell_clip=0.4, use_peephole=True,
    )  # fmt: skip
    constants = packed([weight[:FEATURES], weight[FEATURES:], bias], "ifoz", "izfo")
    constants |= {"peephole": np.concatenate([peep_i, peep_f, peep_o]), "clip": np.float32(0.4)}
    _, hidden, state = mil("lstm", {"x": x, "initial_h": h, "initial_c": c}, constants)
    np.testing.assert_allclose(state, cell.cs, atol=1e-6)
    np.testing.assert_allclose(hidden, cell.h, atol=1e-6)
    assert np.abs(state).max() == np.float32(0.4)


@pytest.mark.parametrize("backwards", [False, True])
def test_gru_is_kerass(backwards: bool) -> None:
    import keras

    layer = keras.layers.GRU(HIDDEN, return_sequences=True, go_backwards=backwards)
    x = normal(STEPS, BATCH, FEATURES)
    states = np.asarray(layer(x.transpose(1, 0, 2))).transpose(1, 0, 2)
    kernel, inner, _ = layer.get_weights()
    constants = packed([kernel, inner, np.zeros(3 * HIDDEN, np.float32)], "roz", "zro")
    sequence, hidden = mil(
        "gru",
        {"x": x, "initial_h": np.zeros((BATCH, HIDDEN), np.float32)},
        constants | {"direction": "reverse" if backwards else "forward", "output_sequence": True},
    )
    np.testing.assert_allclose(sequence, states[:: -1 if backwards else 1], atol=1e-6)
    np.testing.assert_allclose(hidden, states[-1], atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "linear"])
def test_rnn_is_kerass(activation: str) -> None:
    import keras

    layer = keras.layers.SimpleRNN(HIDDEN, activation=activation, bias_initializer="normal")
    x = normal(STEPS, BATCH, FEATURES)
    expected = np.asarray(layer(x.transpose(1, 0, 2)))
    constants = packed(layer.get_weights(), "h", "h") | {"activation": activation}
    sequence, hidden = mil(
        "rnn", {"x": x, "initial_h": np.zeros((BATCH, HIDDEN), np.float32)}, constants
    )
    np.testing.assert_allclose(hidden, expected, atol=1e-5)
    np.testing.assert_array_equal(sequence, hidden[None])


def test_an_activation_without_known_parameters_is_an_error() -> None:
    with pytest.raises(CheckError, match="scaled_tanh"):
        recurrent.rnn({"activation": "scaled_tanh", "weight_hh": normal(2, 2)})


def test_states_stay_in_single_precision() -> None:
    """Of a layer in emulated float16 inputs, weights and results are rounded, nothing inside."""
    layer = keras_lstm()
    x, zeros = normal(STEPS, BATCH, FEATURES), np.zeros((BATCH, HIDDEN), np.float32)
    layer(x.transpose(1, 0, 2))

    def rounded(v: np.ndarray) -> np.ndarray:
        return v.astype(np.float16).astype(np.float32)

    constants = {k: rounded(v) for k, v in lstm_constants(layer).items()}
    inputs = {"x": x, "initial_h": zeros, "initial_c": zeros}
    single = mil("lstm", {**inputs, "x": rounded(x)}, constants)
    half = mil("lstm", inputs, constants, half=True)
    for a, b in zip(half, single, strict=True):
        np.testing.assert_array_equal(a, rounded(b))
