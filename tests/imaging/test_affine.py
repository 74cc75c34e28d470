from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from eyecli.imaging.affine import Jitter, jitter, warp_matrix

SIZES = st.tuples(st.integers(2, 300), st.integers(2, 300))
SHIFTS = st.tuples(st.floats(-50, 50), st.floats(-50, 50))
ANGLES = st.floats(-180, 180)
ZOOMS = st.floats(0.3, 3)


def eye(size: int = 48) -> np.ndarray:
    """A crop of an eye from a portrait, (size, size, 3) uint8."""
    return cv2.resize(data.astronaut()[100:148, 196:244], (size, size))


def scaled(pixels: np.ndarray) -> np.ndarray:
    """What a network takes: -1..1."""
    return pixels.astype(np.float32) / 127.5 - 1


def full(matrix: np.ndarray) -> np.ndarray:
    return np.vstack([matrix, [0, 0, 1]])


@settings(deadline=None)
@given(SIZES)
def test_no_change_is_the_identity(size: tuple[int, int]) -> None:
    np.testing.assert_allclose(warp_matrix(size, (0, 0), 0, 1), np.eye(3)[:2], atol=1e-12)


@settings(deadline=None)
@given(SIZES, SHIFTS, ANGLES, ZOOMS)
def test_the_centre_only_shifts(
    size: tuple[int, int], shift: tuple[float, float], rotation: float, zoom: float
) -> None:
    centre = (np.array(size) - 1) / 2
    moved = warp_matrix(size, shift, rotation, zoom) @ [*centre, 1]
    np.testing.assert_allclose(moved, centre + shift, atol=1e-9)


@settings(deadline=None)
@given(SIZES, SHIFTS, ANGLES, ZOOMS)
def test_steps_compose(
    size: tuple[int, int], shift: tuple[float, float], rotation: float, zoom: float
) -> None:
    """One matrix is zoom, then rotation, then shift, and lengths grow by the zoom alone."""
    steps = [
        warp_matrix(size, (0, 0), 0, zoom),
        warp_matrix(size, (0, 0), rotation, 1),
        warp_matrix(size, shift, 0, 1),
    ]
    composed = full(steps[2]) @ full(steps[1]) @ full(steps[0])
    matrix = warp_matrix(size, shift, rotation, zoom)
    np.testing.assert_allclose(full(matrix), composed, atol=1e-9)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(zoom**2)


@settings(deadline=None)
@given(SIZES, ANGLES, ANGLES)
def test_rotations_add(size: tuple[int, int], a: float, b: float) -> None:
    both = full(warp_matrix(size, (0, 0), a, 1)) @ full(warp_matrix(size, (0, 0), b, 1))
    np.testing.assert_allclose(both[:2], warp_matrix(size, (0, 0), a + b, 1), atol=1e-9)


def warped(spot: tuple[int, int], **change: object) -> tuple[int, int]:
    """Where a white pixel (x, y) of a 21 x 21 image ends up."""
    pixels = np.zeros((21, 21), np.float32)
    pixels[spot[1], spot[0]] = 1
    values: dict = {"shift": (0, 0), "rotation": 0, "zoom": 1} | change
    moved = cv2.warpAffine(pixels, warp_matrix((21, 21), **values), (21, 21))
    y, x = np.unravel_index(moved.argmax(), moved.shape)
    return int(x), int(y)


def test_directions_on_screen() -> None:
    assert warped((10, 10), shift=(3, 0)) == (13, 10), "right"
    assert warped((10, 10), shift=(0, 3)) == (10, 13), "down"
    assert warped((15, 10), rotation=90) == (10, 15), "clockwise: right goes down"
    assert warped((13, 10), zoom=2) == (16, 10), "away from the centre"


def test_zero_ranges_are_the_identity() -> None:
    for pixels in (eye(), eye()[:, :30], eye()[..., :1]):
        same = jitter(pixels, Jitter(), np.random.default_rng(0))
        assert same.dtype == np.float32 and same.shape == pixels.shape
        np.testing.assert_allclose(same, scaled(pixels), atol=1e-6)


@settings(deadline=None)
@given(st.integers(0, 50), st.sampled_from([(48, 48), (30, 48), (48, 20)]))
def test_geometry_is_one_single_warp(seed: int, shape: tuple[int, int]) -> None:
    """Equal to one `cv2.warpAffine`: interpolating twice would blur."""
    pixels = np.ascontiguousarray(eye()[: shape[0], : shape[1]])
    height, width = shape
    ranges = Jitter(shift=0.1, rotation=20, zoom=0.3)
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-0.1, 0.1, 2) * (width, height)
    rotation, zoom = rng.uniform(-20, 20), np.exp(rng.uniform(-0.3, 0.3))
    once = cv2.warpAffine(
        pixels, warp_matrix((width, height), (x, y), rotation, float(zoom)), (width, height),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    np.testing.assert_allclose(
        jitter(pixels, ranges, np.random.default_rng(seed)), scaled(once), atol=1e-6
    )


@settings(deadline=None)
@given(st.integers(0, 200))
def test_light_stays_within_its_ranges(seed: int) -> None:
    pixels = eye()
    lit = jitter(pixels, Jitter(gain=0.1, offset=0.05), np.random.default_rng(seed))
    before = scaled(pixels)
    slope, offset = np.polyfit(before.ravel(), lit.ravel(), 1)
    assert 0.9 <= slope <= 1.1
    assert abs(lit.mean() - before.mean()) <= 0.05 + 1e-6
    np.testing.assert_allclose(lit, slope * before + offset, atol=1e-4)


def test_contrast_keeps_the_brightness() -> None:
    means = [jitter(eye(), Jitter(gain=0.5), np.random.default_rng(s)).mean() for s in range(20)]
    np.testing.assert_allclose(means, scaled(eye()).mean(), atol=1e-5)


@pytest.mark.parametrize("size", [48, 900])
def test_noise_has_the_deviation_asked_for(size: int) -> None:
    pixels = eye(size)
    rough = jitter(pixels, Jitter(noise=0.05), np.random.default_rng(0)) - scaled(pixels)
    assert rough.std() == pytest.approx(0.05, rel=0.05) and abs(rough.mean()) < 0.003
    # Normal: 68 % within one deviation, 95 % within two.
    within = [np.mean(np.abs(rough) < 0.05 * k) for k in (1, 2)]
    np.testing.assert_allclose(within, [0.683, 0.954], atol=0.02)


def test_noise_of_two_samples_is_unrelated() -> None:
    roughs = [
        jitter(eye(), Jitter(noise=0.05), np.random.default_rng(s)) - scaled(eye()) for s in (1, 2)
    ]
    assert abs(np.corrcoef(roughs[0].ravel(), roughs[1].ravel())[0, 1]) < 0.05


def test_the_same_generator_gives_the_same_crop() -> None:
    ranges = Jitter(0.04, 3, 0.05, 0.1, 0.05, 0.02)
    first, again, other = (jitter(eye(), ranges, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_the_crop_itself_is_left_alone() -> None:
    pixels = eye()
    before = pixels.copy()
    jitter(pixels, Jitter(0.1, 5, 0.1, 0.1, 0.1, 0.1), np.random.default_rng(0))
    np.testing.assert_array_equal(pixels, before)
