"""Squares are cut where they say, upright, and the transform says the same as the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.imaging.square import Square, crop_square, square_transform


def spot(x: float, y: float, size: tuple[int, int] = (200, 300), radius: float = 4) -> np.ndarray:
    """A bright blob centred at (x, y) in pixels whose centres lie at one half."""
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return np.repeat((255 * blob)[..., None], 3, axis=2).astype(np.uint8)


def centre_of(image: np.ndarray) -> np.ndarray:
    weight = image[..., 0].astype(float)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@settings(max_examples=60, deadline=None)
@given(
    st.floats(100, 200), st.floats(80, 120), st.floats(40, 110), st.floats(-40, 40),
    st.sampled_from([32, 64, 128]), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2),
)  # fmt: skip
def test_the_transform_says_where_a_pixel_goes(
    x: float, y: float, side: float, roll: float, size: int, dx: float, dy: float
) -> None:
    square = Square(x, y, side, roll)
    place = np.array([x + dx * side, y + dy * side])
    crop = crop_square(spot(place[0], place[1], radius=side / 16), square, size)
    expected = square_transform(square, size) @ (*place, 1)
    assert centre_of(crop) == pytest.approx(expected, abs=0.02 * size)


def test_the_centre_goes_to_the_middle_and_the_corners_to_the_corners() -> None:
    matrix = square_transform(Square(50, 40, 20), 10)
    assert matrix @ (50, 40, 1) == pytest.approx((5, 5))
    assert matrix @ (40, 30, 1) == pytest.approx((0, 0))
    assert matrix @ (60, 50, 1) == pytest.approx((10, 10))


def test_a_turned_square_is_upright_in_the_crop() -> None:
    """A head that leans clockwise: what is right of the centre along the lean is level."""
    matrix = square_transform(Square(50, 40, 20, 30), 10)
    along = (50 + 5 * np.cos(np.deg2rad(30)), 40 + 5 * np.sin(np.deg2rad(30)), 1)
    assert matrix @ along == pytest.approx((7.5, 5))


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((200, 200, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crop_square(stripes, Square(100, 100, 160), 20)
    assert np.abs(crop.astype(int) - 127).max() < 20


def test_beyond_the_image_its_edge_is_repeated() -> None:
    image = np.full((50, 50, 3), 90, np.uint8)
    assert (crop_square(image, Square(0, 0, 60), 16) == 90).all()
    assert (crop_square(image, Square(-200, 25, 30), 16) == 90).all()
