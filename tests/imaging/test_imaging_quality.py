"""The score falls as a photograph gets worse, for the reason it got worse."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from fundus_photographs import Scene, photograph
from real_data import real_data

from eyecli.imaging.fundus import Fundus, crop_fundus, find_fundus, read_fundus
from eyecli.imaging.quality import THRESHOLDS, Quality, quality

CIRCLE = Fundus(128.0, 128.0, 128.0, (), 0.0, False).scaled(4)


def good(size: int = 256) -> np.ndarray:
    image = photograph(Scene(560, 420, 280.0, 210.0, 200.0, noise=0.0))
    fundus = find_fundus(image)
    assert fundus is not None
    return crop_fundus(image, fundus, size)


def blurred(crop: np.ndarray, sigma: float) -> np.ndarray:
    """Out of focus, behind a sharp border."""
    if not sigma:
        return crop
    inside = (crop.max(axis=2) > 10).astype(np.float32)
    weight = np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma), 1e-3)
    out = cv2.GaussianBlur(crop * inside[..., None], (0, 0), sigma) / weight[..., None]
    return np.where(inside[..., None] > 0, np.clip(np.rint(out), 0, 255), crop).astype(np.uint8)


def dimmed(crop: np.ndarray, times: float) -> np.ndarray:
    return np.rint(crop / times).astype(np.uint8)


def darkened(crop: np.ndarray, gamma: float) -> np.ndarray:
    return np.rint(255 * (crop / 255) ** gamma).astype(np.uint8)


def lit(crop: np.ndarray, times: float) -> np.ndarray:
    return np.clip(crop * times, 0, 255).astype(np.uint8)


def hazy(crop: np.ndarray, share: float) -> np.ndarray:
    haze = (1 - share) * crop + share * np.array([200, 130, 90])
    return np.where(crop.max(axis=2, keepdims=True) > 10, haze, crop).astype(np.uint8)


def covered(crop: np.ndarray, share: float) -> np.ndarray:
    out = crop.copy()
    out[: round(share * len(crop))] = 0
    return out


Degrade = Callable[[np.ndarray, float], np.ndarray]
DEGREES: dict[str, tuple[Degrade, tuple[float, ...]]] = {
    "blurred": (blurred, (0, 0.7, 1, 1.5, 2, 3, 5, 8)),
    "under-exposed": (dimmed, (1, 2, 4, 7, 12, 20)),
    "over-exposed": (lit, (1.0, 2.0, 3.0, 5.0, 8.0)),
    "uniform": (hazy, (0, 0.3, 0.5, 0.7, 0.9, 0.97)),
    "cut off": (covered, (0, 0.2, 0.4, 0.6, 0.8)),
}


def test_a_good_one_is_good() -> None:
    found = quality(good(), CIRCLE)
    assert found.score > 0.8 and found.reasons == ()
    assert set(found.measures) == {t.measure for t in THRESHOLDS}


@pytest.mark.parametrize("reason", DEGREES)
def test_the_score_falls_with_each_degree(reason: str) -> None:
    degrade, degrees = DEGREES[reason]
    found = [quality(degrade(good(), degree), CIRCLE) for degree in degrees]
    scores = np.array([q.score for q in found])
    assert np.diff(scores).max() < 0.02, scores
    assert scores[-1] < 0.2
    assert reason in found[-1].reasons


def test_gamma_darkens() -> None:
    scores = [quality(darkened(good(), gamma), CIRCLE).score for gamma in (1, 1.5, 2, 3, 5, 8)]
    assert np.diff(scores).max() < 0.02
    assert scores[-1] < 0.1


def test_a_small_one_is_too_small() -> None:
    scores = [quality(good(), CIRCLE.scaled(s)) for s in (1, 0.2, 0.1, 0.05)]
    assert [q.score for q in scores] == sorted((q.score for q in scores), reverse=True)
    assert scores[-1].reasons == ("too small",)


def test_without_a_fundus_the_score_is_nothing() -> None:
    shape = (128, 128, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert quality(np.zeros(shape, np.uint8), None) == Quality(0.0, ("black",))
    assert quality((noise // 16).astype(np.uint8), None) == Quality(0.0, ("black",))
    assert quality(np.full(shape, 90, np.uint8), None) == Quality(0.0, ("uniform",))
    assert quality(noise, None) == Quality(0.0, ("no fundus",))
    assert quality(np.zeros(shape, np.uint8), CIRCLE).score == 0


def test_the_size_of_the_crop_matters_little() -> None:
    found = [quality(good(size), CIRCLE).measures for size in (128, 200, 256, 384)]
    for name in ("sharpness", "contrast", "light", "seen"):
        values = [measures[name] for measures in found]
        assert max(values) < 1.15 * min(values), (name, values)
    assert "sharpness" not in quality(good(64), CIRCLE).measures


def test_real_photographs_pass_and_their_ruins_do_not() -> None:
    paths = sorted((real_data("dr/idrid") / "images").iterdir())[::8]
    crops, scores = [], []
    for path in paths:
        reading = read_fundus(path.read_bytes(), path.name, 256)
        crops.append((reading.crop, reading.fundus))
        scores.append(quality(*crops[-1]).score)
    assert np.mean(np.array(scores) < 0.5) <= 0.02
    for degrade, degree in ((blurred, 5), (dimmed, 12), (lit, 8.0), (hazy, 0.9), (covered, 0.7)):
        ruined = [quality(degrade(crop, degree), fundus).score for crop, fundus in crops]
        assert np.mean(np.array(ruined) < 0.5) > 0.95, degrade.__name__
