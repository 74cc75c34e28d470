from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.metrics.gaze import angle_deg, euclidean, px_to_cm

SCREEN = (40.0, 30.0)
POINTS = st.lists(
    st.tuples(st.floats(-20, 60), st.floats(-20, 50)), min_size=1, max_size=5
).map(np.array)  # fmt: skip
DISTANCES = st.floats(20, 200)


def test_euclidean_by_hand() -> None:
    error = euclidean(np.array([[0, 0], [3, 4], [1, 1]]), np.array([[3, 4], [3, 4], [-4, 13]]))
    np.testing.assert_allclose(error, [5, 0, 13])


def test_px_to_cm_by_hand() -> None:
    """A screen with pixels twice as high as wide."""
    found = px_to_cm(np.array([[0, 0], [400, 150], [800, 300]]), (800, 300), SCREEN)
    np.testing.assert_allclose(found, [[0, 0], [20, 15], [40, 30]])


def test_angles_by_hand() -> None:
    """From the centre (20, 15) at 10 cm: 10 cm aside is 45 degrees, seen from the other side 90."""
    target = np.array([[20.0, 15.0], [10.0, 15.0], [20.0, 15.0], [20.0, 15.0]])
    prediction = np.array([[30.0, 15.0], [30.0, 15.0], [20.0, 25.0], [20.0, 15.0]])
    np.testing.assert_allclose(angle_deg(prediction, target, SCREEN, 10), [45, 90, 45, 0])
    # Between (3, 4, 12) and (0, 0, 12): the cosine is 12 / 13.
    corner = angle_deg(np.array([[23.0, 19.0]]), target[:1], SCREEN, 12)
    np.testing.assert_allclose(corner, np.degrees(np.arccos(12 / 13)))


def test_angles_shrink_towards_the_edge() -> None:
    """The same 1 cm is a smaller angle where it is seen aslant."""
    shift = np.array([[1.0, 0.0]])
    middle, edge = np.array([[20.0, 15.0]]), np.array([[40.0, 15.0]])
    inside = angle_deg(middle + shift, middle, SCREEN, 30)
    outside = angle_deg(edge + shift, edge, SCREEN, 30)
    assert outside < 0.8 * inside


@settings(deadline=None)
@given(POINTS, st.data())
def test_euclidean_is_a_distance(a: np.ndarray, data: st.DataObject) -> None:
    b, c = (np.array(data.draw(st.permutations(a.tolist()))) + i for i in (0, 1))
    np.testing.assert_array_equal(euclidean(a, b), euclidean(b, a))
    np.testing.assert_array_equal(euclidean(a, a), 0)
    assert (euclidean(a, c) <= euclidean(a, b) + euclidean(b, c) + 1e-9).all()


@settings(deadline=None)
@given(POINTS, st.permutations([0, 1, 2]), DISTANCES)
def test_angles_are_symmetric_zero_and_bounded(
    a: np.ndarray, order: list[int], distance: float
) -> None:
    b = a[::-1] + np.array(order[:2])
    angle = angle_deg(a, b, SCREEN, distance)
    np.testing.assert_allclose(angle, angle_deg(b, a, SCREEN, distance), atol=1e-12)
    np.testing.assert_array_equal(angle_deg(a, a, SCREEN, distance), 0)
    assert ((angle >= 0) & (angle < 180)).all()
    # Never more than the same distance straight ahead, seen half to each side.
    most = 2 * np.degrees(np.arctan(euclidean(a, b) / 2 / distance))
    assert (angle <= most + 1e-9).all()


@settings(deadline=None)
@given(st.floats(1e-7, 1e-3), st.floats(0, 2 * np.pi), DISTANCES)
def test_small_angles_keep_their_precision(step: float, turn: float, distance: float) -> None:
    """Around the centre an error of d is d / distance; the arc cosine would give 0 below 1e-6."""
    centre = np.array([[20.0, 15.0]])
    moved = centre + step * np.array([[np.cos(turn), np.sin(turn)]])
    angle = angle_deg(moved, centre, SCREEN, distance)
    np.testing.assert_allclose(angle, np.degrees(step / distance), rtol=1e-6)


@settings(deadline=None)
@given(POINTS, st.floats(100, 4000), st.floats(100, 4000), st.floats(5, 100), st.floats(5, 100))
def test_px_to_cm_is_undone_by_swapping(
    points: np.ndarray, w: float, h: float, wide: float, high: float
) -> None:
    back = px_to_cm(px_to_cm(points, (w, h), (wide, high)), (wide, high), (w, h))
    np.testing.assert_allclose(back, points, rtol=1e-9, atol=1e-9)
    assert px_to_cm(np.array([[w, h]]), (w, h), (wide, high))[0] == pytest.approx((wide, high))
