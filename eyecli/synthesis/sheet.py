"""One person seen from the front: the sheet that all frames of them are cut from.

A sheet is the portrait, enlarged, in the person's shape and colours, with a scale in cm. Its
coordinates are the head's: x to the image's right, y up, in cm from the middle between the eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eyecli.synthesis.eyes import FloatArray, Side, Vector
from eyecli.synthesis.looks import Looks
from eyecli.synthesis.portrait import Portrait

ENLARGED = 3.5
# Side of the cells of the coarse maps, in pixels.
CELL = 8
# What of the portrait is kept, in cm from the middle between the eyes: left, right, up, down.
EXTENT = (-31.0, 31.0, 14.0, -42.0)
PAINTED = ("person", "skin", "hair", "brows", "beard", "lips")


@dataclass(frozen=True)
class Sheet:
    """A person seen from the front.

    Attributes
    ----------
    image
        (h, w, 3) uint8, RGB.
    person
        (h, w) float32: 1 on the person, 0 on the background.
    depth, head
        (h / `CELL`, w / `CELL`) float32: cm towards the camera, and whether a place turns with the
        head (1) or stays with the shoulders (0).
    lids
        Side to (2, 9, 2): upper and lower lid from the outer to the inner corner, (x, y) in cm.
    per_cm
        Pixels per cm.
    origin
        Column and row of the point between the eyes.
    """

    image: np.ndarray
    person: FloatArray
    depth: FloatArray
    head: FloatArray
    lids: Mapping[Side, FloatArray]
    per_cm: float
    origin: tuple[float, float]


def make_sheet(portrait: Portrait, looks: Looks) -> Sheet:
    """Give a person's shape and colours to the portrait.

    Parameters
    ----------
    portrait
        The portrait, taken apart.
    looks
        The person.
    """
    import cv2

    per_cm = ENLARGED * portrait.per_cm
    left, right, top, bottom = EXTENT
    # Whole cells, so that the coarse maps cover the same ground.
    columns, rows = (CELL * round(side * per_cm / CELL) for side in (right - left, top - bottom))
    origin = (-left * per_cm - 0.5, top * per_cm - 0.5)
    x = ((np.arange(columns) - origin[0]) / per_cm).astype(np.float32)
    y = ((origin[1] - np.arange(rows)) / per_cm).astype(np.float32)[:, None]
    # Shapes change smoothly: a place a cell is enough.
    coarse = np.stack(_to_portrait(portrait, looks, *_cells(x, y))).astype(np.float32)
    from_x, from_y = (
        cv2.resize(places, (columns, rows), interpolation=cv2.INTER_LINEAR) for places in coarse
    )

    def pick(source: np.ndarray) -> np.ndarray:
        return cv2.remap(source, from_x, from_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    chin = np.arange(len(portrait.image), dtype=np.float32)[:, None] - portrait.chin
    turns = np.broadcast_to((0.6 - chin / 24).clip(0, 1), portrait.depth.shape)
    depth, head = (
        cv2.remap(source, coarse[0], coarse[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for source in (portrait.depth, np.ascontiguousarray(turns))
    )
    image = pick(portrait.image).astype(np.float32) / 255
    parts = {name: pick(getattr(portrait, name)).clip(0, 1) for name in PAINTED}
    image = _colour(image, parts, looks)
    shade = cv2.resize(
        _shading(depth, CELL / per_cm, looks), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    image *= shade[..., None] * np.array(looks.white, np.float32)
    lids: dict[Side, FloatArray] = {"left": _lids(portrait, looks, "left"),
                                    "right": _lids(portrait, looks, "right")}  # fmt: skip
    # The new shape has moved the eyes; the middle between them stays the origin.
    middle = np.mean([eyeball_centre(lid)[:2] for lid in lids.values()], axis=0)
    return Sheet(
        image=np.rint(image.clip(0, 1) * 255).astype(np.uint8),
        person=parts["person"],
        depth=depth,
        # Eased in and out, so that the neck does not kink.
        head=head * head * (3 - 2 * head),
        lids={side: lid - middle for side, lid in lids.items()},
        per_cm=per_cm,
        origin=(origin[0] + middle[0] * per_cm, origin[1] - middle[1] * per_cm),
    )


def brightness(sheet: Sheet, looks: Looks, place: tuple[float, float]) -> FloatArray:
    """Gain of the light at a place of the face, as (3,) red, green and blue.

    Parameters
    ----------
    sheet, looks
        The person.
    place
        (x, y) in cm.
    """
    column, row = ((sheet.origin[0] + place[0] * sheet.per_cm) / CELL,
                   (sheet.origin[1] - place[1] * sheet.per_cm) / CELL)  # fmt: skip
    return _shading(sheet.depth, CELL / sheet.per_cm, looks)[round(row), round(column)] * np.array(
        looks.white
    )


def _cells(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centres of the cells of the coarse maps."""
    return x.reshape(-1, CELL).mean(axis=1), y.reshape(-1, CELL).mean(axis=1)[:, None]


