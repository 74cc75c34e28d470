"""Images that are equal pixel for pixel, mirrored or turned by quarters or not: of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import TypeVar

import numpy as np

from eyecli.data.fingerprints import FORMS

K = TypeVar("K")

# An image of fewer different values, such as a black one for an eye that was not found, is equal
# to others by chance.
LEAST_VALUES = 16
QUARTERS = tuple(number for number, (_, degrees) in enumerate(FORMS) if degrees % 90 == 0)


def identical_images(
    keys: Sequence[K], pixels: Callable[[K], np.ndarray]
) -> Iterator[tuple[K, K, int]]:
    """Yield pairs of equal images.

    Each image is paired with the first that is equal, so that n copies give n - 1 pairs.

    Parameters
    ----------
    keys
        Names of the images.
    pixels
        Gives the (height, width) uint8 image of a name.

    Yields
    ------
    first, second, form
        Names, and the number of the form of the first that is the second, see
        `fingerprints.FORMS`.
    """
    kept: dict[bytes, list[K]] = {}
    for key in keys:
        picture = pixels(key)
        # The same for all symmetries: few images need to be compared.
        counts = np.bincount(picture.ravel(), minlength=256)
        if np.count_nonzero(counts) < LEAST_VALUES:
            continue
        others = kept.setdefault(blake2b(counts.tobytes(), digest_size=16).digest(), [])
        for other in others:
            form = _equal(pixels(other), picture)
            if form is not None:
                yield other, key, form
                break
        else:
            others.append(key)


def _equal(first: np.ndarray, second: np.ndarray) -> int | None:
    for number in QUARTERS:
        mirrored, degrees = FORMS[number]
        moved = np.rot90(first[:, ::-1] if mirrored else first, degrees // 90)
        if np.array_equal(moved, second):
            return number
    return None
