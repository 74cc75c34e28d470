"""The dr network: maps of several scales of a backbone, pooled, and one linear layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras import layers

from eyecli.errors import UsageError
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
    seen = [trunk.get_layer(name).output for name in maps(backbone)]
    embedding = _embedding(seen, pooling) if seen else trunk.output
    x = layers.Dropout(dropout, name="dropout")(embedding) if dropout else embedding
    logits = layers.Conv2D(outputs, 1, name="logits")(x)
    return keras.Model(
        {"pixels": trunk.input}, {"logits": logits, "embedding": embedding}, name="dr_net"
    )


def _embedding(seen: list[keras.KerasTensor], pooling: Pooling) -> keras.KerasTensor:
    vectors = [pooled(each, pooling, f"scale{number}_") for number, each in enumerate(seen, 1)]
    return layers.Concatenate(name="embedding")(vectors)


def coarser(model: keras.Model, backbone: str, pooling: Pooling) -> keras.Model:
    """Return the same network for half the resolution, to which it brings photographs itself.

    Four pixels become their mean. All layers are shared but those whose windows depend on the
    size, which hold nothing that is trained.

    Parameters
    ----------
    model
        As `build` made it, or its copy in another precision; not of EyeNet.
    backbone, pooling
        As for `build`.

    Raises
    ------
    UsageError
        If half the side is too small for the backbone.
    """
    size = model.input["pixels"].shape[1]
    # The last map has a 32nd of the side, and one pixel has no maximum beside its mean.
    least = max(64, backbones.backbone(backbone).least)
    if size // 2 < least:
        raise UsageError(
            f"--progressive: {size // 2} pixels, half of {size}, are too small for {backbone}",
            f"preprocess dr --size {-(-2 * least // 64) * 64} or more",
        )
    pixels = keras.Input((size, size, 3), name="pixels")
    half = layers.AveragePooling2D(2, name="half")(pixels)

    def call(layer: Any, x: Any, *more: Any, **named: Any) -> Any:
        return layer(half if x is pixels else x, *more, **named)

    trunk = keras.Model(
        model.input["pixels"], [model.get_layer(name).output for name in maps(backbone)]
    )
    shared = keras.models.clone_model(trunk, pixels, lambda layer: layer, call)
    embedding = _embedding(shared.outputs, pooling)
    drop = [layer for layer in model.layers if layer.name == "dropout"]
    logits = model.get_layer("logits")(drop[0](embedding) if drop else embedding)
    return keras.Model({"pixels": pixels}, {"logits": logits, "embedding": embedding})


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


def warm_start(model: keras.Model, backbone: str, path: Path, trainable: str) -> dict[str, Any]:
    """Fill the backbone from a file of weights, and say what of it is trained on.

    Raises
    ------
    CheckError
        If the weights are not of this backbone.
    DataError
        If the file is damaged.
    UsageError
        If what is to be trained is no part of the backbone.
    """
    last = model.get_layer(backbones.backbone(backbone).last)
    trunk = keras.Model(model.inputs[0], last.output)
    facts = backbones.load_weights(trunk, backbone, path)
    backbones.freeze(trunk, trainable)
    if trainable == "head":
        round_to_half(trunk)
    return {"backbone": facts}
