"""Backbones for pictures by name: one kind of pixels for all, whatever their weights were fed.

Pretrained weights disagree on what a pixel is: -1..1, means and deviations of ImageNet, or bytes
in the order blue, green, red less a mean. Here every network reads pixels in the units of
`imaging.affine`, and a frozen convolution of 1 x 1 before its first layer brings them to the
weights' own. It cannot be folded into the first layer: that one pads with zeros, which stand for
the mean picture only after the change of units. In one convolution without padding the change is
exact, takes the scaling from bytes with it on export, and is what the Neural Engine likes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras import layers

from eyecli.errors import UsageError, suggest
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.nets import efficientnet_lite, eyenet
from eyecli.weights.checkpoint import read_checkpoint
from eyecli.weights.mapping import Report, load_into, load_keras_file

UNITS = "pixel_units"
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])


@dataclass(frozen=True)
class Units:
    """What weights take for a pixel: ``scale * byte + offset`` of each channel.

    Attributes
    ----------
    scale, offset
        Three numbers, in the order of the channels that the weights read.
    reverse
        They read blue first.
    """

    scale: np.ndarray
    offset: np.ndarray
    reverse: bool = False


CENTRED = Units(np.full(3, 1 / 127.5), np.full(3, -1.0))
LITE = Units(np.full(3, efficientnet_lite.SCALE), np.full(3, efficientnet_lite.OFFSET))
STANDARD = Units(1 / (255 * IMAGENET_STD), -IMAGENET_MEAN / IMAGENET_STD)
CAFFE = Units(np.ones(3), -np.array([103.939, 116.779, 123.68]), reverse=True)


@dataclass(frozen=True)
class Backbone:
    """What one network is like.

    Attributes
    ----------
    build
        From the side of a picture to the network without its top, in its weights' own units;
        None for EyeNet, which has no weights and is built in ours.
    units
        Of its weights.
    weights
        Their name in the registry, or None.
    last
        Name of the layer that gives the last map, for Grad-CAM.
    stem
        Name of the layer that takes the scaling of pixels on export.
    least
        Side of the smallest picture.
    """

    build: Callable[[int], keras.Model] | None
    units: Units
    weights: str | None
    last: str
    stem: str = UNITS
    least: int = 32


def _application(name: str) -> Callable[[int], keras.Model]:
    def build(size: int) -> keras.Model:
        network = getattr(keras.applications, name)
        return network(include_top=False, weights=None, input_shape=(size, size, 3))

    return build


def _lite(name: str) -> Callable[[int], keras.Model]:
    return lambda size: efficientnet_lite.build(name, (size, size, 3), include_top=False)


BACKBONES: dict[str, Backbone] = {
    "eyenet": Backbone(None, CENTRED, None, "pool", stem="conv1", least=eyenet.LEAST),
    **{
        name: Backbone(_lite(name), LITE, name, "head_relu")
        for name in efficientnet_lite.VARIANTS
    },
    **{
        f"efficientnetb{n}": Backbone(
            _application(f"EfficientNetB{n}"), STANDARD, f"efficientnetb{n}-notop",
            "top_activation",
        )
        for n in range(4)
    },
    "resnet50": Backbone(_application("ResNet50"), CAFFE, "resnet50-notop", "conv5_block3_out"),
    "densenet121": Backbone(_application("DenseNet121"), STANDARD, "densenet121-notop", "relu"),
    "xception": Backbone(
        _application("Xception"), CENTRED, "xception-notop", "block14_sepconv2_act", least=71
    ),
    "mobilenetv2": Backbone(
        _application("MobileNetV2"), CENTRED, "mobilenetv2-notop", "out_relu"
    ),
}  # fmt: skip


def backbone(name: str) -> Backbone:
    """Return what is known of a network.

    Raises
    ------
    UsageError
        If there is none of that name; the nearest is suggested.
    """
    if name not in BACKBONES:
        raise UsageError(f"no backbone named '{name}'", suggest(name, BACKBONES))
    return BACKBONES[name]


def features(name: str, size: int, channels: Literal[1, 3] = 3) -> keras.Model:
    """Build a network up to its last map, as one flat graph.

    Parameters
    ----------
    name
        One of `BACKBONES`.
    size
        Side of the square pictures in pixels.
    channels
        3, or 1 for grey pictures, which a network with three channels reads as three alike.

    Returns
    -------
    keras.Model
        From ``pixels`` (n, size, size, channels) in the units of `imaging.affine`, -1..1, to the
        map (n, rows, columns, filters); of EyeNet to its hidden layer (n, 1, 1, 128).

    Raises
    ------
    UsageError
        If there is no such network, or the pictures are too small for it.
    """
    spec = backbone(name)
    if size < spec.least:
        raise UsageError(
            f"pictures of {size} pixels are too small for {name}", f"{spec.least} or more"
        )
    pixels = keras.Input((size, size, channels), name="pixels")
    if spec.build is None:
        hidden = eyenet.trunk(pixels)
        return keras.Model(pixels, layers.Reshape((1, 1, -1), name="pixel")(hidden), name=name)
    units = layers.Conv2D(3, 1, trainable=False, name=UNITS)
    first = units(pixels)

    def call(layer: Any, x: Any, *more: Any, **named: Any) -> Any:
        if _changes_units(layer):
            return x
        return layer(first if x is pixels else x, *more, **named)

    model = keras.models.clone_model(spec.build(size), pixels, call_function=call)
    _set_units(units, spec.units)
    return keras.Model(pixels, model.output, name=name.replace("-", "_"))


def _changes_units(layer: Any) -> bool:
    """Whether it is one of the first layers of Keras's EfficientNet, whose work is done."""
    return isinstance(layer, layers.Rescaling | layers.Normalization)


