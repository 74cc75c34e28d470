from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.feature import hog as histograms

from eyecli.evaluation import image_baselines
from eyecli.evaluation.image_baselines import baseline_probabilities, brightness, hog, majority


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


def data(n: int = 80) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, n)
    return np.column_stack([classes + 0.3 * rng.normal(size=n), rng.normal(size=n)]), classes


def test_probabilities_come_from_the_train_rows_only() -> None:
    features, classes = data()
    train, test, groups = np.arange(50), np.arange(50, 80), np.arange(80) // 2
    found = baseline_probabilities(features, classes, train, test, groups, 4)
    assert found.shape == (30, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == classes[test]).mean() > 0.85
    other = classes.copy()
    other[50:] = 0
    again = baseline_probabilities(features, other, train, test, groups, 4)
    np.testing.assert_array_equal(again, found)
    shares = np.bincount(classes[:50], minlength=4) / 50
    np.testing.assert_allclose(majority(other, train, test, 4), np.tile(shares, (30, 1)))


def test_what_is_unknown_is_the_median_of_the_train_rows() -> None:
    features, classes = data()
    train, test, groups = np.arange(50), np.arange(50, 80), np.arange(80)
    holes, filled = features.copy(), features.copy()
    holes[[3, 60], 0], holes[7, 1] = np.nan, np.inf
    filled[[3, 60], 0] = np.median(np.delete(features[:50, 0], 3))
    filled[7, 1] = np.median(np.delete(features[:50, 1], 7))
    # Nothing is known of a column in train: it says nothing.
    unknown = np.where(np.arange(80) < 50, np.nan, 1.0)
    found, expected = (
        baseline_probabilities(f, classes, train, test, groups, 3)
        for f in (np.column_stack([holes, unknown]), filled)
    )
    np.testing.assert_allclose(found, expected)


def test_many_rows_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    features, classes = data()
    train, test, groups = np.arange(50), np.arange(50, 80), np.arange(80)
    monkeypatch.setattr(image_baselines, "MOST", 25)
    some = np.linspace(0, 49, 25).astype(int)
    found = baseline_probabilities(features, classes, train, test, groups, 3)
    expected = baseline_probabilities(features, classes, some, test, groups, 3)
    np.testing.assert_array_equal(found, expected)
