"""Whether a fundus photograph can be graded: a score, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from eyecli.imaging.fundus import Fundus

# The side at which bands of detail are measured: thresholds hold for it only.
SIDE = 128
# What is smaller was enlarged, or shows no fine detail: whether it is sharp cannot be told.
LEAST_SIDE = 112
# How fast a part of the score changes about its threshold: by 1.2 times, to 0.67 or 0.33.
STEEPNESS = 4.0
# The fundus as far as this share of its radius: the border itself is no detail.
WITHIN = 0.93
# Standard deviations of the blurs, in pixels of 128, between which detail is measured.
FINE, MEDIUM, COARSE = 0.75, 1.5, 4.0
# Neither dark places nor quotients of noise shall count as contrast, in levels.
OFFSET, NOISE = 8.0, 0.2
# Darker than this everywhere is black; of a lower deviation, in levels, uniform.
BLACK, UNIFORM = 20, 2.0
BURNT = 245


@dataclass(frozen=True)
class Threshold:
    """Where a measure makes a photograph unusable.

    Attributes
    ----------
    measure
        Name of the measure.
    value
        At which its part of the score is one half.
    reason
        What is wrong on the bad side of it.
    higher
        Whether more is better.
    why
        Where the value comes from; percentages are of 404 photographs of IDRiD, all gradable.
    """

    measure: str
    value: float
    reason: str
    higher: bool
    why: str


THRESHOLDS = (
    Threshold("sharpness", 0.30, "blurred", True,
              "98 % are above 0.38; blurred by a fortieth of the radius, 84 % are below"),
    Threshold("contrast", 0.006, "uniform", True,
              "all are above 0.007; with 70 % of even haze mixed in, 73 % are below"),
    Threshold("light", 22.0, "under-exposed", True,
              "all are above 37 levels; with a seventh of the light, 96 % are below"),
    Threshold("burnt", 0.25, "over-exposed", False,
              "all are below 0.04; at three times the light, 65 % are above"),
    Threshold("seen", 0.5, "cut off", True,
              "the usual cuts, at the top and at the bottom, leave 96 %"),
    Threshold("diameter", 160.0, "too small", True,
              "large microaneurysms, 0.1 mm in a field of some 13 mm, are about a pixel"),
)  # fmt: skip

Reason = Literal[
    "black", "uniform", "blurred", "under-exposed", "over-exposed", "no fundus", "too small",
    "cut off",
]  # fmt: skip


@dataclass(frozen=True)
class Quality:
    """How well a photograph can be graded.

    Attributes
    ----------
    score
        0 to 1; below one half it is not usable. The least of the parts.
    reasons
        What brings the score below one half, the worst first.
    measures
        What was measured, by the names of `THRESHOLDS`.
    """

    score: float
    reasons: tuple[str, ...]
    measures: dict[str, float] = field(default_factory=dict)


def quality(crop: np.ndarray, fundus: Fundus | None) -> Quality:
    """Score a fundus photograph by sharpness, contrast, light, and how much of it there is.

    Each measure gives a part, ``m^4 / (m^4 + t^4)`` with its threshold t; the score is the
    least, since a blurred picture is not made up for by good light. Sharpness is the
    contrast of details between Gaussians of 0.75 and 1.5 pixels by that between 1.5 and 4, at 128
    pixels (where noise is little); both are of the green channel.

    Parameters
    ----------
    crop
        (size, size, 3) uint8 RGB, as `crop_fundus` makes it; of 112 pixels or more, or
        sharpness is not looked at.
    fundus
        Its circle in pixels of the original; None where none was found.

    Returns
    -------
    Quality
    """
    if fundus is None:
        return Quality(0.0, (_without_fundus(crop),))
    measures = measure(crop) | {"diameter": 2 * fundus.radius}
    parts = {t.reason: _part(measures[t.measure], t) for t in THRESHOLDS if t.measure in measures}
    bad = sorted((part, reason) for reason, part in parts.items() if part < 0.5)
    return Quality(min(parts.values()), tuple(reason for _, reason in bad), measures)


def measure(crop: np.ndarray) -> dict[str, float]:
    """Measure what `THRESHOLDS` name, but for the diameter.

    Parameters
    ----------
    crop
        (size, size, 3) uint8 RGB; what is 0 in all channels is not looked at.
    """
    import cv2

    small = crop.shape[0] < LEAST_SIDE
    if crop.shape[0] != SIDE:
        method = cv2.INTER_AREA if crop.shape[0] > SIDE else cv2.INTER_LINEAR
        crop = cv2.resize(crop, (SIDE, SIDE), interpolation=method)
    offset = np.arange(SIDE) + 0.5 - SIDE / 2
    circle = offset[:, None] ** 2 + offset**2 < (WITHIN * SIDE / 2) ** 2
    seen = circle & ((crop[..., 0] | crop[..., 1] | crop[..., 2]) > 0)
    # Straight edges of the picture are no detail either.
    inside = cv2.erode(seen.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0) > 0
    found = {"seen": float(seen.sum() / circle.sum())}
    if not inside.any():
        return found | {"sharpness": 0.0, "contrast": 0.0, "light": 0.0, "burnt": 0.0}
    green = crop[..., 1].astype(np.float32)
    weight = inside.astype(np.float32)
    fine, medium, coarse = (_mean(green, weight, sigma) for sigma in (FINE, MEDIUM, COARSE))
    mask = inside.astype(np.uint8)
    details = float(cv2.meanStdDev(fine - medium, mask=mask)[1].item())
    forms = float(cv2.meanStdDev(medium - coarse, mask=mask)[1].item())
    levels = green[inside]
    found |= {
        "contrast": details / (float(levels.mean()) + OFFSET),
        # Red alone is no light: it stays where the vessels are already lost.
        "light": float(np.sqrt(np.median(crop[..., 0][inside] * levels))),
        "burnt": float((levels >= BURNT).mean()),
    }
    return found if small else found | {"sharpness": details / (forms + NOISE)}


def _part(value: float, threshold: Threshold) -> float:
    if value <= 0:
        return 0.0 if threshold.higher else 1.0
    power = (value / threshold.value) ** STEEPNESS
    return float(power / (power + 1) if threshold.higher else 1 / (power + 1))


def _mean(levels: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Blur within a mask, as if there were nothing outside of it."""
    import cv2

    total = cv2.GaussianBlur(levels * weight, (0, 0), sigma)
    return np.asarray(total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3))


def _without_fundus(crop: np.ndarray) -> Reason:
    seen = crop[crop.any(axis=2)]
    if not len(seen) or np.percentile(seen, 99) < BLACK:
        return "black"
    return "uniform" if seen.std(axis=0).max() < UNIFORM else "no fundus"
