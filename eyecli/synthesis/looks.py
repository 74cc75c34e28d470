"""How one person differs from the portrait: shape, colours, light and eyes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from eyecli.synthesis.eyes import FloatArray, Person, Side, Vector
from eyecli.synthesis.gaze_table import draw_person

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
    uneven = np.pad(rng.normal(0, 0.04, (BUMPS, 2)), ((0, 0), (3, 0)))
    other = half * (-1, 1, 1, -1, 1) + uneven
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
