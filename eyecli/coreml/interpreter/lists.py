"""Lists, states and class labels: values that are not one array."""

from __future__ import annotations

from typing import Any

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments, Array


def make_list(arguments: Arguments) -> list[Any]:
    """Make a list without elements yet."""
    return [None] * int(arguments["init_length"])


def list_write(arguments: Arguments) -> list[Any]:
    """Return the list with one element more, or another one."""
    elements, index = list(arguments["ls"]), int(arguments["index"])
    elements += [None] * (index + 1 - len(elements))
    elements[index] = arguments["value"]
    return elements


def list_read(arguments: Arguments) -> Any:
    """Return one element."""
    return arguments["ls"][int(arguments["index"])]


def list_gather(arguments: Arguments) -> Array:
    """Stack some elements."""
    return np.stack([arguments["ls"][int(i)] for i in arguments["indices"]])


def list_scatter(arguments: Arguments) -> list[Any]:
    """Return the list with the slices of an array as some of its elements."""
    elements = arguments["ls"]
    for index, value in zip(arguments["indices"], arguments["value"], strict=True):
        elements = list_write({"ls": elements, "index": index, "value": value})
    return elements


def list_length(arguments: Arguments) -> Array:
    """Count the elements."""
    return np.asarray(len(arguments["ls"]), np.int32)


def read_state(arguments: Arguments) -> Array:
    """Copy what a state holds."""
    return np.array(arguments["input"])


def update_state(arguments: Arguments) -> Array:
    """Write into a state, and return what was written."""
    arguments["state"][...] = arguments["value"]
    return np.asarray(arguments["value"])


def classify(arguments: Arguments) -> tuple[Array, Array]:
    """Return the label of the largest probability (1,), and the probabilities (1, classes)."""
    probabilities = np.reshape(arguments["probabilities"], (1, -1))
    labels = np.asarray(arguments["classes"])
    return labels[[int(probabilities.argmax())]], probabilities
