"""People and flat sheets for tests of faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eyecli.synthesis.eyes import FloatArray, Person, Side
from eyecli.synthesis.looks import Looks, draw_looks
from eyecli.synthesis.sheet import CELL, Sheet

PER_CM = 20.0


def plain_looks(**changes: object) -> Looks:
    """Somebody without peculiarities: the portrait's shape, no kappa, no light from a side."""
    sides: tuple[Side, Side] = ("left", "right")
    plain = replace(
        draw_looks(np.random.default_rng(0)),
        eyes=Person(iris=(0.0, 0.0, 0.0), pupil_radius=0.0), kappa=dict.fromkeys(sides, (0.0, 0.0)),
        flipped=False, stretch=(1.0, 1.0), bumps=np.zeros((0, 5)), lids=1.0, lamp=(0.0, 0.0, 1.0),
        shading=0.0, white=(1.0, 1.0, 1.0),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def flat_sheet(depth: FloatArray | float = 0.0, head: float = 1.0) -> Sheet:
    """Forty by forty cm of grey with two mirrored eyes; the origin is in the middle."""
    side = int(40 * PER_CM)
    coarse = np.zeros((side // CELL, side // CELL), np.float32)
    along = np.linspace(-1, 1, 9)
    arch = 0.5 * (1 - along**2)
    right = np.stack(
        [np.column_stack([-3.1 + 1.4 * along, sign * arch]) for sign in (1.0, -0.8)]
    )  # outer to inner corner
    image = np.full((side, side, 3), 180, np.uint8)
    return Sheet(
        image=image,
        person=np.ones((side, side), np.float32),
        depth=coarse + np.float32(depth),
        head=coarse + np.float32(head),
        lids={"right": right, "left": right * (-1, 1)},
        per_cm=PER_CM,
        origin=((side - 1) / 2, (side - 1) / 2),
    )
