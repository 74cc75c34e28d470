"""Which arrays hold images that the leak audit can compare, and what it says of the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from eyecli.data.alignment import Picture, picture_side
from eyecli.data.arrays import ArraySpec
from eyecli.data.fingerprints import channel

# Smaller ones of two people can agree as well as copies do: only equal ones are found.
SMALLEST = 64

Specs = Mapping[str, ArraySpec]


def all_images(specs: Specs) -> list[str]:
    """Names of the arrays that hold images, the largest first."""
    images = [
        name
        for name, spec in sorted(specs.items())
        if spec.dtype == "uint8" and len(spec.shape) == 3 and spec.shape[2] in (1, 3)
    ]
    return sorted(images, key=lambda name: int(np.prod(specs[name].shape)), reverse=True)


def judged_images(specs: Specs) -> list[str]:
    """Names of the arrays that hold images large enough to be told apart, the largest first."""
    return [name for name in all_images(specs) if _judged(specs[name])]


def not_judged(specs: Specs) -> str | None:
    """Say of which images no near-duplicates can be looked for, if there are any."""
    small = [name for name in all_images(specs) if not _judged(specs[name])]
    if not small:
        return None
    sides = " and ".join(map(str, sorted({min(specs[name].shape[:2]) for name in small})))
    which = f" of {', '.join(sorted(small))}" if judged_images(specs) else ""
    return f"near-duplicate images{which} were not looked for (images of {sides} px)"


def audited(specs: Specs) -> list[str]:
    """Name what the audit of a split looks for, in the singular."""
    images = ["pixel-identical image"] if all_images(specs) else []
    near = ["near-duplicate image"] if judged_images(specs) else []
    return ["group", "byte-identical file", *images, *near]


def thumbnail_specs(specs: Specs) -> dict[str, ArraySpec]:
    """Return the arrays that are enough to find the near-duplicates."""
    shapes = {name: _thumbnail_shape(specs[name]) for name in all_images(specs)}
    return {name: ArraySpec(shape, "uint8") for name, shape in shapes.items()}


def thumbnails(row: Mapping[str, np.ndarray], specs: Specs) -> dict[str, np.ndarray]:
    """Make a row of the arrays of `thumbnail_specs` from one of the whole arrays."""
    return {
        name: (Picture(pixels).pixels if _judged(spec) else pixels)[..., None]
        for name, spec in specs.items()
        for pixels in [channel(row[name])]
    }


def _judged(spec: ArraySpec) -> bool:
    return min(spec.shape[:2]) >= SMALLEST


def _thumbnail_shape(spec: ArraySpec) -> tuple[int, ...]:
    side = picture_side(spec.shape)
    return (side, side, 1) if _judged(spec) else (*spec.shape[:2], 1)
