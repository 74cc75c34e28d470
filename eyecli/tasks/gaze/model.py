"""The gaze network: authored so that Core ML leaves only conv, relu, add and concat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
from keras import layers

from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.nets import efficientnet_lite
from eyecli.weights.checkpoint import read_checkpoint
from eyecli.weights.mapping import load_into

EMBEDDING = 128
BOXES = 12
# Of an EfficientNet-Lite, as far as a side is a sixteenth: at a thirty-second a crop of 64 pixels
# would be a map of two by two, and the last stages hold most of the parameters.
STAGES = 5
BRANCHES = ("eye", "face_branch")


def residual(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Basic residual block (He et al. 2016) that halves the map, without batch normalisation.

    The last convolution starts at zero, so that the block starts as its skip: this is what keeps
    a net without normalisation trainable (Zhang et al. 2019, Fixup), and a few dozen samples are
    too few for batch statistics. The skip is a 2 x 2 convolution, the average pooling and 1 x 1
    of ResNet-D (He, T. et al. 2019) in one, because a strided 1 x 1 drops three pixels in four.
    """
    y = layers.Conv2D(
        filters, 3, 2, padding="same", kernel_initializer="he_normal", name=f"{name}_conv1"
    )(x)
    y = layers.ReLU(name=f"{name}_relu1")(y)
    y = layers.Conv2D(filters, 3, padding="same", kernel_initializer="zeros", name=f"{name}_conv2")(
        y
    )
    skip = layers.Conv2D(filters, 2, 2, padding="same", name=f"{name}_skip_conv")(x)
    y = layers.Add(name=f"{name}_add")([y, skip])
    # A look-up-table activation would cost precision on the Neural Engine.
    return layers.ReLU(name=f"{name}_relu2")(y)


def image_branch(size: int, name: str, backbone: str) -> keras.Model:
    """Residual tower or backbone from pixels, scaled to -1..1, to a (1, 1, 64) vector.

    The stem has a bias and no padding, so that the pixel scaling folds into its weights exactly.
    The final map is reduced by one convolution of its own extent: global pooling would lose where
    the iris is, and the Neural Engine may refuse it.
    """
    pixels = keras.Input((size, size, 3), name=f"{name}_pixels")
    if backbone == "compact":
        x = layers.Conv2D(24, 7, 4, kernel_initializer="he_normal", name=f"{name}_stem_conv")(
            pixels
        )
        x = layers.ReLU(name=f"{name}_stem_relu")(x)
        x = residual(x, 32, f"{name}_block1")
        x = residual(x, 64, f"{name}_block2")
        initial: Any = "he_normal"
    else:
        x = efficientnet_lite.trunk(backbone, pixels, STAGES, f"{name}_", folds=True)
        # As "he_normal" for features of deviation 6, which those of the ImageNet weights have.
        initial = keras.initializers.VarianceScaling(2 / 6**2)
    block = 3
    while x.shape[1] > 8:  # larger crops: a final kernel beyond 13 would leave the Neural Engine
        x = residual(x, 64, f"{name}_block{block}")
        block += 1
    x = layers.Conv2D(64, x.shape[1], kernel_initializer=initial, name=f"{name}_map_conv")(x)
    x = layers.ReLU(name=f"{name}_map_relu")(x)
    return keras.Model(pixels, x, name=name)


def build(
    inputs: Sequence[str], eye_size: int = 64, face_size: int = 64, backbone: str = "compact"
) -> keras.Model:
    """Build the multi-branch network (after Krafka et al. 2016, Eye Tracking for Everyone).

    Parameters
    ----------
    inputs
        Any of ``face``, ``eyes`` and ``boxes``.
    eye_size, face_size
        Side of the square crops in pixels, 7 or more.
    backbone
        ``compact``, or one of `efficientnet_lite.VARIANTS`.

    Returns
    -------
    keras.Model
        Inputs ``left``, ``right`` (the right eye mirrored, so that both share one branch),
        ``face`` (n, size, size, 3) in -1..1 and ``boxes`` (n, 1, 1, 12); outputs ``gaze``
        (n, 1, 1, 2) in standardised units and ``embedding`` (n, 1, 1, 128), which is linear:
        a ridge head on it has no dead features.
    """
    tensors: dict[str, keras.KerasTensor] = {}
    features = []
    if "eyes" in inputs:
        branch = image_branch(eye_size, "eye", backbone)
        for side in ("left", "right"):
            tensors[side] = keras.Input((eye_size, eye_size, 3), name=side)
            features.append(branch(tensors[side]))
    if "face" in inputs:
        tensors["face"] = keras.Input((face_size, face_size, 3), name="face")
        features.append(image_branch(face_size, "face_branch", backbone)(tensors["face"]))
    if "boxes" in inputs:
        tensors["boxes"] = keras.Input((1, 1, BOXES), name="boxes")
        x = layers.Conv2D(32, 1, kernel_initializer="he_normal", name="boxes_conv")(
            tensors["boxes"]
        )
        features.append(layers.ReLU(name="boxes_relu")(x))
    x = layers.Concatenate(name="features")(features) if len(features) > 1 else features[0]
    embedding = layers.Conv2D(EMBEDDING, 1, name="embedding")(x)
    gaze = layers.Conv2D(2, 1, name="gaze")(embedding)
    return keras.Model(tensors, {"gaze": gaze, "embedding": embedding}, name="gaze_net")


def warm_start(
    model: keras.Model, backbone: str, path: Path, trainable: Literal["all", "head"]
) -> dict[str, Any]:
    """Fill the backbones of a network from a checkpoint.

    Batch normalisation keeps the statistics, scale and shift of the checkpoint: a few dozen
    samples are too few for others.

    Parameters
    ----------
    model
        As `build` made it.
    backbone
        One of `efficientnet_lite.VARIANTS`.
    path
        The checkpoint.
    trainable
        Whether the backbone is trained on, or only what is behind it.

    Returns
    -------
    dict
        Branch to the facts of its report.

    Raises
    ------
    CheckError
        If the checkpoint is not of this backbone.
    DataError
        If the file is damaged.
    """
    arrays = read_checkpoint(path)
    return {
        branch.name: _fill(branch, backbone, arrays, path.name, trainable)
        for branch in model.layers
        if branch.name in BRANCHES
    }


def _fill(
    branch: keras.Model,
    backbone: str,
    arrays: dict[str, Any],
    source: str,
    trainable: Literal["all", "head"],
) -> dict[str, Any]:
    def key(name: str) -> str | None:
        return efficientnet_lite.checkpoint_key(name.removeprefix(f"{branch.name}_"))

    report = load_into(
        branch.layers, arrays, key, f"{source} into {branch.name}",
        left_out=efficientnet_lite.left_out(backbone, STAGES),
    )  # fmt: skip
    # The branch sees pixels in our units; the stem takes the difference to those of the weights.
    scale = efficientnet_lite.SCALE / SCALE
    offset = efficientnet_lite.OFFSET - OFFSET * scale
    stem = branch.get_layer(f"{branch.name}_stem_conv")
    kernel, bias = stem.get_weights()
    stem.set_weights([kernel * scale, bias + offset * kernel.sum((0, 1, 2))])
    for layer in branch.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        if key(f"{layer.name}.weight") and (norm or trainable == "head"):
            layer.trainable = False
    return report.facts()