def _middle(portrait: Portrait) -> FloatArray:
    """Point between the eyes: mean of the four corners of the lids."""
    return np.mean([lids[0, [0, -1]] for lids in portrait.lids.values()], axis=(0, 1))


def _to_portrait(
    portrait: Portrait, looks: Looks, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Where in the portrait (px) a place of the sheet (cm) comes from."""
    x, y = np.broadcast_arrays(x, y)
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    for bump_x, bump_y, reach, by_x, by_y in looks.bumps:
        weight = np.exp(-((x - bump_x) ** 2 + (y - bump_y) ** 2) / (2 * reach**2))
        dx, dy = dx + by_x * weight, dy + by_y * weight
    across, up = (x + dx) / looks.stretch[0], (y + dy) / looks.stretch[1]
    middle = _middle(portrait)
    if looks.flipped:
        across = -across
    return middle[0] + across * portrait.per_cm, middle[1] - up * portrait.per_cm


def _lids(portrait: Portrait, looks: Looks, side: Side) -> FloatArray:
    """Place the lids of one side in the sheet: `_to_portrait` the other way round."""
    other: dict[Side, Side] = {"left": "right", "right": "left"}
    wanted = portrait.lids[other[side] if looks.flipped else side]
    cm = (wanted - _middle(portrait)) / portrait.per_cm * (1, -1)
    cm = cm * ((-1 if looks.flipped else 1) * looks.stretch[0], looks.stretch[1])
    for _ in range(20):
        found = np.stack(_to_portrait(portrait, looks, cm[..., 0], cm[..., 1]), axis=-1)
        error = (wanted - found) / portrait.per_cm * (-1 if looks.flipped else 1, -1)
        cm = cm + error
    return cm


def _shading(depth: FloatArray, cell: float, looks: Looks) -> FloatArray:
    """Brightness of a matt face under the person's lamp, about 1; `cell` is in cm."""
    import cv2

    smooth = cv2.GaussianBlur(depth, (0, 0), 2.5)
    slope_x, slope_y = np.gradient(smooth, axis=1) / cell, -np.gradient(smooth, axis=0) / cell
    x, y, z = looks.lamp
    lit = (z - slope_x * x - slope_y * y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    return (1 + looks.shading * (lit.clip(0, 1) - 0.75)).astype(np.float32)


def _colour(image: FloatArray, part: Mapping[str, FloatArray], looks: Looks) -> FloatArray:
    """Paint skin, hair, brows, beard and clothes in the person's colours."""
    import cv2

    rng = np.random.default_rng(looks.grain[0])
    skin, hair = part["skin"], part["hair"]
    # Squared: where they meet the skin, half clothes would be a bright seam.
    clothes = (1 - skin - hair - part["lips"]).clip(0, 1) ** 2
    mean = cv2.mean(image, mask=(skin > 0.9).astype(np.uint8))[:3]
    light = image @ np.array((0.3, 0.59, 0.11), np.float32)
    tone = np.divide(looks.eyes.skin, mean).astype(np.float32)
    toned = image * (1 + (skin + 0.6 * part["lips"])[..., None] * (tone - 1))
    # Pores, spots and blotches of one's own.
    fine, coarse = (
        cv2.resize(
            rng.standard_normal((image.shape[0] // cell, image.shape[1] // cell), np.float32),
            image.shape[1::-1], interpolation=cv2.INTER_CUBIC,
        )
        for cell in (3, 14)
    )  # fmt: skip
    toned *= 1 + (looks.grain[1] * skin * (fine + 0.8 * coarse))[..., None]

    def dyed(colour: Vector, grey: float) -> FloatArray:
        # Highlights keep within the range of the colour.
        return np.minimum(light / grey, 1.5)[..., None] * np.array(colour, np.float32)

    grey_hair = float(light[part["person"] * hair > 0.9].mean())
    streaks = 1 + 0.2 * hair * cv2.GaussianBlur(fine, (0, 0), 2, sigmaY=5)
    toned += (dyed(looks.eyes.hair, grey_hair) * streaks[..., None] - toned) * hair[..., None]
    grey_clothes = float(light[part["person"] * clothes > 0.9].mean())
    toned += (dyed(looks.suit, 1.3 * grey_clothes) - toned) * clothes[..., None]
    strokes = (0.8 + 0.12 * fine + 0.15 * coarse).clip(0, 1)
    dark = np.array(looks.eyes.hair, np.float32) * 0.8
    for cover in (looks.brows * part["brows"], looks.beard * part["beard"]):
        toned += (dark - toned) * (cover * strokes)[..., None]
    return toned


def eyeball_centre(lids: FloatArray) -> FloatArray:
    """Centre of the eyeball behind a pair of lids, (x, y, z) in cm of the head.

    Parameters
    ----------
    lids
        (2, 9, 2) as in `Sheet`.
    """
    corners = lids[0, [0, -1]].mean(axis=0)
    heights = lids[:, 4, 1] - corners[1]
    return np.array([corners[0], corners[1] + 0.4 * heights.sum(), 0.0])