def _set_units(layer: Any, units: Units) -> None:
    """Fill a convolution of 1 x 1 so that it turns our pixels into those of the weights."""
    kernel = np.zeros(layer.kernel.shape)
    reads = range(3)[:: -1 if units.reverse else 1] if kernel.shape[2] == 3 else (0, 0, 0)
    kernel[0, 0, reads, range(3)] = units.scale / SCALE
    bias = units.offset - units.scale * OFFSET / SCALE
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])


def load_weights(model: keras.Model, name: str, path: Path) -> dict[str, Any]:
    """Fill a backbone from a file of weights of the same network.

    Parameters
    ----------
    model
        As `features` built it; a classifier on it shares its layers.
    name
        One of `BACKBONES`.
    path
        A checkpoint of `efficientnet-lite-pytorch` for the Lite networks; for the others a file
        of Keras without the top (``_notop.h5``).

    Returns
    -------
    dict
        The facts of the report: how many tensors matched, and which did not.

    Raises
    ------
    CheckError
        If the weights are of another network: nothing is loaded.
    DataError
        If the file is damaged, or of a format that the network's weights do not come in.
    UsageError
        If no weights of this network exist.
    """
    spec = backbone(name)
    if spec.build is None:
        raise UsageError(f"there are no pretrained weights of {name}", "--weights none")
    if name in efficientnet_lite.VARIANTS:
        return load_into(
            model.layers, read_checkpoint(path), efficientnet_lite.checkpoint_key,
            f"{path.name} into {name}", left_out=efficientnet_lite.left_out(name),
        ).facts()  # fmt: skip
    return _load_keras(model, spec.build(model.input_shape[1]), path).facts()


def _load_keras(model: keras.Model, source: keras.Model, path: Path) -> Report:
    """Load a file into the network that it is of, and copy its layers, which ours are in order."""
    report = load_keras_file(source, path)
    theirs = [layer for layer in source.layers if layer.weights]
    for layer in filter(_changes_units, theirs):
        _set_units(model.get_layer(UNITS), _units_of(layer))
    ours = [layer for layer in model.layers if layer.weights and layer.name != UNITS]
    kept = [layer for layer in theirs if not _changes_units(layer)]
    for layer, other in zip(ours, kept, strict=True):
        layer.set_weights(other.get_weights())
    return report


def _units_of(norm: Any) -> Units:
    """Return what a normalisation layer and the division by 255 before it do to bytes.

    The weights of Keras's EfficientNet hold the deviations of ImageNet where the layer expects
    variances, and Keras divides by their root once more (tensorflow issue 49930).
    """
    mean, variance = (np.ravel(keras.ops.convert_to_numpy(w)) for w in norm.weights[:2])
    published = np.allclose(variance, IMAGENET_STD, rtol=1e-3)
    deviation = variance if published else np.maximum(np.sqrt(variance), 1e-7)
    return Units(1 / (255 * deviation), -mean / deviation)


def freeze(model: keras.Model, what: str) -> None:
    """Say what of a pretrained backbone is trained on; call it before compiling.

    Parameters
    ----------
    model
        As `features` built it, with weights; a classifier on it shares its layers.
    what
        ``all``: convolutions; ``head``: nothing, only what is behind the backbone; ``lastN``: its
        last N convolutions, such as ``last20``; or the name of a block, the beginning of its
        layers' names: those of the block and of all that follow.

    Raises
    ------
    UsageError
        If there is no such block, or there are fewer convolutions.
    """
    # A few hundred pictures, in batches of a few, are too few for statistics other than the
    # pretrained ones; frozen, the layer works as in inference. The scale and shift of a
    # channel mean little apart from its statistics, so they stay as well.
    able = [
        layer
        for layer in model.layers
        if layer.weights and not isinstance(layer, layers.BatchNormalization)
        and layer.name != UNITS
    ]  # fmt: skip
    kept = able[_first_trained([layer.name for layer in able], what) :]
    for layer in model.layers:
        if layer.weights and layer not in kept:
            layer.trainable = False


def _first_trained(names: list[str], what: str) -> int:
    """Return the position of the first layer, of those in order, that is trained."""
    if what in ("all", "head"):
        return 0 if what == "all" else len(names)
    if match := re.fullmatch(r"last([1-9]\d{0,5})", what):
        if int(match[1]) > len(names):
            raise UsageError(
                f"--trainable {what}: the backbone has {len(names)} convolutions", "--trainable all"
            )
        return len(names) - int(match[1])
    found = [i for i, name in enumerate(names) if f"{name}_".startswith(f"{what}_")]
    if not found:
        near = suggest(what, {"all", "head", "last20", *map(_block, names)})
        raise UsageError(f"--trainable {what}: no such block in the backbone", near)
    return found[0]


def _block(name: str) -> str:
    """``block12`` of ``block12_expand_conv``, ``conv5_block2`` of ``conv5_block2_1_conv``."""
    match = re.match(r"(conv\d_block\d+|block_\d+|[^_]+)", name)
    return match[1] if match else name
