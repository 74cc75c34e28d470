from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.feature import hog as histograms

from eyecli.evaluation.image_baselines import brightness, hog


def fundus(colour: tuple[int, int, int], side: int = 200) -> np.ndarray:
    pixels = np.zeros((side, side, 3), np.uint8)
    cv2.circle(pixels, (side // 2, side // 2), side // 2 - 10, colour, -1)
    return pixels


def test_brightness_is_that_of_the_fundus_whatever_the_frame() -> None:
    pixels = fundus((180, 90, 30))
    assert brightness(pixels) == pytest.approx([180, 90, 30, 0, 0, 0])
    framed = np.pad(pixels, ((0, 0), (60, 60), (0, 0)))
    assert brightness(framed) == pytest.approx([180, 90, 30, 0, 0, 0])
    half = pixels.copy()
    half[:100] //= 2
    assert brightness(half)[[0, 3]] == pytest.approx([135, 45], abs=2)
    assert not brightness(np.zeros((8, 8, 3), np.uint8)).any()


def test_hog_is_of_the_small_grey_image() -> None:
    # No whole numbers: on the border of two orientations rounding would decide.
    pixels = np.random.default_rng(0).uniform(0, 255, (256, 256, 3))
    found = hog(pixels)
    assert found.shape == (1764,)
    blocks = pixels.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3, 4)) / 255
    expected = histograms(blocks, pixels_per_cell=(16, 16), cells_per_block=(2, 2))
    np.testing.assert_allclose(found, expected, atol=1e-9)
