"""A network's twin that computes in another precision and shares its weights' order."""

from __future__ import annotations

import json
from typing import Any

import keras


def in_precision(model: keras.Model, policy: str) -> keras.Model:
    """Return a copy of a float32 network whose layers compute by another dtype policy.

    Weights stay float32, and so does what makes the outputs: losses are computed on them. The
    copy is what is trained; its weights go back into `model` as they are, so that nothing of the
    policy is stored with a model.
    """
    last = {tensor._keras_history.operation.name for tensor in model.outputs}
    config = json.loads(model.to_json())
    for layer in config["config"]["layers"]:
        if layer["name"] not in last:
            _set_policy(layer, policy)
    twin = keras.models.model_from_json(json.dumps(config))
    twin.set_weights(model.get_weights())
    return twin


def _set_policy(part: Any, policy: str) -> None:
    """Replace float32 by a policy in the configuration of a layer, and of what it contains."""
    if isinstance(part, list):
        for item in part:
            _set_policy(item, policy)
    elif isinstance(part, dict):
        if part.get("class_name") == "DTypePolicy" and part["config"] == {"name": "float32"}:
            part["config"] = {"name": policy}
        for item in part.values():
            _set_policy(item, policy)
