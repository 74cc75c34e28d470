"""Where the bright disc of a fundus photograph ends: two searches for its circle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eyecli.imaging.circle import Circle, common_circle, widest_gap

# Grids of the two searches: the longer side is at most so many pixels.
COARSE, FINE = 160, 256
# Darker by less than so many levels, nothing is told from noise.
CONTRAST = 6
# Of the levels of a picture, the percentile that a fundus reaches and writing does not.
LIGHT = 98
# Brighter than the background by this part of the way to bright places is picture.
LEVEL = 0.12
# So many of the points of an outline must lie near one circle.
OUTLINE = 0.75
# An outline that runs along its bounding box for so much of its width is cut straight there.
STRAIGHT = 0.3
# Radii that are looked for, as parts of the shorter and the longer side.
RADII = (0.1, 1.0)
# Rays, and samples along each, with which a circle is measured: this far to each side, in radii.
RAYS, STEPS, REACH = 240, 21, 0.06
# Outside, a border is darker than this part of inside.
FALL = 0.75
# Of the rays that are bright inside, and of all, so many must cross a border near the circle.
BRIGHT_SHARE, SHARE = 0.6, 0.25
# A circle further than this from what was measured, in radii, does not fit.
WORST = 0.01
# A circle of which only a short arc is seen is not known: the widest angle without a border.
GAP_DEG = 290
# Least fall, in natural logarithms, across so many pixels of the fine grid to each side.
STEEP, ACROSS = 0.25, 4
# Falls of one ray that may be the border: lesions and the disc's edge may be steeper.
FALLS = 3
# Noise, in levels, that logarithms shall not blow up.
NOISE = 3.0


@dataclass(frozen=True)
class Border:
    """A circle in pixels of the image, and how far from it the border is, in radii (median)."""

    circle: Circle
    residual: float


def by_threshold(pixels: np.ndarray) -> Border | None:
    """Fit a circle to the outline of the largest bright region; None where it does not fit.

    Parameters
    ----------
    pixels
        (height, width, 3) uint8.
    """
    import cv2

    step = max(1, -(-max(pixels.shape[:2]) // COARSE))
    first = step // 2
    bright = cv2.blur(_brightest(pixels[first::step, first::step]), (3, 3))
    low, high = float(bright.min()), float(np.percentile(bright, LIGHT))
    if high - low < CONTRAST:
        return None
    mask = (bright > low + max(LEVEL * (high - low), CONTRAST / 2)).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = _round_part(max(outlines, key=cv2.contourArea)[:, 0].astype(float), bright.shape)
    # An outline is whole pixels of the grid.
    tolerance = 0.01 + 2 / max(bright.shape)
    circle = common_circle(points, tolerance, _radii(bright), 200)
    if circle is None or (np.abs(circle.distances(points)) < tolerance).mean() < OUTLINE:
        return None
    # The outline runs through the last bright pixels, and the next are dark.
    x, y = (first + 0.5 + step * place for place in (circle.x, circle.y))
    return refined(pixels, Circle(x, y, step * (circle.radius + 0.5)), 2.0 * step)


def by_gradient(pixels: np.ndarray) -> Border | None:
    """Fit a circle to the steepest relative falls of brightness along rays.

    A fall by half counts the same in a dark corner as in the light.

    Parameters
    ----------
    pixels
        (height, width, 3) uint8.
    """
    import cv2

    height, width = pixels.shape[:2]
    scale = max(1.0, max(height, width) / FINE)
    small = cv2.resize(pixels, (max(1, round(width / scale)), max(1, round(height / scale))),
                       interpolation=cv2.INTER_AREA)  # fmt: skip
    bright = _brightest(small).astype(np.float32)
    if np.percentile(bright, LIGHT) - bright.min() < CONTRAST:
        return None
    logs = np.log(cv2.GaussianBlur(bright, (0, 0), 1.0) + NOISE)
    rows, columns = np.indices(bright.shape)
    weight = bright - bright.min()
    mass = (np.average(columns, weights=weight), np.average(rows, weights=weight))
    middle = ((small.shape[1] - 1) / 2, (small.shape[0] - 1) / 2)
    found = [_falls(logs, *centre) for centre in (mass, middle)]
    points, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    circle = common_circle(points, 0.015, _radii(bright), 1000, weights)
    if circle is None:
        return None
    x, y = (circle.x + 0.5) * width / small.shape[1], (circle.y + 0.5) * height / small.shape[0]
    return refined(pixels, Circle(x, y, circle.radius * scale), 2.0 * scale)


def refined(pixels: np.ndarray, circle: Circle, unsure: float, again: bool = True) -> Border | None:
    """Move a circle to where brightness is half-way between inside and outside; None if nowhere.

    Parameters
    ----------
    pixels
        (height, width, 3) uint8.
    circle
        Nearly right, in pixels of the image.
    unsure
        How far it may be wrong, in pixels.
    again
        Whether to measure once more where it was far off.
    """
    import cv2

    height, width = pixels.shape[:2]
    reach = min(max(REACH, unsure / circle.radius), 0.5)
    angles = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)
    ways = np.column_stack([np.cos(angles), np.sin(angles)])
    centre = np.array([circle.x, circle.y])
    # A ray counts if a third of what lies outside of the circle is in the image.
    ends = centre + ways * (circle.radius * (1 + reach / 3))
    ways = ways[((ends > 0.5) & (ends < (width - 0.5, height - 0.5))).all(axis=1)]
    if len(ways) < 3:
        return None
    radii = circle.radius * np.linspace(1 - reach, 1 + reach, STEPS)
    places = (centre + ways[:, None] * radii[:, None] - 0.5).astype(np.float32)
    seen = cv2.remap(pixels, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    levels = cv2.blur(_brightest(seen).astype(np.float32), (3, 3))
    inside = levels[:, : STEPS // 3].mean(axis=1)
    outside = levels[:, -(STEPS // 3) :].mean(axis=1)
    crosses = (outside < FALL * inside) & (inside - outside > CONTRAST / 2)
    dark = float(outside.min())
    lit = inside > dark + max(LEVEL * (np.percentile(inside, 90) - dark), CONTRAST / 2)
    points = centre + ways[crosses] * _crossings(
        levels[crosses], (inside[crosses] + outside[crosses]) / 2, radii
    )
    tolerance = 0.01 + 0.5 / circle.radius
    bounds = (circle.radius * (1 - reach), circle.radius * (1 + reach))
    better = common_circle(points, tolerance, bounds, 50)
    if better is None:
        return None
    moved = np.hypot(better.x - circle.x, better.y - circle.y) + abs(better.radius - circle.radius)
    if moved > reach * circle.radius / 4 and again:
        # What was taken for inside and outside reached across the border.
        return refined(pixels, better, unsure / 2, again=False)
    distances = np.abs(better.distances(points))
    near = distances < tolerance
    border = Border(better, float(np.median(distances)))
    fits = (
        near.sum() >= max(BRIGHT_SHARE * lit.sum(), SHARE * len(ways))
        and border.residual < WORST + 0.25 / better.radius
        and widest_gap(better, points[near]) < GAP_DEG
    )
    return border if fits else None


def has_retina_colours(pixels: np.ndarray) -> bool:
    """Whether nearly all of a picture is of the orange of a retina, and not of one tone."""
    step = max(1, max(pixels.shape[:2]) // COARSE)
    small = pixels[::step, ::step].reshape(-1, 3).astype(np.int32)
    red, green, blue = small.T
    orange = (red > 1.15 * green) & (green >= 0.8 * blue) & (red > 1.3 * blue) & (red > 40)
    return bool(orange.mean() > 0.95 and small.std(axis=0).max() > 3)


def _brightest(pixels: np.ndarray) -> np.ndarray:
    """The largest of three channels: `max` over the last axis, which is much slower."""
    return np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])


def _radii(grid: np.ndarray) -> tuple[float, float]:
    return RADII[0] * min(grid.shape), RADII[1] * max(grid.shape)


def _round_part(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Leave out what of an outline runs along the image's edge, or another straight one."""
    keep = np.ones(len(outline), bool)
    for axis, size in ((0, shape[1]), (1, shape[0])):
        along = outline[:, axis]
        keep &= (along > 0) & (along < size - 1)
        for edge in (along.min(), along.max()):
            on_edge = np.abs(along - edge) <= 1
            if np.ptp(outline[on_edge, 1 - axis]) > STRAIGHT * np.ptp(outline[:, 1 - axis]):
                keep &= ~on_edge
    return outline[keep]


