"""Random numbers in the layout of a checkpoint of EfficientNet-Lite0."""

from __future__ import annotations

from typing import Final

import numpy as np

from eyecli.nets import efficientnet_lite as lite
from eyecli.weights.mapping import AXES, VARIABLES

LITE0: Final = "efficientnet-lite0"


def checkpoint(seed: int) -> dict[str, np.ndarray]:
    """Return random numbers in the layout of an EfficientNet-Lite0 checkpoint."""
    random = np.random.default_rng(seed)
    arrays = {}
    for layer in lite.build(LITE0, (32, 32, 3), classes=10).layers:
        for variable in layer.weights:
            key = lite.checkpoint_key(f"{layer.name}.{VARIABLES[variable.name]}")
            assert key
            values = random.uniform(0.5, 1.0, variable.shape)
            if variable.name == "kernel":
                fan_in = np.prod(variable.shape[:-1]) if "Depth" not in type(layer).__name__ else 9
                values = random.normal(0, np.sqrt(1 / fan_in), variable.shape)
                values = values.transpose(np.argsort(AXES[type(layer).__name__]))
            arrays[key] = values.astype(np.float32)
    return arrays
