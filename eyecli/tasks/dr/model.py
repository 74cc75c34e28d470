"""The dr network: maps of several scales of a backbone, pooled, and one linear layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import keras
from keras import layers

from eyecli.nets import backbones, efficientnet_lite
from eyecli.nets.half import round_to_half
from eyecli.nets.heads import Pooling, pooled


def build(
    backbone: str, size: int, outputs: int, pooling: Pooling = "avgmax", dropout: float = 0.0
) -> keras.Model:
    """Build the network.

    Small lesions live on finer maps than the last: of an EfficientNet-Lite those of four more
    scales are pooled as well (as in feature pyramids; Lin et al. 2017).

    Parameters
    ----------
    backbone
        One of `backbones.BACKBONES`.
    size
        Side of the photographs in pixels.
    outputs
        Number of logits.
    pooling
        As for `heads.pooled`.
    dropout
        Share of the embedding that is dropped in training.

    Returns
    -------
    keras.Model
        Input ``pixels`` (n, size, size, 3) in -1..1; outputs ``logits`` (n, 1, 1, outputs) and
        ``embedding`` (n, 1, 1, d).
    """
    trunk = backbones.features(backbone, size)
    vectors = [
        pooled(trunk.get_layer(name).output, pooling, f"scale{number}_")
        for number, name in enumerate(maps(backbone), 1)
    ]
    embedding = layers.Concatenate(name="embedding")(vectors) if vectors else trunk.output
    x = layers.Dropout(dropout, name="dropout")(embedding) if dropout else embedding
    logits = layers.Conv2D(outputs, 1, name="logits")(x)
    return keras.Model(
        {"pixels": trunk.input}, {"logits": logits, "embedding": embedding}, name="dr_net"
    )


def maps(backbone: str) -> tuple[str, ...]:
    """Return the layers whose maps are pooled; none of EyeNet, which ends in a vector."""
    if backbone == "eyenet":
        return ()
    if backbone in efficientnet_lite.VARIANTS:
        return efficientnet_lite.stage_maps(backbone)
    return (backbones.backbone(backbone).last,)


def blocks(model: keras.Model) -> list[int]:
    """Return how many values of the embedding come from each scale."""
    names = {layer.name for layer in model.layers}
    if "embedding" not in names:
        return [int(model.output["embedding"].shape[-1])]
    scales = model.get_layer("embedding").input
    return [int(each.shape[-1]) for each in (scales if isinstance(scales, list) else [scales])]


def warm_start(
    model: keras.Model, backbone: str, path: Path, trainable: Literal["all", "head"]
) -> dict[str, Any]:
    """Fill the backbone from a file of weights, and say what of it is trained on.

    Raises
    ------
    CheckError
        If the weights are not of this backbone.
    DataError
        If the file is damaged.
    """
    last = model.get_layer(backbones.backbone(backbone).last)
    trunk = keras.Model(model.inputs[0], last.output)
    facts = backbones.load_weights(trunk, backbone, path)
    backbones.freeze(trunk, trainable)
    if trainable == "head":
        round_to_half(trunk)
    return {"backbone": facts}
