from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import store

from eyecli.data.fingerprints import FORMS
from eyecli.data.identical import QUARTERS, identical_images
from eyecli.data.lookalikes import find_lookalikes, lookalikes_between


def random_images(seed: int, number: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, height, width), dtype=np.uint8)


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(8, 40), width=st.integers(8, 40), form=st.sampled_from(QUARTERS),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_mirrored_or_turned_image_is_found(
    height: int, width: int, form: int, seed: int
) -> None:
    one, two, three = random_images(seed, 3, height, width)
    mirrored, degrees = FORMS[form]
    moved = np.rot90(two[:, ::-1] if mirrored else two, degrees // 90)
    images = [one, two, three, moved, two]
    assert list(identical_images(range(5), images.__getitem__)) == [(1, 3, form), (1, 4, 0)]


def test_other_images_of_the_same_values_and_almost_blank_ones_are_not() -> None:
    (one,) = random_images(0, 1, 12, 12)
    shuffled = np.random.default_rng(1).permutation(one.ravel()).reshape(one.shape)
    blank = np.zeros((12, 12), np.uint8)
    assert list(identical_images(range(4), [one, shuffled, blank, blank].__getitem__)) == []
    assert list(identical_images(range(2), [one // 32, one // 32].__getitem__)) == []


@pytest.mark.parametrize("side", [16, 48])
def test_small_images_are_compared_within_a_set_and_between_two(tmp_path: Path, side: int) -> None:
    left, right = ([p[..., None] for p in random_images(n, 4, side, side)] for n in (0, 1))
    blank = np.zeros((side, side, 1), np.uint8)
    left[3], right[0], right[1] = left[0][:, ::-1], blank, blank
    arrays = store(tmp_path, left=left, right=right, bytes=[np.zeros((3, 3), np.uint8)] * 4)
    (pair,) = find_lookalikes(arrays, list("abcd"))
    assert pair == (0, 3, 1.0, "left mirrored")
    (pair,) = lookalikes_between(arrays, np.array([2, 3]), arrays, np.array([1, 0]))
    assert pair == (3, 0, 1.0, "left mirrored")
