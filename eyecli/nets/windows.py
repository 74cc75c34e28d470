"""Windows that the Neural Engine takes, and how they cover a whole map."""

from __future__ import annotations

# Kernels beyond these leave the Neural Engine, see research/gaze-and-ane.md 4.2, C02 and P03.
KERNEL_HEIGHT, KERNEL_WIDTH = 29, 13


def pooling_steps(height: int, width: int) -> list[tuple[int, int]] | None:
    """Split a map into windows that the Neural Engine takes, whose means' mean is the map's.

    Parameters
    ----------
    height, width
        Of the map.

    Returns
    -------
    list of tuple of int, or None
        Kernels (rows, columns), at most two, whose products are the map; None if there are none.
    """
    if max(height, width) <= KERNEL_WIDTH:
        return [(height, width)]
    for k in range(KERNEL_WIDTH, 1, -1):
        rest = (height // k, width // k)
        if height % k == 0 == width % k and max(rest) <= KERNEL_WIDTH:
            return [(k, k), rest]
    return None
