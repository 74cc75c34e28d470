from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.data.arrays import Arrays, ArraySpec, ArrayWriter
from eyecli.training.backend import load_keras
from eyecli.training.fit import predict
from eyecli.training.symmetries import turned

PICTURES = np.random.default_rng(0).normal(size=(5, 6, 6, 2)).astype(np.float32)


def show(pictures: np.ndarray, view: int) -> np.ndarray:
    return turned({"pixels": pictures}, view)["pixels"]


def test_the_eight_are_those_of_a_square() -> None:
    expected = [
        np.rot90(mirrored, turns, axes=(1, 2))
        for mirrored in (PICTURES, PICTURES[:, :, ::-1])
        for turns in range(4)
    ]
    found = [show(PICTURES, view) for view in range(8)]
    assert {each.tobytes() for each in found} == {
        np.ascontiguousarray(each).tobytes() for each in expected
    }
    np.testing.assert_array_equal(found[0], PICTURES)
    np.testing.assert_array_equal(found[1], PICTURES[:, :, ::-1])
    np.testing.assert_array_equal(found[3], np.rot90(PICTURES, 2, axes=(1, 2)))
    np.testing.assert_array_equal(turned({"age": PICTURES[:, 0, 0]}, 7)["age"], PICTURES[:, 0, 0])


@pytest.mark.parametrize("views", [2, 4, 8])
def test_those_that_are_averaged_are_closed(views: int) -> None:
    known = {show(PICTURES, view).tobytes() for view in range(views)}
    assert len(known) == views
    for first in range(views):
        for second in range(views):
            assert show(show(PICTURES, first), second).tobytes() in known


@pytest.fixture(scope="module")
def network() -> Any:
    """Read a picture with another weight at each pixel: no symmetry of its own."""
    keras = load_keras()
    pixels = keras.Input((6, 6, 2), name="pixels")
    dense = keras.layers.Dense(3, "tanh")(keras.layers.Flatten()(pixels))
    return keras.Model({"pixels": pixels}, {"logits": dense})


def stored(folder: Path, pictures: np.ndarray) -> Arrays:
    writer = ArrayWriter(folder, {"pixels": ArraySpec((6, 6, 2), "float32")})
    for picture in pictures:
        writer.append({"pixels": picture})
    writer.close()
    return Arrays(folder)


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_outputs_are_averaged_and_do_not_depend_on_how_a_picture_lies(
    tmp_path: Path, network: Any, views: int
) -> None:
    rows = np.array([3, 0, 4])

    def run(name: str, pictures: np.ndarray) -> np.ndarray:
        arrays = stored(tmp_path / name, pictures)
        return predict(
            network, arrays, ["pixels"], rows, lambda x: {"pixels": x["pixels"] / 2}, views=views
        )["logits"]

    by_hand = np.mean(
        [
            load_keras().ops.convert_to_numpy(
                network({"pixels": show(PICTURES[rows] / 2, view)})["logits"]
            )
            for view in range(views)
        ],
        axis=0,
    )
    found = run("plain", PICTURES)
    np.testing.assert_allclose(found, by_hand, atol=1e-6)
    for view in range(8):
        other = run(f"view{view}", show(PICTURES, view))
        assert np.allclose(found, other, atol=1e-6) == (view < views)
