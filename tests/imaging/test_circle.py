"""The circle most points lie on, whatever the others do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.imaging.circle import Circle, common_circle, widest_gap


def around(circle: Circle, degrees: np.ndarray) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.column_stack([circle.x + circle.radius * np.cos(angles),
                            circle.y + circle.radius * np.sin(angles)])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.floats(-50, 200), st.floats(-50, 200), st.floats(20, 300), st.floats(90, 360),
       st.floats(0, 0.45), st.integers(0, 1000))  # fmt: skip
def test_it_is_found_among_others(
    x: float, y: float, radius: float, arc: float, others: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    true = Circle(x, y, radius)
    points = around(true, np.linspace(0, arc, 120)) + rng.normal(0, 0.001 * radius, (120, 2))
    stray = rng.random(120) < others
    points[stray] = np.array([x, y]) + rng.uniform(-2 * radius, 2 * radius, (stray.sum(), 2))
    found = common_circle(points, 0.01, (0.5 * radius, 2 * radius), 300)
    assert found is not None
    # Of a short arc many circles keep within the tolerance: by as much as the arc is flat.
    off = max(0.015, 0.015 / (1 - np.cos(np.deg2rad(min(arc, 180) / 2))))
    assert (found.x, found.y, found.radius) == pytest.approx((x, y, radius), abs=off * radius)
    assert np.abs(found.distances(points[~stray])).max() < 0.02


def test_weights_decide() -> None:
    small, large = Circle(0, 0, 20), Circle(100, 0, 40)
    points = np.vstack([around(c, np.arange(0, 360, 6)) for c in (small, large)])
    for heavy, expected in ((0, small), (1, large)):
        weights = np.where(np.arange(120) // 60 == heavy, 2.0, 1.0)
        found = common_circle(points, 0.01, (10, 100), 300, weights)
        assert found is not None
        assert found.radius == pytest.approx(expected.radius, rel=1e-3)


def test_there_is_none() -> None:
    line = np.column_stack([np.arange(50.0), 3 * np.arange(50.0)])
    assert common_circle(line, 0.01, (1, 1000), 100) is None
    assert common_circle(line[:2], 0.01, (1, 1000), 100) is None
    circle = around(Circle(0, 0, 20), np.arange(0, 360, 5))
    assert common_circle(circle, 0.01, (30, 100), 100) is None


def test_the_widest_gap() -> None:
    circle = Circle(5, 5, 10)
    assert widest_gap(circle, around(circle, np.arange(0, 360, 10))) == pytest.approx(10)
    assert widest_gap(circle, around(circle, np.arange(-45, 46, 5))) == pytest.approx(270)
    assert widest_gap(circle, np.empty((0, 2))) == 360
