"""The circle that most of some points lie on, though many lie elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 4
# A step of less than this part of the radius is the last one.
SETTLED = 1e-4


@dataclass(frozen=True)
class Circle:
    """A circle in pixels; the top left corner of the image is (0, 0)."""

    x: float
    y: float
    radius: float

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Return how far points of shape (n, 2) lie outside, in radii; below zero inside."""
        reach = np.hypot(points[:, 0] - self.x, points[:, 1] - self.y)
        return np.asarray(reach / self.radius - 1)


def common_circle(
    points: np.ndarray, tolerance: float, radii: tuple[float, float], trials: int,
    weights: np.ndarray | None = None,
) -> Circle | None:  # fmt: skip
    """Find the circle near which the most weight lies, by random triples (RANSAC).

    Fischler and Bolles, Commun. ACM 24 (1981) 381; then Gauss-Newton steps of the geometric
    distance over the points near it. The triples are the same at each call.

    Parameters
    ----------
    points
        (n, 2), x and y in pixels.
    tolerance
        How far from the circle a point may lie, in radii.
    radii
        Least and largest radius in pixels.
    trials
        How many triples: 50 where most points lie on the circle, 1000 where a third does.
    weights
        (n,), what each point counts; all the same without.

    Returns
    -------
    Circle or None
        None where no triple has a circle of such a radius.
    """
    if len(points) < 3:
        return None
    triples = np.random.default_rng(0).integers(len(points), size=(trials, 3))
    x, y, radius = _circumcircles(points[triples])
    fits = np.isfinite(radius) & (radius >= radii[0]) & (radius <= radii[1])
    if not fits.any():
        return None
    x, y, radius = x[fits], y[fits], radius[fits]
    # |p - c|^2 - r^2 as one product of matrices; to first order, 2 r times the distance.
    column, row = points.T
    terms = np.column_stack([x, y, x**2 + y**2 - radius**2])
    excess = terms @ np.stack([-2 * column, -2 * row, np.ones(len(points))])
    near = np.abs(excess + (column**2 + row**2)) < 2 * tolerance * (radius**2)[:, None]
    counts = near.sum(axis=1) if weights is None else near @ weights
    best = int(counts.argmax())
    circle = Circle(float(x[best]), float(y[best]), float(radius[best]))
    for _ in range(ROUNDS):
        close = np.abs(circle.distances(points)) < tolerance
        better = _improved(circle, points[close])
        if better is None or not radii[0] <= better.radius <= radii[1]:
            break
        step = abs(better.x - circle.x) + abs(better.y - circle.y)
        circle = better
        if step < SETTLED * circle.radius:
            break
    return circle


def widest_gap(circle: Circle, points: np.ndarray) -> float:
    """Return the largest angle, in degrees, about a circle's centre without any of the points."""
    if not len(points):
        return 360.0
    angles = np.sort(np.arctan2(points[:, 1] - circle.y, points[:, 0] - circle.x))
    return float(np.rad2deg(np.diff(angles, append=angles[0] + 2 * np.pi).max()))


def _circumcircles(triples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Circles through three points each; not finite where they lie on a line."""
    a, b, c = triples[:, 0], triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 0.5 / (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
        bb, cc = (b**2).sum(axis=1), (c**2).sum(axis=1)
        x = (c[:, 1] * bb - b[:, 1] * cc) * scale
        y = (b[:, 0] * cc - c[:, 0] * bb) * scale
        return a[:, 0] + x, a[:, 1] + y, np.hypot(x, y)


def _improved(circle: Circle, points: np.ndarray) -> Circle | None:
    """One Gauss-Newton step of the sum of squared distances to the circle."""
    import cv2

    if len(points) < 3:
        return None
    x, y = points[:, 0] - circle.x, points[:, 1] - circle.y
    reach = np.maximum(np.hypot(x, y), 1e-9)
    slope = np.column_stack([x / reach, y / reach, np.ones(len(points))])
    # NumPy's solver takes as long as all the rest.
    regular, step = cv2.solve(slope.T @ slope, slope.T @ (reach - circle.radius),
                              flags=cv2.DECOMP_CHOLESKY)  # fmt: skip
    if not regular:
        return None
    dx, dy, grown = (float(part) for part in step[:, 0])
    return Circle(circle.x + dx, circle.y + dy, circle.radius + grown)
