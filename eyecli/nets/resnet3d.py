"""3-D residual networks as MedicalNet trains them (Chen et al. 2019), without a head.

``layer3`` and ``layer4`` are dilated instead of strided, so that the map is an eighth of the
volume, and padding is PyTorch's, the same on both sides. MONAI loads the same weights into
networks with strides there: another function.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import keras
from keras import layers


@dataclass(frozen=True)
class Depth:
    """What one network of the family is like.

    Attributes
    ----------
    blocks
        Number of blocks in each of the four layers.
    bottleneck
        Blocks of three convolutions, the last with four times the filters; otherwise of two.
    shortcut
        Where the map changes: ``A``, every other voxel and channels of zeros; ``B``, a convolution.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    shortcut: Literal["A", "B"]


DEPTHS = {
    10: Depth((1, 1, 1, 1), False, "B"),
    18: Depth((2, 2, 2, 2), False, "A"),
    34: Depth((3, 4, 6, 3), False, "A"),
    50: Depth((3, 4, 6, 3), True, "B"),
    101: Depth((3, 4, 23, 3), True, "B"),
    152: Depth((3, 8, 36, 3), True, "B"),
    200: Depth((3, 24, 36, 3), True, "B"),
}
FILTERS = (64, 128, 256, 512)
# Stride and dilation of the four layers.
DILATED = ((1, 1), (2, 1), (1, 2), (1, 4))
STRIDED = ((1, 1), (2, 1), (2, 1), (2, 1))
# PyTorch's momentum of 0.1, as Keras counts.
EPSILON, MOMENTUM = 1e-5, 0.9


def build(
    depth: int,
    input_shape: tuple[int, int, int, int],
    pooling: Literal["avg", "max"] | None = "avg",
    dilated: bool = True,
) -> keras.Model:
    """Build a backbone.

    Parameters
    ----------
    depth
        One of `DEPTHS`.
    input_shape
        Depth, rows, columns and channels; the pretrained weights have one channel, and were
        trained on volumes of mean 0 and standard deviation 1.
    pooling
        How to reduce the map to a vector, or None to keep it.
    dilated
        As MedicalNet; otherwise ``layer3`` and ``layer4`` have a stride of 2, as in MONAI.

    Returns
    -------
    keras.Model
        From a volume to a vector (n, 512), (n, 2048) with bottlenecks, or to the map.
    """
    spec = DEPTHS[depth]
    volume = keras.Input(input_shape, name="volume")
    x = _conv(volume, 64, 7, 2, 1, "conv1")
    x = layers.ReLU(name="relu1")(_norm(x, "bn1"))
    # After a ReLU a border of zeros changes no maximum.
    x = layers.ZeroPadding3D(1, name="maxpool_pad")(x)
    x = layers.MaxPooling3D(3, 2, name="maxpool")(x)
    for number, (count, filters, (stride, dilation)) in enumerate(
        zip(spec.blocks, FILTERS, DILATED if dilated else STRIDED, strict=True), 1
    ):
        for i in range(count):
            step = stride if i == 0 else 1
            x = _block(x, spec, filters, step, dilation, f"layer{number}_{i}")
    if pooling == "avg":
        x = layers.GlobalAveragePooling3D(name="average")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling3D(name="maximum")(x)
    return keras.Model(volume, x, name=f"resnet{depth}_3d")


def _block(
    x: keras.KerasTensor, spec: Depth, filters: int, stride: int, dilation: int, name: str
) -> keras.KerasTensor:
    kernels = (1, 3, 1) if spec.bottleneck else (3, 3)
    strides = (1, stride, 1) if spec.bottleneck else (stride, 1)
    widths = (filters, filters, 4 * filters) if spec.bottleneck else (filters, filters)
    y = x
    for i, (kernel, step, width) in enumerate(zip(kernels, strides, widths, strict=True), 1):
        y = _conv(y, width, kernel, step, dilation, f"{name}_conv{i}")
        y = _norm(y, f"{name}_bn{i}")
        if i < len(kernels):
            y = layers.ReLU(name=f"{name}_relu{i}")(y)
    if stride > 1 or x.shape[-1] != widths[-1]:
        x = _shortcut(x, spec, widths[-1], stride, name)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([y, x]))


def _shortcut(
    x: keras.KerasTensor, spec: Depth, filters: int, stride: int, name: str
) -> keras.KerasTensor:
    if spec.shortcut == "B":
        x = layers.Conv3D(filters, 1, stride, use_bias=False, name=f"{name}_downsample_conv")(x)
        return _norm(x, f"{name}_downsample_norm")
    # MedicalNet lets no gradient through here, by a slip (it takes `.data`); we do.
    if stride > 1:
        x = layers.MaxPooling3D(1, stride, name=f"{name}_downsample")(x)
    more = filters - x.shape[-1]
    return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, 0), (0, more))) if more else x


def _conv(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, dilation: int, name: str
) -> keras.KerasTensor:
    """Convolve with PyTorch's padding: half the kernel on both sides."""
    padding = "same"
    dilation = dilation if kernel > 1 else 1
    if stride > 1 and kernel > 1:
        # TensorFlow's "same" would pad one side more, and shift the map.
        x = layers.ZeroPadding3D(kernel // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.Conv3D(
        filters, kernel, stride, padding, dilation_rate=dilation, use_bias=False,
        kernel_initializer="he_normal", name=name,
    )(x)  # fmt: skip


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=name)(x)


def checkpoint_key(name: str) -> str | None:
    """Return what a tensor is called in MedicalNet's checkpoints, without ``module.``.

    Parameters
    ----------
    name
        Layer and PyTorch's name of the variable, such as ``layer2_0_downsample_norm.bias``.

    Returns
    -------
    str or None
        Such as ``layer2.0.downsample.1.bias``; None for what is in no checkpoint.
    """
    layer, _, variable = name.partition(".")
    if layer in ("conv1", "bn1"):
        return name
    found = re.fullmatch(r"layer(\d)_(\d+)_(conv\d|bn\d|downsample_conv|downsample_norm)", layer)
    if found is None:
        return None
    inner = {"downsample_conv": "downsample.0", "downsample_norm": "downsample.1"}
    return f"layer{found[1]}.{found[2]}.{inner.get(found[3], found[3])}.{variable}"
