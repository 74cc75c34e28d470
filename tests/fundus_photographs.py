"""Generated fundus photographs whose circle is known: the skin of a real retina, lit and cut."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

# Where skimage's photograph has nothing but retina: a disc, in pixels of 1411.
TEXTURE_CENTRE, TEXTURE_RADIUS = (705.5, 705.5), 640.0


@dataclass(frozen=True)
class Scene:
    """A photograph to be made; lengths in pixels.

    Attributes
    ----------
    width, height
        Of the picture.
    x, y, radius
        The true circle.
    light
        Brightness of the retina, 1 as photographed.
    slope
        How much darker one side is than the other, 0 to 1; along `slope_deg`.
    vignette
        How much darker the border is than the middle, 0 to 1.
    background
        Level around the retina.
    noise
        Standard deviation, in levels.
    notch
        Depth of a black triangle cut into the border, in radii, at `notch_deg`; below zero: a
        marker that stands out.
    text
        Written in a corner.
    turned_deg
        How far the retina is turned: 180 is an inverted picture.
    bands
        Rows at the top and at the bottom that are black whatever is there, as part of the height.
    soft
        Blur of the border, in pixels.
    haze
        Level that stray light reaches around the retina, on the side of `slope_deg`.
    """

    width: int
    height: int
    x: float
    y: float
    radius: float
    light: float = 1.0
    slope: float = 0.0
    slope_deg: float = 0.0
    vignette: float = 0.2
    background: float = 2.0
    noise: float = 1.0
    notch: float = 0.0
    notch_deg: float = 40.0
    text: str = ""
    turned_deg: float = 0.0
    bands: float = 0.0
    soft: float = 0.7
    haze: float = 0.0
    seed: int = 0


def photograph(scene: Scene) -> np.ndarray:
    """Return (height, width, 3) uint8 RGB."""
    rng = np.random.default_rng(scene.seed)
    rows, columns = np.mgrid[: scene.height, : scene.width] + 0.5
    u, v = (columns - scene.x) / scene.radius, (rows - scene.y) / scene.radius
    reach = np.hypot(u, v)
    matrix = cv2.getRotationMatrix2D((0, 0), scene.turned_deg, 1.0)[:, :2]
    halvings = max(0, int(np.log2(TEXTURE_RADIUS / scene.radius)))
    places = (np.stack([u, v], axis=-1) @ matrix.T * TEXTURE_RADIUS + TEXTURE_CENTRE) / 2**halvings
    skin = cv2.remap(_texture(halvings), places.astype(np.float32), None,
                     cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).astype(float)  # fmt: skip
    angle = np.deg2rad(scene.slope_deg)
    across = np.clip((u * np.cos(angle) + v * np.sin(angle) + 1) / 2, 0, 1)
    skin *= (scene.light * (1 - scene.slope * across) * (1 - scene.vignette * reach**4))[..., None]
    inside = np.clip((1 - reach) * scene.radius / max(scene.soft, 0.1) + 0.5, 0, 1)
    inside *= 1 - _notch(scene, u, v)
    if scene.notch < 0:
        inside = np.maximum(inside, _notch(scene, u, v))
    around = scene.background + scene.haze * across
    level = around[..., None] + (skin - around[..., None]) * inside[..., None]
    if scene.bands:
        cut = round(scene.bands * scene.height)
        level[:cut] = level[scene.height - cut :] = scene.background
    if scene.text:
        size = min(scene.width, scene.height) / 700
        at = (int(0.01 * scene.width), int(0.06 * scene.height))
        cv2.putText(level, scene.text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (230.0,) * 3,
                    max(1, round(2 * size)))  # fmt: skip
    level += scene.noise * rng.standard_normal(level.shape, np.float32)
    return np.clip(np.rint(level), 0, 255).astype(np.uint8)


def overlap(scene: Scene, x: float, y: float, radius: float) -> float:
    """Intersection over union of a circle with the true one, within the picture."""
    step = scene.radius / 150
    rows, columns = np.mgrid[step / 2 : scene.height : step, step / 2 : scene.width : step]
    true = np.hypot(columns - scene.x, rows - scene.y) < scene.radius
    given = np.hypot(columns - x, rows - y) < radius
    return float((true & given).sum() / (true | given).sum())


def _notch(scene: Scene, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 within a triangle whose base is a tangent, and which points to the middle or away."""
    angle, depth = np.deg2rad(scene.notch_deg), abs(scene.notch)
    if not depth:
        return np.zeros(u.shape)
    out = u * np.cos(angle) + v * np.sin(angle)
    side = np.abs(v * np.cos(angle) - u * np.sin(angle))
    away = (1.02 - out) if scene.notch > 0 else (out - 0.98)
    return ((away > 0) & (side < depth - away)).astype(float)


@functools.cache
def _texture(halvings: int) -> np.ndarray:
    """The retina, smaller: what a small circle cannot show would flicker."""
    from skimage import data

    skin = np.asarray(data.retina())
    part = 2**-halvings
    return cv2.resize(skin, None, fx=part, fy=part, interpolation=cv2.INTER_AREA)
