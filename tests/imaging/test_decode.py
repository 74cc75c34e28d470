from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from eyecli.errors import DataError
from eyecli.imaging.decode import decode_rgb, resize_square

IMAGES = {
    "astronaut": np.ascontiguousarray(data.astronaut()[:96, 160:320]),
    "retina": np.ascontiguousarray(data.retina()[500:600, 300:420]),
}


def encode(pixels: np.ndarray, form: str) -> bytes:
    return bytes(cv2.imencode(form, pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1])


ENCODED = {form: encode(IMAGES["astronaut"][:20, :30], form) for form in (".png", ".jpg", ".bmp")}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("form", [".png", ".bmp", ".tiff", ".jpg"])
def test_real_images_come_back_as_rgb(name: str, form: str) -> None:
    pixels = IMAGES[name]
    decoded = decode_rgb(encode(pixels, form), name)
    assert (decoded.shape, decoded.dtype) == (pixels.shape, np.uint8)
    if form == ".jpg":
        # Mean by channel: swapped channels would differ by tens.
        gap = decoded.reshape(-1, 3).mean(axis=0) - pixels.reshape(-1, 3).mean(axis=0)
        assert np.abs(gap).max() < 1
        assert pixels[..., 0].mean() - pixels[..., 2].mean() > 10
    else:
        np.testing.assert_array_equal(decoded, pixels)


def test_grey_is_repeated_and_transparency_dropped() -> None:
    grey = IMAGES["retina"][..., 0]
    np.testing.assert_array_equal(
        decode_rgb(encode(grey, ".png"), "grey"), np.repeat(grey[..., None], 3, axis=2)
    )
    rgba = np.dstack([IMAGES["retina"], np.full(grey.shape, 9, np.uint8)])
    content = bytes(cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1])
    np.testing.assert_array_equal(decode_rgb(content, "rgba"), IMAGES["retina"])


def test_sixteen_bits_become_eight() -> None:
    deep = encode(IMAGES["retina"].astype(np.uint16) * 257, ".png")
    np.testing.assert_array_equal(decode_rgb(deep, "deep"), IMAGES["retina"])


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_garbage_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"photo\.png: not a readable image"):
        decode_rgb(content, "photo.png")


@given(st.sampled_from(sorted(ENCODED)), st.floats(0, 0.999))
@settings(max_examples=60, deadline=None)
def test_a_truncated_image_is_refused(form: str, share: float) -> None:
    """Never a picture whose lower part is grey."""
    content = ENCODED[form]
    with pytest.raises(DataError, match="not a readable image"):
        decode_rgb(content[: int(share * len(content))], "photo")


@pytest.mark.parametrize("shape", [(100, 100), (10, 20), (40, 300), (64, 64)])
def test_crops_become_square(shape: tuple[int, int]) -> None:
    pixels = cv2.resize(IMAGES["astronaut"], shape[::-1])
    square = resize_square(pixels, 64)
    assert (square.shape, square.dtype) == ((64, 64, 3), np.uint8)
    assert np.abs(square.mean(axis=(0, 1)) - pixels.mean(axis=(0, 1))).max() < 4
    if shape == (64, 64):
        np.testing.assert_array_equal(square, pixels)


def test_shrinking_averages() -> None:
    """A fine chequerboard becomes grey; picking pixels would leave it black or white."""
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = resize_square(np.repeat(board[..., None], 3, axis=2), 32)
    assert np.abs(small.astype(int) - 128).max() <= 1
