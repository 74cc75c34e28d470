"""Regressors that bend: quadratic, kernels and a hidden layer, each a ridge on its features.

They are not on the ladder. On 300 simulated users with 9 points they leave 0.60 (kernels) to 0.62
(hidden layer) of the base prediction's error, as much as the ladder's choice, and the hidden layer
harms 9 of them instead of 1: every rung more is a chance more to harm. Who has more points, or an
error that bends, names one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eyecli.calibration.press import choose
from eyecli.calibration.regressors import (
    ALPHAS,
    MIN_POINTS_AFFINE,
    Fit,
    Points,
    embedding_scale,
    spans_plane,
)
from eyecli.calibration.samples import Floats
from eyecli.coreml.heads.forms import Features, Head, Hidden, Kind, Quadratic, Rbf

# The five terms of a quadratic are few: nearly none is a sensible penalty for them.
ALPHAS_QUADRATIC = np.logspace(-6, 1, 8)
# A weaker penalty makes large weights of opposite signs, whose sum float16 does not hold: at 0.01
# and 9 points they are up to 11 times the correction.
ALPHAS_RBF = np.logspace(-2, 1, 7)
# Kernel widths: 1 over the mean squared distance of two frames (median of the points), and wider.
WIDTHS = np.array([0.1, 0.3, 1.0])
# Of the base prediction's error 32, 64 and 128 units leave 0.69, 0.66 and 0.64 with 9 points, 0.55,
# 0.55 and 0.54 with 155; with 128 and an embedding of 128 the head has 40 KB.
UNITS = 128
SEED = 0


def fit_quadratic(points: Points) -> Fit | None:
    """Ridge on ``x, y, x^2, xy, y^2`` of the base prediction, for what it leaves unexplained.

    The scale is a power of two: dividing by it costs no precision in any format.

    Returns
    -------
    Fit or None
        None with fewer points than affine needs, or targets or base predictions along a line.
    """
    if len(points) < MIN_POINTS_AFFINE or not (
        spans_plane(points.target) and spans_plane(points.base)
    ):
        return None
    centre = points.base.mean(axis=0)
    reach = np.abs(points.base - centre).max(axis=0)
    features = Quadratic(points.embedding.shape[1], centre, 2.0 ** np.ceil(np.log2(reach)))
    return _ridge("quadratic", points, features, ALPHAS_QUADRATIC)


def fit_mlp(points: Points) -> Fit | None:
    """Ridge on a hidden layer of random ReLU units, for what the base leaves unexplained.

    An extreme learning machine (Huang, Zhu, Siew 2006, Extreme learning machine: theory and
    applications, Neurocomputing 70): the hidden layer is drawn once from a fixed seed, only the
    output layer is fitted. So a fit takes milliseconds, is the same every time, and its
    leave-one-point-out residuals have a closed form, where a trained layer would take a training
    for every point left out.

    Returns
    -------
    Fit or None
        None with fewer points than affine needs, or targets along a line.
    """
    if len(points) < MIN_POINTS_AFFINE or not spans_plane(points.target):
        return None
    inputs = np.hstack([points.base, points.embedding])
    # Base and embedding weigh the same, whatever their sizes and however long the embedding is.
    spread = np.sqrt(2) * points.base.std(axis=0)
    scale = np.hstack([np.where(spread > 0, spread, 1.0), embedding_scale(points)])
    random = np.random.default_rng(SEED)
    layer = random.normal(size=(UNITS, inputs.shape[1])) / scale
    features = Hidden(inputs.mean(axis=0), layer, random.normal(size=UNITS))
    return _ridge("mlp", points, features, ALPHAS)


def fit_rbf(points: Points) -> Fit | None:
    """Kernel ridge on the standardised embedding, on the base prediction or alone.

    Prior, width of the kernel and penalty are those with the least leave-one-point-out error;
    the residuals are nested (`press.choose`). The width is relative to the distances between the
    points, which have seen no target.

    Returns
    -------
    Fit or None
        None with fewer points than affine needs, or targets along a line.
    """
    p = len(points)
    if p < MIN_POINTS_AFFINE or not spans_plane(points.target):
        return None
    centre, scale = points.embedding.mean(axis=0), embedding_scale(points)
    z = (points.embedding - centre) / scale
    square = (z**2).sum(axis=1)
    distance = np.maximum(square[:, None] + square - 2 * z @ z.T, 0.0)
    typical = float(np.median(distance[np.triu_indices(p, 1)])) or 1.0
    kernels = [np.exp(-width / typical * distance) for width in WIDTHS]
    centred = [k - k.mean(axis=0) - k.mean(axis=1)[:, None] + k.mean() for k in kernels]
    found = [np.linalg.eigh(k) for k in centred]
    designs = [(u, np.maximum(values, 0.0)) for values, u in found]
    y = np.hstack([points.target - points.base, points.target])
    best = choose(designs, ALPHAS_RBF, y)
    prior = 1 - best.target
    y = y[:, 2 * best.target :][:, :2]
    mean = y.mean(axis=0)
    u, values = designs[best.design]
    # Orthogonal to a constant, as y - mean is: no need to centre the kernel when it is applied.
    dual = u @ ((u.T @ (y - mean)) / (values + p * best.alpha)[:, None])
    bias = mean - kernels[best.design].mean(axis=0) @ dual
    narrow = np.sqrt(WIDTHS[best.design] / typical)
    features = Rbf(centre, scale / narrow, z * narrow)
    head = Head("rbf", np.hstack([prior * np.eye(2), dual.T]), bias, best.alpha, features)
    return Fit(head, best.residual)


def _ridge(kind: Kind, points: Points, features: Features, alphas: Floats) -> Fit:
    """Ridge on standardised features for what the base prediction leaves unexplained."""
    p = len(points)
    x = features(points.base, points.embedding)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    # Features that hardly move (units that are never active) must not become large ones.
    scale = np.maximum(spread, 0.05 * np.sqrt(np.mean(spread**2)) or 1.0) * np.sqrt(x.shape[1])
    u, s, vt = np.linalg.svd((x - centre) / scale, full_matrices=False)
    y = points.target - points.base
    best = choose([(u, s**2)], alphas, y)
    mean = y.mean(axis=0)
    shrunk = (s / (s**2 + p * best.alpha))[:, None] * (u.T @ (y - mean))
    weight = ((vt.T @ shrunk) / scale[:, None]).T
    head = Head(kind, np.hstack([np.eye(2), weight]), mean - weight @ centre, best.alpha, features)
    return Fit(head, best.residual)


CURVED: dict[Kind, Callable[[Points], Fit | None]] = {
    "quadratic": fit_quadratic,
    "rbf": fit_rbf,
    "mlp": fit_mlp,
}
