"""The disc's side follows the picture when it is mirrored, and is not told where it is not seen."""

from __future__ import annotations

import numpy as np
import pytest
from fundus_photographs import Scene, photograph
from real_data import real_data

from eyecli.imaging.disc import SURE, disc_side
from eyecli.imaging.fundus import Fundus, crop_fundus, read_fundus


def crop(turned_deg: float = 0.0, light: float = 1.0, size: int = 256) -> np.ndarray:
    scene = Scene(440, 340, 220.0, 170.0, 160.0, turned_deg=turned_deg, light=light)
    return crop_fundus(photograph(scene), Fundus(220.0, 170.0, 160.0, (), 0.0, False), size)


@pytest.mark.parametrize("size", [128, 256, 512])
@pytest.mark.parametrize("light", [0.3, 1.0])
def test_a_disc_on_the_left(size: int, light: float) -> None:
    image = crop(light=light, size=size)
    assert disc_side(image) < -SURE
    assert disc_side(image[:, ::-1]) > SURE
    assert disc_side(image[::-1]) < -SURE
    assert disc_side(crop(180.0, light, size)) > SURE


def test_nothing_is_told_of_nothing() -> None:
    assert disc_side(np.zeros((64, 64, 3), np.uint8)) == 0
    assert abs(disc_side(np.full((64, 64, 3), 90, np.uint8))) < 0.2
    narrow = np.zeros((64, 64, 3), np.uint8)
    narrow[:, :5] = 80
    assert disc_side(narrow) == 0


def test_real_photographs_are_mirrored_consistently() -> None:
    """Their sides are not labelled; a side must change with the picture, and mostly be sure."""
    sides = []
    for path in sorted((real_data("dr/idrid") / "images").iterdir())[::8]:
        image = read_fundus(path.read_bytes(), path.name, 256).crop
        side = disc_side(image)
        assert disc_side(image[:, ::-1]) == pytest.approx(-side, abs=0.05)
        sides.append(side)
    assert np.mean(np.abs(sides) > SURE) > 0.7
    assert 0.25 < np.mean(np.array(sides) > 0) < 0.75
