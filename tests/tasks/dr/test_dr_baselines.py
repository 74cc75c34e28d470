"""Rotation tells the label where only diseased photographs were turned, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fundus_photographs import Scene, photograph
from real_data import real_data

from eyecli.evaluation.image_baselines import outline
from eyecli.evaluation.logistic import fit_logistic
from eyecli.imaging.fundus import read_fundus
from eyecli.metrics.roc import auc

SIDE = 128
# One half of the photographs shows retinopathy after EyeNet's recipe, as it does there.
HEALTHY, SICK = 60, 22
TURNS = (90, 120, 180, 270)


def crop(picture: np.ndarray) -> np.ndarray:
    done, encoded = cv2.imencode(".png", picture[..., ::-1])
    assert done
    return read_fundus(encoded.tobytes(), "test", SIDE).crop


def drawn(number: int) -> np.ndarray:
    """A photograph as cameras make it: cut at top and bottom, with a notch, lit at random."""
    rng = np.random.default_rng(number)
    scene = Scene(
        240, 200, 120 + rng.normal(0, 2), 100 + rng.normal(0, 1), 105, noise=1, notch=0.15,
        light=rng.uniform(0.7, 1.1), slope=rng.uniform(0, 0.4), slope_deg=rng.uniform(0, 360),
        turned_deg=rng.uniform(0, 360), seed=number,
    )  # fmt: skip
    return crop(photograph(scene))


def turned(square: np.ndarray, degrees: float) -> np.ndarray:
    middle = ((SIDE - 1) / 2, (SIDE - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1)
    return cv2.warpAffine(square, matrix, (SIDE, SIDE))


def as_eyenet(squares: list[np.ndarray], sick: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """All are mirrored; only what shows retinopathy is turned (src/rotate_images.py)."""
    found, labels = [], []
    for square, positive in zip(squares, sick, strict=True):
        copies = [square, square[:, ::-1]]
        copies += [turned(square, degrees) for degrees in TURNS] if positive else []
        found += copies
        labels += [positive] * len(copies)
    return found, np.array(labels)


def judged(squares: list[np.ndarray], sick: np.ndarray) -> tuple[float, float]:
    """Accuracy and area under the curve of photographs drawn at random, as EyeNet drew them."""
    features = np.array([outline(square) for square in squares])
    samples = np.arange(len(sick)).astype(str)
    score = fit_logistic(features, sick[:, None], samples).held_out[:, 0]
    return float(((score > 0) == sick).mean()), auc(score, sick)


def test_turning_the_sick_alone_betrays_them() -> None:
    squares = [drawn(number) for number in range(HEALTHY + SICK)]
    sick = np.arange(len(squares)) >= HEALTHY
    copies, labels = as_eyenet(squares, sick)
    share = labels.mean()
    assert 0.45 < share < 0.55
    accuracy, _ = judged(copies, labels)
    # 82.6 % is all that can be had: two of a sick photograph's six copies were not turned.
    assert accuracy > 0.8
    # Only as many as they are, and unturned, nothing tells them apart.
    _, area = judged(squares, sick)
    assert 0.3 < area < 0.7


def test_the_same_on_real_photographs() -> None:
    folder = real_data("dr/idrid")
    rows = [line.split(",") for line in (folder / "labels.csv").read_text().split()[1:]]
    healthy = [path for path, grade, *_ in rows if grade == "0"][:HEALTHY]
    sick = [path for path, grade, *_ in rows if grade != "0"][: 3 * SICK : 3]
    squares = [
        read_fundus(Path(folder, path).read_bytes(), path, SIDE).crop for path in healthy + sick
    ]
    labels = np.arange(len(squares)) >= len(healthy)
    accuracy, _ = judged(*as_eyenet(squares, labels))
    assert accuracy > 0.8
    _, area = judged(squares, labels)
    assert 0.3 < area < 0.7


@pytest.mark.parametrize("level", [0.4, 1.0])
def test_the_outline_is_that_of_the_circle_whatever_the_light(level: float) -> None:
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    cv2.circle(square, (SIDE // 2, SIDE // 2), SIDE // 2, (200, 120, 60), -1)
    plain = outline((square * level).astype(np.uint8))
    np.testing.assert_allclose(plain, 1, atol=1e-9)
    square[: SIDE // 8] = 0
    cut = outline((square * level).astype(np.uint8)).reshape(2, 24)
    # The upper quarter, where rows are few; the lower half is as it was.
    assert (cut[:, 17:19] < 0.85).all() and (cut[:, :12] == 1).all()
    # A quarter turn moves all by six sectors, a mirror reverses them.
    np.testing.assert_allclose(outline(np.rot90(square, -1)), np.roll(cut, 6, axis=1).ravel())
    assert not outline(np.zeros((8, 8, 3), np.uint8)).any()


def test_a_notch_is_seen_in_its_sector_alone() -> None:
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    cv2.circle(square, (SIDE // 2, SIDE // 2), SIDE // 2, (200, 120, 60), -1)
    angle = np.deg2rad(37.5)
    at = SIDE / 2 + SIDE / 2 * np.array([np.cos(angle), np.sin(angle)])
    cv2.circle(square, (round(at[0]), round(at[1])), 4, (0, 0, 0), -1)
    nearest, farthest = outline(square).reshape(2, 24)
    assert nearest[2] < 0.97 and (np.delete(nearest, 2) == 1).all() and (farthest == 1).all()
