"""Checkpoints in MedicalNet's layout with weights that a seed draws; needs numpy alone."""

from __future__ import annotations

import numpy as np

BLOCKS = {
    10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3),
    101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3),
}  # fmt: skip
SHAPE = (12, 20, 17)  # even and odd sides: padding shows


def generated(depth: int, prefix: str = "module.") -> dict[str, np.ndarray]:
    """Return name to float32 array, in the order of a file of MedicalNet."""
    random = np.random.default_rng(depth)
    arrays: dict[str, np.ndarray] = {}

    def conv(name: str, filters: int, channels: int, kernel: int) -> None:
        spread = np.sqrt(2 / (channels * kernel**3))
        shape = (filters, channels, kernel, kernel, kernel)
        arrays[f"{name}.weight"] = (spread * random.standard_normal(shape)).astype(np.float32)

    def norm(name: str, filters: int) -> None:
        near_zero, near_one = (-0.2, 0.2), (0.5, 1.5)
        for part, (low, high) in (
            ("weight", (0.5, 1.0)), ("bias", near_zero), ("running_mean", near_zero),
            ("running_var", near_one),
        ):  # fmt: skip
            arrays[f"{name}.{part}"] = random.uniform(low, high, filters).astype(np.float32)
        arrays[f"{name}.num_batches_tracked"] = np.array(1000)

    conv("conv1", 64, 1, 7)
    norm("bn1", 64)
    channels = 64
    for layer, (count, width) in enumerate(zip(BLOCKS[depth], (64, 128, 256, 512), strict=True), 1):
        for i in range(count):
            name = f"layer{layer}.{i}"
            sizes = ((width, 1), (width, 3), (4 * width, 1)) if depth > 34 else ((width, 3),) * 2
            inner = channels
            for number, (filters, kernel) in enumerate(sizes, 1):
                conv(f"{name}.conv{number}", filters, inner, kernel)
                norm(f"{name}.bn{number}", filters)
                inner = filters
            if i == 0 and depth not in (18, 34) and (layer > 1 or inner != channels):
                conv(f"{name}.downsample.0", inner, channels, 1)
                norm(f"{name}.downsample.1", inner)
            channels = inner
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def volume() -> np.ndarray:
    """Return a volume (1, depth, rows, columns, 1)."""
    return np.random.default_rng(7).standard_normal((1, *SHAPE, 1)).astype(np.float32)