def _falls(logs: np.ndarray, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the places, (n, 2), where rays from a point fall most steeply, and how steeply."""
    import cv2

    height, width = logs.shape
    angles = np.linspace(0, 2 * np.pi, FINE, endpoint=False)
    ways = np.column_stack([np.cos(angles), np.sin(angles)])
    radii = np.arange(1, int(np.hypot(height, width)))
    places = np.array([x, y]) + ways[:, None] * radii[:, None]
    levels = cv2.remap(logs, places.astype(np.float32), None, cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    kernel = np.repeat([1.0, 0.0, -1.0], [ACROSS, 1, ACROSS]) / ACROSS
    steep = cv2.filter2D(levels, -1, kernel[None], borderType=cv2.BORDER_REPLICATE)
    steep[~((places >= 1) & (places < (width - 2, height - 2))).all(axis=2)] = 0
    found, strength = [], []
    rays = np.arange(len(ways))
    for _ in range(FALLS):
        best = steep.argmax(axis=1)
        strength.append(steep[rays, best])
        found.append(places[rays, best])
        steep[np.abs(np.arange(len(radii)) - best[:, None]) <= 2 * ACROSS] = 0
    points, weights = np.concatenate(found), np.concatenate(strength)
    enough = weights > STEEP
    return points[enough], weights[enough]


def _crossings(levels: np.ndarray, half: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The outermost radius at which each row of levels is still half-way up, (n, 1)."""
    above = levels >= half[:, None]
    last = np.minimum(STEPS - 1 - above[:, ::-1].argmax(axis=1), STEPS - 2)
    rows = np.arange(len(levels))
    here, there = levels[rows, last], levels[rows, last + 1]
    part = np.clip((here - half) / np.maximum(here - there, 1e-6), 0, 1)
    return np.asarray((radii[last] + part * (radii[1] - radii[0]))[:, None])
