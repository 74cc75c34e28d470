"""How one person differs from the portrait, and the sheet that all frames of them are cut from.

A sheet is the portrait, enlarged, in the person's shape and colours, with a scale in cm. Its
coordinates are those of the head seen from the front: x to the image's right, y up, in cm from the
middle between the eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from eyecli.synthesis.eyes import FloatArray, Person, Side, Vector
from eyecli.synthesis.gaze_table import draw_person
from eyecli.synthesis.portrait import Portrait

ENLARGED = 4
# What of the portrait is kept, in cm from the middle between the eyes: left, right, up, down.
EXTENT = (-31.0, 31.0, 14.0, -42.0)
BUMPS = 5
SUITS: tuple[Vector, ...] = (
    (0.85, 0.33, 0.16), (0.16, 0.25, 0.50), (0.20, 0.36, 0.24), (0.45, 0.45, 0.47),
    (0.50, 0.14, 0.20), (0.72, 0.66, 0.52),
)  # fmt: skip
HAIRS: tuple[Vector, ...] = (
    (0.09, 0.07, 0.06), (0.22, 0.14, 0.09), (0.45, 0.33, 0.20), (0.42, 0.18, 0.09),
    (0.50, 0.50, 0.50),
)  # fmt: skip


@dataclass(frozen=True)
class Looks:
    """What one person looks like, beyond their eyes.

    Attributes
    ----------
    eyes
        Colours of skin and hair, and the eyeballs; sizes of the lids are the portrait's times
        `lids`.
    kappa
        Side to (nasal, up) in degrees: each eye has an angle of its own.
    flipped
        Whether the portrait is mirrored.
    stretch
        Width and height of the face, relative.
    bumps
        (n, 5): centre (x, y), reach and displacement (x, y) of local changes of shape, in cm.
    lids
        Height of the lid openings, relative.
    suit
        Colour of the clothes.
    brows, beard
        How dark they are, 0..1.
    lamp
        Unit vector to the light, in the head's coordinates; `shading` how much it matters.
    white
        Gain of red, green and blue: light and camera.
    grain
        Seed and strength of the skin's texture.
    """

    eyes: Person
    kappa: Mapping[Side, tuple[float, float]]
    flipped: bool
    stretch: tuple[float, float]
    bumps: FloatArray
    lids: float
    suit: Vector
    brows: float
    beard: float
    lamp: Vector
    shading: float
    white: Vector
    grain: tuple[int, float]


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
        (h / 8, w / 8) float32: cm towards the camera, and whether a place turns with the head (1)
        or stays with the shoulders (0).
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


def draw_looks(rng: np.random.Generator) -> Looks:
    """Draw a person: eyes as in `draw_person`, the rest so that no two look alike.

    Parameters
    ----------
    rng
        The person's random stream.
    """
    eyes = replace(draw_person(rng), hair=HAIRS[rng.integers(len(HAIRS))])
    nasal, up = eyes.kappa_deg
    sides: tuple[Side, Side] = ("left", "right")
    kappa = {side: (nasal + rng.normal(0, 0.7), up + rng.normal(0, 0.7)) for side in sides}
    angle, height = rng.uniform(-1.2, 1.2), rng.uniform(0.0, 0.8)
    lamp = np.array([np.sin(angle), height, np.cos(angle)])
    x, y, z = (lamp / np.linalg.norm(lamp)).tolist()
    half = np.column_stack(
        [
            rng.uniform(0, 7, BUMPS), rng.uniform(-12, 5, BUMPS), rng.uniform(2.0, 4.0, BUMPS),
            rng.normal(0, 0.22, (BUMPS, 2)),
        ]
    )  # fmt: skip
    # Faces are nearly symmetric.
    other = half * (-1, 1, 1, -1, 1)
    other[:, 3:] += rng.normal(0, 0.04, (BUMPS, 2))
    red, green, blue = rng.normal(1, (0.05, 0.02, 0.05)).tolist()
    return Looks(
        eyes=eyes,
        kappa=kappa,
        flipped=bool(rng.random() < 0.5),
        stretch=(rng.uniform(0.93, 1.07), rng.uniform(0.94, 1.06)),
        bumps=np.concatenate([half, other]),
        lids=rng.uniform(0.9, 1.15),
        suit=SUITS[rng.integers(len(SUITS))],
        brows=rng.uniform(0.1, 0.9),
        beard=rng.uniform(0.25, 0.7) if rng.random() < 0.4 else 0.0,
        lamp=(x, y, z),
        shading=rng.uniform(0.25, 0.7),
        white=(red, green, blue),
        grain=(int(rng.integers(2**31)), rng.uniform(0.02, 0.05)),
    )


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
    # Whole cells of eight pixels, so that the coarse maps cover the same ground.
    columns, rows = (int(8 * round(side * per_cm / 8)) for side in (right - left, top - bottom))
    origin = (-left * per_cm - 0.5, top * per_cm - 0.5)
    x = ((np.arange(columns) - origin[0]) / per_cm).astype(np.float32)
    y = ((origin[1] - np.arange(rows)) / per_cm).astype(np.float32)[:, None]
    # Shapes change smoothly: every eighth place is enough.
    coarse = np.stack(_to_portrait(portrait, looks, *_cells(x, y)))
    from_x, from_y = (
        cv2.resize(places.astype(np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR)
        for places in coarse
    )

    def pick(source: np.ndarray, how: int = cv2.INTER_LINEAR) -> np.ndarray:
        return cv2.remap(source, from_x, from_y, how, borderMode=cv2.BORDER_REPLICATE)

    def pick_coarse(source: FloatArray) -> FloatArray:
        return cv2.remap(source, *coarse.astype(np.float32), cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)  # fmt: skip

    depth = pick_coarse(portrait.depth)
    chin = np.arange(len(portrait.image), dtype=np.float32)[:, None] - portrait.chin
    turns = np.broadcast_to((0.6 - chin / 24).clip(0, 1), portrait.depth.shape).copy()
    image = pick(portrait.image, cv2.INTER_CUBIC).astype(np.float32) / 255
    image = _colour(image, {name: pick(getattr(portrait, name)) for name in
                            ("skin", "hair", "person", "brows", "beard", "lips")}, looks)  # fmt: skip
    shade = cv2.resize(_shading(depth, looks), (columns, rows), interpolation=cv2.INTER_CUBIC)
    image *= shade[..., None] * np.array(looks.white, np.float32)
    lids: dict[Side, FloatArray] = {"left": _lids(portrait, looks, "left"),
                                    "right": _lids(portrait, looks, "right")}  # fmt: skip
    # The new shape has moved the eyes; the middle between them stays the origin.
    middle = np.mean([eyeball_centre(lid)[:2] for lid in lids.values()], axis=0)
    return Sheet(
        image=np.rint(image.clip(0, 1) * 255).astype(np.uint8),
        person=pick(portrait.person),
        depth=depth,
        head=turns_smoothly(pick_coarse(turns)),
        lids={side: lid - middle for side, lid in lids.items()},
        per_cm=per_cm,
        origin=(origin[0] + middle[0] * per_cm, origin[1] - middle[1] * per_cm),
    )


def turns_smoothly(share: FloatArray) -> FloatArray:
    """Ease a ramp from 0 to 1 in and out, so that a neck does not kink."""
    return share * share * (3 - 2 * share)


def brightness(sheet: Sheet, looks: Looks, place: tuple[float, float]) -> FloatArray:
    """Gain of the light at a place of the face, as (3,) red, green and blue.

    Parameters
    ----------
    sheet, looks
        The person.
    place
        (x, y) in cm.
    """
    column, row = ((sheet.origin[0] + place[0] * sheet.per_cm) / 8,
                   (sheet.origin[1] - place[1] * sheet.per_cm) / 8)  # fmt: skip
    return _shading(sheet.depth, looks)[round(row), round(column)] * np.array(looks.white)


def _cells(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centres of cells of eight by eight pixels."""
    return x.reshape(-1, 8).mean(axis=1), y.reshape(-1, 8).mean(axis=1)[:, None]


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


def _shading(depth: FloatArray, looks: Looks) -> FloatArray:
    """Brightness of a matt surface under the person's lamp, about 1 on the whole face."""
    import cv2

    cell = 8 / (ENLARGED * 6.85)
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
    clothes = (part["person"] - skin - hair - part["lips"]).clip(0, 1) ** 2
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

    grey_hair = float(light[hair > 0.9].mean())
    streaks = 1 + 0.2 * hair * cv2.GaussianBlur(fine, (0, 0), 2, sigmaY=5)
    toned += (dyed(looks.eyes.hair, grey_hair) * streaks[..., None] - toned) * hair[..., None]
    grey_clothes = float(light[clothes > 0.9].mean())
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

