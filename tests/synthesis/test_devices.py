"""Screens and cameras: where a target is, and which make no sense."""

from dataclasses import replace

import numpy as np
import pytest

from eyecli.errors import UsageError
from eyecli.synthesis.devices import DEVICES, Device, check_device

LAPTOP = DEVICES[2]
SIZE = (1280, 720)


def test_targets_in_cm_of_the_camera() -> None:
    corners = LAPTOP.to_cm(np.array([[0, 0], [1366, 768], [683, 0]]))
    np.testing.assert_allclose(corners, [[-17.2, -0.7], [17.2, -20.0], [0, -0.7]], atol=1e-9)


def test_frames_are_turned_like_the_device() -> None:
    assert [device.frame(SIZE) for device in DEVICES] == [SIZE, (720, 1280), SIZE]
    assert [device.orientation for device in DEVICES] == ["landscape", "portrait", "landscape"]


@pytest.mark.parametrize("device", DEVICES)
def test_screens_are_seen_within_realistic_angles(device: Device) -> None:
    check_device(device, SIZE)
    corners = device.to_cm(np.array([[0, 0], device.screen_px]))
    seat = device.seat()
    angles = np.rad2deg(np.arctan((corners - seat[:2]) / seat[2]))
    assert np.abs(angles).max() < 22


@pytest.mark.parametrize(
    ("changes", "size", "message"),
    [
        ({"distance_cm": 30.0}, SIZE, "too near for the eyes"),
        ({"distance_cm": 10.0}, SIZE, "distance_cm is 10"),
        ({"screen_cm": (0.0, 19.3)}, SIZE, "screen_cm is 0x19.3"),
        ({"screen_cm": (float("nan"), 19.3)}, SIZE, "screen_cm is nan"),
        ({"screen_px": (10, 768)}, SIZE, "screen_px is 10x768"),
        ({"camera_cm": (120.0, 0.0)}, SIZE, "not in the picture"),
        ({"distance_cm": 150.0}, SIZE, "130 px high"),
        ({}, (320, 240), "90 px high"),
        ({}, (100, 20), "size is 100x20"),
        ({}, (1281, 720), "size is 1281x720"),
        ({}, (1280, 240), "not in the picture"),
    ],
)
def test_nonsense_is_refused(
    changes: dict[str, object], size: tuple[int, int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_device(replace(LAPTOP, **changes), size)  # type: ignore[arg-type]
