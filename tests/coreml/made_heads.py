"""Heads of every program, drawn at random."""

from __future__ import annotations

import numpy as np

from eyecli.coreml.heads.forms import Head, Hidden, Quadratic, Rbf


def linear(weight: np.ndarray, bias: np.ndarray) -> Head:
    return Head("affine", weight, bias)


def made(program: str, dims: int, units: int = 5, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)
    bias = rng.normal(0, 900, 2)
    if program == "linear":
        return Head("ridge", rng.normal(0, 30, (2, 2 + dims)), bias)
    if program == "quadratic":
        form = Quadratic(dims, rng.normal(0, 9, 2), np.array([2.0, 4.0]))
        return Head("quadratic", rng.normal(size=(2, 7)), bias, features=form)
    weight = rng.normal(size=(2, 2 + units))
    if program == "rbf":
        scale, support = 1 + rng.random(dims), rng.normal(size=(units, dims))
        kernels = Rbf(rng.normal(size=dims), scale, support / np.sqrt(dims))
        return Head("rbf", weight, bias, features=kernels)
    layer = rng.normal(size=(units, 2 + dims)) / np.sqrt(dims)
    hidden = Hidden(rng.normal(size=2 + dims), layer, rng.normal(size=units))
    return Head("mlp", weight, bias, features=hidden)
