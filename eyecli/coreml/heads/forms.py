"""What a user's head computes: ``gaze = weight @ [base; features] + bias``.

The kinds differ in the features alone: the embedding itself (identity, bias, affine, ridge), the
base prediction's squares and product (quadratic), kernels around the calibration samples (rbf),
or units of a hidden layer (mlp).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["identity", "bias", "affine", "ridge", "quadratic", "rbf", "mlp"]


@dataclass(frozen=True)
class Quadratic:
    """Features ``x, y, x^2, xy, y^2`` of the standardised base prediction.

    Parameters
    ----------
    dims
        D, values of an embedding; none of them is used.
    centre, scale
        (2,) what is subtracted from the base prediction, and what it is divided by.
    """

    dims: int
    centre: Floats
    scale: Floats

    @property
    def count(self) -> int:
        """How many features there are."""
        return 5

    def __call__(self, base: Floats, embedding: Floats) -> Floats:
        """Return the features of many frames, (n, 5)."""
        x, y = ((base - self.centre) / self.scale).T
        return np.stack([x, y, x * x, x * y, y * y], axis=1)


@dataclass(frozen=True)
class Rbf:
    """Features ``exp(-|z - support_i|^2)`` of the standardised embedding ``z``.

    Parameters
    ----------
    centre, scale
        (D,) what is subtracted from the embedding, and what it is divided by; the width of the
        kernel is in the scale.
    support
        (m, D) standardised embeddings.
    """

    centre: Floats
    scale: Floats
    support: Floats

    @property
    def dims(self) -> int:
        """How many values an embedding has."""
        return self.support.shape[1]

    @property
    def count(self) -> int:
        """How many features there are."""
        return len(self.support)

    def __call__(self, base: Floats, embedding: Floats) -> Floats:
        """Return the features of many frames, (n, m)."""
        z = (embedding - self.centre) / self.scale
        squares = (z**2).sum(axis=1)[:, None] + (self.support**2).sum(axis=1)
        return np.exp(np.minimum(2 * z @ self.support.T - squares, 0.0))


@dataclass(frozen=True)
class Hidden:
    """Features ``max(0, layer @ ([base; embedding] - centre) + threshold)``.

    Parameters
    ----------
    centre
        (2 + D,) what is subtracted.
    layer, threshold
        (h, 2 + D) and (h,).
    """

    centre: Floats
    layer: Floats
    threshold: Floats

    @property
    def dims(self) -> int:
        """How many values an embedding has."""
        return self.layer.shape[1] - 2

    @property
    def count(self) -> int:
        """How many features there are."""
        return len(self.layer)

    def __call__(self, base: Floats, embedding: Floats) -> Floats:
        """Return the features of many frames, (n, h)."""
        centred = np.hstack([base, embedding]) - self.centre
        return np.maximum(centred @ self.layer.T + self.threshold, 0.0)


Features = Quadratic | Rbf | Hidden


@dataclass(frozen=True)
class Head:
    """A user's head: ``gaze = weight @ [base; features] + bias``.

    Parameters
    ----------
    kind
        Family of the regressor.
    weight
        (2, 2 + k), the base prediction first.
    bias
        (2,), in the unit of the base prediction.
    alpha
        The penalty that was chosen, where the kind has one.
    features
        What turns a frame into the k features; None where they are the embedding itself.
    """

    kind: Kind
    weight: Floats
    bias: Floats
    alpha: float | None = None
    features: Features | None = None

    @property
    def dims(self) -> int:
        """How many values an embedding has."""
        return self.features.dims if self.features else self.weight.shape[1] - 2


def apply(head: Head, base: Floats, embedding: Floats) -> Floats:
    """Calibrated gaze of many frames, in double precision.

    Parameters
    ----------
    head
        The user's head.
    base, embedding
        (n, 2) and (n, D).

    Returns
    -------
    ndarray
        (n, 2), in the unit of `base`.
    """
    features = head.features(base, embedding) if head.features else embedding
    return base @ head.weight[:, :2].T + features @ head.weight[:, 2:].T + head.bias
