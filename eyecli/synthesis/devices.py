"""Screens with a camera, as people hold them or sit before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eyecli.errors import UsageError
from eyecli.synthesis.eyes import FloatArray

# The longest side of a frame, and the focal length as a share of it: 64 degrees across.
FOCAL = 0.8
# Between forehead and chin, for the smallest face that is worth a video.
FACE_CM, LEAST_FACE_PX = 19.0, 150
LIMITS = {"screen_px": (100, 20_000), "screen_cm": (5, 120), "camera_cm": (-20, 140),
          "distance_cm": (25, 200), "size": (240, 3840)}  # fmt: skip


@dataclass(frozen=True)
class Device:
    """A screen and its camera.

    Attributes
    ----------
    name
        What it is called; '' where nobody said.
    screen_px, screen_cm
        Width and height.
    camera_cm
        The camera as seen from the screen's top left corner: x to the viewer's right, y up.
    distance_cm
        Usual distance of the eyes.
    """

    name: str
    screen_px: tuple[int, int]
    screen_cm: tuple[float, float]
    camera_cm: tuple[float, float]
    distance_cm: float

    @property
    def orientation(self) -> str:
        """``landscape`` or ``portrait``."""
        return "portrait" if self.screen_cm[1] > self.screen_cm[0] else "landscape"

    def to_cm(self, target_px: FloatArray) -> FloatArray:
        """From pixels of the top left corner, y down, to cm of the camera, y up: (n, 2)."""
        return target_px * np.divide(self.screen_cm, self.screen_px) * (1, -1) - self.camera_cm

    def frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """Turn a frame's size the way the device is held."""
        long, short = max(size), min(size)
        return (long, short) if self.orientation == "landscape" else (short, long)

    def seat(self) -> FloatArray:
        """Return where a head is on average: before the screen, a fifth of its height down."""
        middle, top = self.screen_cm[0] / 2 - self.camera_cm[0], -self.camera_cm[1]
        return np.array([middle, top - 0.2 * self.screen_cm[1], self.distance_cm])


# An 11-inch tablet held either way, and a laptop.
DEVICES = (
    Device("tablet", (2388, 1668), (22.6, 15.8), (11.3, 0.6), 44.0),
    Device("tablet", (1668, 2388), (15.8, 22.6), (7.9, 0.6), 48.0),
    Device("laptop", (1366, 768), (34.4, 19.3), (17.2, 0.7), 54.0),
)


def focal_px(size: tuple[int, int]) -> float:
    """Return the focal length of the camera in pixels of a frame of that size."""
    return FOCAL * max(size)


def check_device(device: Device, size: tuple[int, int]) -> None:
    """Refuse screens and frames with which no face video can be made.

    Raises
    ------
    UsageError
        If a number is out of range, the screen is too wide for the eyes at that distance, or the
        face is too small in the frame or does not fit into it.
    """
    for name, (low, high) in LIMITS.items():
        value = size if name == "size" else getattr(device, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(low <= number <= high for number in numbers):
            raise UsageError(f"{name} is {_said(value)}", f"it must be from {low} to {high}")
    if any(side % 2 for side in size):
        raise UsageError(f"size is {_said(size)}", "a video needs even numbers")
    if max(device.screen_cm) > 0.8 * device.distance_cm:
        raise UsageError(
            f"a screen of {max(device.screen_cm):g} cm at {device.distance_cm:g} cm is too near "
            "for the eyes",
            f"sit at least {max(device.screen_cm) / 0.8:.0f} cm away",
        )
    face = FACE_CM * focal_px(size) / device.distance_cm
    if face < LEAST_FACE_PX:
        raise UsageError(
            f"a face at {device.distance_cm:g} cm is {face:.0f} px high in a frame of "
            f"{_said(size)}",
            f"{LEAST_FACE_PX} px are needed: a larger --size, or sit nearer",
        )
    x, y, _ = np.abs(device.seat()).tolist()
    width, height = (side / focal_px(size) * device.distance_cm / 2 for side in device.frame(size))
    if x + FACE_CM / 3 > width or y + FACE_CM / 3 > height:
        raise UsageError(
            f"before the screen a head is not in the picture of a camera at "
            f"{_said(device.camera_cm)} cm",
            "put the camera near the middle of an edge, or sit farther away",
        )


def _said(value: object) -> str:
    return "x".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:g}"
