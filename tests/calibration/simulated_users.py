"""Simulated users of a gaze model whose embedding holds the gaze it saw, among other things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eyecli.calibration.samples import Floats, Samples

SCREEN_CM = np.array([20.0, 14.0])
BIAS_SD_CM = 1.5
SCALE_SD = 0.05
POINT_NOISE_SD_CM = 0.8
DRIFT_SD_CM = 0.3
FRAME_NOISE_SD_CM = 0.2
FRAMES = 3
DIMS = 64
NUISANCES = 8


@dataclass(frozen=True)
class Network:
    """A random ReLU layer on the gaze seen and on nuisances (pose, light, the face)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class User:
    bias: Floats
    scale: Floats
    looks: Floats


def network(rng: np.random.Generator) -> Network:
    weight = rng.normal(size=(2 + NUISANCES, DIMS))
    weight[:2] *= 2
    return Network(weight, rng.normal(size=DIMS))


def user(rng: np.random.Generator, bias_sd: float, scale_sd: float) -> User:
    bias, scale = bias_sd * rng.normal(size=2), scale_sd * rng.normal(size=2)
    return User(bias, scale, rng.normal(size=NUISANCES))


def grid() -> Floats:
    """Nine points at 10, 50 and 90 % of the screen, cm from its middle."""
    x, y = np.meshgrid([-0.4, 0.0, 0.4], [-0.4, 0.0, 0.4])
    return np.stack([x.ravel(), y.ravel()], axis=1) * SCREEN_CM


def anywhere(rng: np.random.Generator, n: int) -> Floats:
    return (rng.random((n, 2)) - 0.5) * SCREEN_CM


def look(
    rng: np.random.Generator,
    net: Network,
    who: User,
    target: Floats,
    frames: int = FRAMES,
    drift: Floats | float = 0.0,
) -> tuple[Floats, Floats]:
    """Embedding (p * frames, D) and base prediction (p * frames, 2) while looking at `target`."""
    p = len(target)
    seen = target * (1 + who.scale) + who.bias + drift
    seen = np.repeat(seen + rng.normal(0, POINT_NOISE_SD_CM, (p, 2)), frames, axis=0)
    seen += rng.normal(0, FRAME_NOISE_SD_CM, seen.shape)
    nuisance = who.looks + np.repeat(rng.normal(0, 0.3, (p, NUISANCES)), frames, axis=0)
    hidden = np.hstack([seen / SCREEN_CM * 2, nuisance]) @ net.weight + net.bias
    return np.maximum(hidden, 0) + rng.normal(0, 0.05, hidden.shape), seen


def calibration(
    rng: np.random.Generator, net: Network, who: User, target: Floats, frames: int = FRAMES
) -> Samples:
    embedding, base = look(rng, net, who, target, frames)
    point = np.repeat([f"p{i}" for i in range(len(target))], frames)
    return Samples(embedding, base, np.repeat(target, frames, axis=0), point, unit="cm")
