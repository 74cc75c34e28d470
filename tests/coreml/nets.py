"""Networks of many kinds, each trained on generated textures until it tells them apart.

A net of random weights gives nearly the same answer to every picture, and no fault would show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from eyecli.coreml.convert import Contract, Input, Output
from eyecli.coreml.graph import every_layer

CLASSES = 5
NAMES = tuple(f"texture {i}" for i in range(CLASSES))
WAVELENGTH = 7.0  # in pixels, so that nets with global pooling know the textures at any size


def pictures(shape: tuple[int, ...], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Waves, a direction and a tint a class, with a random phase, contrast and noise.

    Returns
    -------
    samples, labels
        (count, *shape) uint8, channels last, and (count,).
    """
    random = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    extents, channels = shape[:-1], shape[-1]
    grid = np.stack(np.meshgrid(*[np.arange(e) for e in extents], indexing="ij"), -1)
    samples = np.empty((count, *shape), np.uint8)
    for i, label in enumerate(labels):
        angle = np.pi * label / CLASSES
        direction = np.array([np.cos(angle), np.sin(angle), np.cos(2 * angle)])[: len(extents)]
        if len(extents) == 1:
            direction = np.array([0.35 + 0.4 * label])
        phase, contrast = random.uniform(0, 2 * np.pi), random.uniform(30, 60)
        wave = np.sin(grid @ direction * 2 * np.pi / WAVELENGTH + phase)
        tint = 128 + 15 * np.cos(2 * np.pi * (label / CLASSES + np.arange(channels) / channels))
        noise = 15 if len(extents) == 1 else 30
        pixels = tint + contrast * wave[..., None] + random.normal(0, noise, shape)
        samples[i] = np.clip(pixels, 0, 255)
    return samples, labels


@dataclass(frozen=True)
class Net:
    """How a network is built and trained, and at which size parity is looked at."""

    build: Callable[[tuple[int, ...]], Any]
    train: tuple[int, ...]
    shape: tuple[int, ...]
    epochs: int = 4
    rate: float = 2e-3
    # Only the last layer is trained, on a trunk whose batch statistics have settled: training a
    # dilated 3-D net takes an hour here.
    frozen: bool = False
    count: int = 300
    scale: float = 1 / 127.5
    offset: float = -1.0

    @property
    def contract(self) -> Contract:
        """The units of its input: numbers of 0 to 255."""
        image = len(self.shape) == 3
        return Contract(
            {"x": Input(None, self.scale, self.offset, image)},
            {"y": Output(classes=NAMES)},
            description="textures",
        )


def application(name: str) -> Callable[[tuple[int, ...]], Any]:
    """A network of Keras with our number of classes."""

    def build(shape: tuple[int, ...]) -> Any:
        import keras

        x = keras.Input(shape, name="x")
        trunk = getattr(keras.applications, name)(
            include_top=False, weights=None, input_tensor=x, pooling="avg"
        )
        y = keras.layers.Dense(CLASSES, "softmax", name="y")(trunk.output)
        return keras.Model(x, {"y": y})

    return build


def _norm(x: Any) -> Any:
    from keras import layers

    return layers.BatchNormalization(epsilon=1e-3)(x)


def efficientnet_lite0(shape: tuple[int, ...]) -> Any:
    """Our EfficientNet-Lite0 with our number of classes."""
    import keras

    from eyecli.nets.efficientnet_lite import build

    x = keras.Input(shape, name="x")
    trunk = build("efficientnet-lite0", (shape[0], shape[1], 3), include_top=False, pooling="avg")
    return _classifier(x, trunk)


def _classifier(x: Any, trunk: Any) -> Any:
    import keras

    return keras.Model(x, {"y": keras.layers.Dense(CLASSES, "softmax", name="y")(trunk(x))})


def conv1d(shape: tuple[int, ...]) -> Any:
    """A convolutional classifier of time series."""
    import keras
    from keras import layers

    x = y = keras.Input(shape, name="x")
    for filters, dilation in ((16, 1), (32, 2), (32, 4)):
        y = layers.Conv1D(filters, 5, padding="same", dilation_rate=dilation)(y)
        y = layers.MaxPooling1D(2)(layers.ReLU()(_norm(y)))
    y = layers.GlobalAveragePooling1D()(y)
    return keras.Model(x, {"y": layers.Dense(CLASSES, "softmax", name="y")(y)})


