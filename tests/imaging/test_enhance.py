"""Graham's normalisation is his formula, the fast form is close, CLAHE leaves colour alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from eyecli.imaging.enhance import clahe, graham


def crop(size: int) -> np.ndarray:
    return cv2.resize(data.retina(), (size, size), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(("size", "radius"), [(128, None), (256, None), (256, 100.0)])
def test_it_is_the_formula(size: int, radius: float | None) -> None:
    from scipy import ndimage

    image = crop(size)
    reach = radius or size / 2
    blurred = ndimage.gaussian_filter(image.astype(float), (reach / 30, reach / 30, 0),
                                      mode="mirror")  # fmt: skip
    expected = np.clip(4.0 * image - 4 * blurred + 128, 0, 255)
    place = np.arange(size) + 0.5 - size / 2
    expected[np.hypot(place[:, None], place) > 0.9 * reach] = 128
    # The blur is rounded to whole levels, and the gain is four.
    assert np.abs(graham(image, radius) - expected).max() <= 5


@pytest.mark.parametrize("size", [130, 256, 512])
def test_the_fast_form_is_close(size: int) -> None:
    exact, fast = (graham(crop(size), fast=f).astype(float) for f in (False, True))
    noise = np.mean((exact - fast) ** 2)
    assert 10 * np.log10(255**2 / noise) > 36
    assert abs(exact.mean() - fast.mean()) < 0.5


@settings(max_examples=20, deadline=None)
@given(st.integers(16, 90), st.integers(0, 255), st.booleans())
def test_what_is_even_becomes_grey(size: int, level: int, fast: bool) -> None:
    assert (graham(np.full((size, size, 3), level, np.uint8), fast=fast) == 128).all()


def test_light_does_not_matter() -> None:
    image = crop(128)
    brighter = np.clip(image.astype(int) + 15, 0, 255).astype(np.uint8)
    inside = (image > 20).all(axis=2) & (brighter < 255).all(axis=2)
    change = np.abs(graham(image).astype(int) - graham(brighter))[inside]
    assert np.median(change) <= 4


def test_clahe_equalises_lightness_only() -> None:
    image = crop(128)
    dull = (image * 0.4).astype(np.uint8)
    out = clahe(dull)
    before, after = (cv2.cvtColor(x, cv2.COLOR_RGB2LAB).astype(float) for x in (dull, out))
    inside = image.min(axis=2) > 20
    assert after[..., 0][inside].std() > 1.2 * before[..., 0][inside].std()
    assert np.median(np.abs(after - before)[inside][:, 1:]) <= 2
    lightness = cv2.createCLAHE(2.0, (8, 8)).apply(before[..., 0].astype(np.uint8))
    assert np.median(np.abs(after[..., 0] - lightness)[inside]) <= 1
