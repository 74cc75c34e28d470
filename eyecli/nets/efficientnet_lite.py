"""EfficientNet-Lite: a backbone made for accelerators, with neither squeeze-excite nor swish.

The networks of Tan and Le (2019) as Google's lite release changed them: ReLU6, and stem and head
of one size in all variants. Padding is TensorFlow's ``same`` throughout, also for weights that
have since been turned into PyTorch's format.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers


@dataclass(frozen=True)
class Variant:
    """What one network of the family is like.

    Attributes
    ----------
    width, depth
        Factors of the numbers of filters and of repeats.
    size
        Side of the pictures that it was trained on.
    dropout
        Before the classifier.
    """

    width: float
    depth: float
    size: int
    dropout: float


VARIANTS = {
    "efficientnet-lite0": Variant(1.0, 1.0, 224, 0.2),
    "efficientnet-lite1": Variant(1.0, 1.1, 240, 0.2),
    "efficientnet-lite2": Variant(1.1, 1.2, 260, 0.3),
}
# Expansion, filters, repeats, stride and kernel of every stage.
STAGES = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip
STEM, HEAD, CLASSES = 32, 1280, 1000
EPSILON, MOMENTUM = 1e-3, 0.99
# From pixels of 0 to 255 to what the ImageNet weights were trained on, (x - 127) / 128: Google's
# own preprocessing. The means and deviations of ImageNet, which the PyTorch packages name, give
# the first layer four times the variance that its batch normalisation has on record.
SCALE, OFFSET = 1 / 128, -127 / 128


def build(
    variant: str,
    input_shape: tuple[int, int, int] | None = None,
    include_top: bool = True,
    classes: int = CLASSES,
    pooling: Literal["avg", "max"] | None = None,
) -> keras.Model:
    """Build a network of the family.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    input_shape
        Rows, columns and 3; the variant's own size by default.
    include_top
        End in the classifier; otherwise in the map of 1280 channels.
    classes
        Number of classes.
    pooling
        Without the classifier: how to reduce the map to a vector, or None to keep it.

    Returns
    -------
    keras.Model
        From pixels in the units of `SCALE` and `OFFSET` to logits (n, classes), the map, or its
        vector (n, 1280).
    """
    spec = VARIANTS[variant]
    pixels = keras.Input(input_shape or (spec.size, spec.size, 3), name="pixels")
    x = _normed(
        layers.Conv2D(HEAD, 1, use_bias=False, name="head_conv")(trunk(variant, pixels)), "head"
    )
    if include_top or pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="average")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="maximum")(x)
    if include_top:
        x = layers.Dropout(spec.dropout, name="dropout")(x)
        x = layers.Dense(classes, name="classes")(x)
    return keras.Model(pixels, x, name=variant.replace("-", "_"))


def trunk(
    variant: str,
    x: keras.KerasTensor,
    stages: int = len(STAGES),
    prefix: str = "",
    folds: bool = False,
) -> keras.KerasTensor:
    """Apply the stem and the first stages.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    x
        (n, rows, columns, 3).
    stages
        How many; five reduce the sides by 16, all seven by 32.
    prefix
        Of the names of layers.
    folds
        The stem has a bias and no padding, so that a scaling of pixels folds into its weights
        exactly; the pretrained weights fit all the same.

    Returns
    -------
    keras.KerasTensor
        (n, rows, columns, filters), linear.
    """
    padding = "valid" if folds else "same"
    x = layers.Conv2D(STEM, 3, 2, padding, use_bias=folds, name=f"{prefix}stem_conv")(x)
    x = _normed(x, f"{prefix}stem")
    for number, block in enumerate(_blocks(variant, stages)):
        x = _inverted_residual(x, *block, f"{prefix}block{number}_")
    return x


def _blocks(variant: str, stages: int) -> list[tuple[int, int, int, int]]:
    """Expansion, filters, stride and kernel of every block."""
    spec = VARIANTS[variant]
    found = []
    for number, (expand, filters, repeats, stride, kernel) in enumerate(STAGES[:stages]):
        # Like the stem and the head, the first and the last stage are not repeated more often.
        if 0 < number < len(STAGES) - 1:
            repeats = math.ceil(spec.depth * repeats)
        width = _rounded(spec.width * filters)
        found += [(expand, width, stride if i == 0 else 1, kernel) for i in range(repeats)]
    return found


def stage_maps(variant: str) -> tuple[str, ...]:
    """Return the layers that end a stage, widened and rectified, from an eighth of the side on.

    They are where the first block after each of the stages 3 to 6 has widened its map, and the
    last map of all.
    """
    first = [len(_blocks(variant, stages)) for stages in range(3, len(STAGES))]
    return (*(f"block{number}_expand_relu" for number in first), "head_relu")


def _rounded(filters: float) -> int:
    """Round to a multiple of 8, not down by more than a tenth."""
    near = max(8, int(filters + 4) // 8 * 8)
    return near if near >= 0.9 * filters else near + 8


def _inverted_residual(
    x: keras.KerasTensor, expand: int, filters: int, stride: int, kernel: int, name: str
) -> keras.KerasTensor:
    y = x
    if expand > 1:
        y = layers.Conv2D(expand * x.shape[-1], 1, use_bias=False, name=f"{name}expand_conv")(y)
        y = _normed(y, f"{name}expand")
    y = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}depthwise_conv"
    )(y)
    y = _normed(y, f"{name}depthwise")
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}project_conv")(y)
    y = layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}project_norm")(y)
    if stride == 1 and x.shape[-1] == filters:
        y = layers.Add(name=f"{name}add")([x, y])
    return y


def _normed(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


# The same layers in the checkpoints of `efficientnet-lite-pytorch`.
_OUTER = {
    "stem_conv": "_conv_stem", "stem_norm": "_bn0", "head_conv": "_conv_head", "head_norm": "_bn1",
    "classes": "_fc",
}  # fmt: skip
_INNER = {
    "expand_conv": "_expand_conv", "expand_norm": "_bn0", "depthwise_conv": "_depthwise_conv",
    "depthwise_norm": "_bn1", "project_conv": "_project_conv", "project_norm": "_bn2",
}  # fmt: skip


def checkpoint_key(name: str) -> str | None:
    """Return what a tensor is called in the checkpoints of `efficientnet-lite-pytorch`.

    Parameters
    ----------
    name
        Layer and PyTorch's name of the variable, such as ``block3_expand_conv.weight``.

    Returns
    -------
    str or None
        Such as ``_blocks.3._expand_conv.weight``; None for what is in no checkpoint, the bias of
        a stem that folds included.
    """
    layer, _, variable = name.partition(".")
    block = re.fullmatch(r"block(\d+)_(\w+)", layer)
    if block and block[2] in _INNER:
        return f"_blocks.{block[1]}.{_INNER[block[2]]}.{variable}"
    known = layer in _OUTER and name != "stem_conv.bias"
    return f"{_OUTER[layer]}.{variable}" if known else None


def left_out(variant: str, stages: int = len(STAGES) + 1) -> tuple[str, ...]:
    """Return how the tensors of a checkpoint start that are not in a smaller network.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    stages
        How many stages there are, counting the head; all but the classifier by default.
    """
    every, first = len(_blocks(variant, len(STAGES))), len(_blocks(variant, stages))
    head = ("_conv_head.", "_bn1.") if stages <= len(STAGES) else ()
    return (*(f"_blocks.{i}." for i in range(first, every)), *head, "_fc.")