def lstm(shape: tuple[int, ...]) -> Any:
    """A recurrent classifier of time series, in both directions."""
    import keras
    from keras import layers

    x = keras.Input(shape, name="x")
    y = layers.Bidirectional(layers.LSTM(24, return_sequences=True))(x)
    y = layers.LSTM(24)(y)
    return keras.Model(x, {"y": layers.Dense(CLASSES, "softmax", name="y")(y)})


def resnet10_3d(shape: tuple[int, ...]) -> Any:
    """Our ResNet-10 of MedicalNet with our number of classes."""
    import keras

    from eyecli.nets.resnet3d import build

    x = keras.Input(shape, name="x")
    return _classifier(x, build(10, (shape[0], shape[1], shape[2], shape[3])))


def small(shape: tuple[int, ...]) -> Any:
    """A convolutional classifier that trains in seconds."""
    import keras
    from keras import layers

    x = y = keras.Input(shape, name="x")
    for i, filters in enumerate((12, 24, 32)):
        y = layers.Conv2D(filters, 3, 2, "same", use_bias=False, name=f"conv{i}")(y)
        y = layers.ReLU()(layers.BatchNormalization(name=f"norm{i}")(y))
    y = layers.GlobalAveragePooling2D()(y)
    y = layers.Dense(CLASSES + 11, "relu", name="hidden")(y)
    return keras.Model(x, {"y": layers.Dense(CLASSES, "softmax", name="y")(y)})


NETS = {
    "small": Net(small, (48, 48, 3), (48, 48, 3), 8, 5e-3),
    "xception": Net(application("Xception"), (72, 72, 3), (299, 299, 3)),
    "resnet50": Net(application("ResNet50"), (64, 64, 3), (224, 224, 3)),
    "mobilenetv2": Net(application("MobileNetV2"), (64, 64, 3), (224, 224, 3), 8),
    "efficientnet_lite0": Net(efficientnet_lite0, (64, 64, 3), (224, 224, 3), 8),
    "densenet121": Net(application("DenseNet121"), (64, 64, 3), (224, 224, 3)),
    "conv1d": Net(conv1d, (96, 2), (96, 2), 12),
    "lstm": Net(lstm, (48, 2), (48, 2), 30, 3e-3, count=1000),
    "resnet10_3d": Net(resnet10_3d, (32, 32, 32, 1), (32, 32, 32, 1), 60, 1e-2, frozen=True),
}


def trained(name: str, shape: tuple[int, ...] | None = None) -> Any:
    """Train a network on its textures, at a small size; return it for the size of parity."""
    import keras

    net = NETS[name]
    keras.utils.set_random_seed(11)
    model = net.build(net.train)
    for layer in every_layer(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            # Over a few dozen steps the running statistics must forget the initial ones.
            layer.momentum = 0.7
    samples, labels = pictures(net.train, net.count, seed=1)
    values = scaled(net, samples)
    if net.frozen:
        for start in range(0, len(values), 20):
            model(values[start : start + 20], training=True)
        last = model.get_layer("y")
        features = keras.Model(model.input, last.input).predict(values, 20, verbose=0)
        x = keras.Input(features.shape[1:])
        _fit(keras.Model(x, {"y": last(x)}), features, labels, net)
    else:
        _fit(model, values, labels, net)
    fixed = net.build(shape or net.shape)
    fixed.set_weights(model.get_weights())
    return fixed


def _fit(model: Any, values: np.ndarray, labels: np.ndarray, net: Net) -> None:
    import keras

    model.compile(keras.optimizers.Adam(net.rate), "sparse_categorical_crossentropy")
    model.fit(values, {"y": labels}, 20, net.epochs, verbose=0)


def scaled(net: Net, samples: np.ndarray) -> np.ndarray:
    """Bring samples to the units of the network."""
    return samples.astype(np.float32) * np.float32(net.scale) + np.float32(net.offset)
