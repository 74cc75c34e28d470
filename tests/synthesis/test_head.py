"""Heads turn the way that is said, and a pixel shows the place that projects onto it."""

import numpy as np
import pytest
from faces import PER_CM, flat_sheet

from eyecli.synthesis.head import Pose, project, sheet_places, to_view
from eyecli.synthesis.sheet import CELL

SIZE, FOCAL = (640, 480), 500.0
AHEAD = np.array([0.0, 0.0, 1.0])


def test_angles_are_to_the_images_right_up_and_clockwise() -> None:
    place = (0.0, 0.0, -50.0)
    assert Pose(place, 10, 0, 0).rotation() @ AHEAD == pytest.approx(
        [np.sin(np.deg2rad(10)), 0, np.cos(np.deg2rad(10))]
    )
    assert (Pose(place, 0, 10, 0).rotation() @ AHEAD)[1] > 0.1
    right = Pose(place, 0, 0, 10).rotation() @ [1.0, 0.0, 0.0]
    assert right[1] < -0.1, "the image's right side goes down"
    turn = Pose(place, 11, -7, 5).rotation()
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_view_is_the_world_turned_about() -> None:
    np.testing.assert_array_equal(to_view((3.0, 2.0, 60.0)), [-3.0, 2.0, -60.0])
    np.testing.assert_array_equal(to_view(to_view((3.0, 2.0, 60.0))), [3.0, 2.0, 60.0])


def test_head_coordinates_have_their_origin_between_the_eyes() -> None:
    pose = Pose((2.0, -3.0, -45.0), 8, -5, 3)
    np.testing.assert_allclose(pose.to_head(pose.position()), 0, atol=1e-12)
    point = pose.position() + pose.rotation() @ [1.0, 2.0, 3.0]
    np.testing.assert_allclose(pose.to_head(point), [1, 2, 3], atol=1e-12)
    # The neck stays where it is: a head that nods goes forwards.
    assert Pose((0.0, 0.0, -45.0), 0, -10, 0).position()[2] > -45


def test_projection_of_a_pinhole() -> None:
    column, row = project(np.array([5.0, 2.0, -50.0]), SIZE, FOCAL)
    assert (column, row) == pytest.approx((319.5 + 50, 239.5 - 20))


@pytest.mark.parametrize("angles", [(0, 0, 0), (12, 0, 0), (0, 12, 0), (0, 0, 9), (-11, 8, -6)])
@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_a_pixel_shows_the_place_that_projects_onto_it(
    angles: tuple[float, float, float], slope: float
) -> None:
    import cv2

    side = 40 * PER_CM / CELL
    across = ((np.arange(side) + 0.5) * CELL - 0.5 - (40 * PER_CM - 1) / 2) / PER_CM
    sheet = flat_sheet(slope * across[None])
    pose = Pose((1.0, -2.0, -48.0), *angles)
    columns, rows = sheet_places(sheet, pose, SIZE, FOCAL)
    assert columns.shape == rows.shape == SIZE[::-1]
    for x, y in ((0.0, 0.0), (-3.0, 0.5), (4.0, -6.0), (-7.0, 5.0)):
        point = pose.position() + pose.rotation() @ [x, y, slope * x]
        at = np.array(project(point, SIZE, FOCAL), np.float32).reshape(2, 1, 1)
        found = [
            cv2.remap(chart, at[0], at[1], cv2.INTER_LINEAR)[0, 0] for chart in (columns, rows)
        ]
        expected = sheet.origin[0] + x * PER_CM, sheet.origin[1] - y * PER_CM
        # A thirtieth of a pixel is the grain of `remap`; 0.4 px are 0.2 mm.
        assert found == pytest.approx(expected, abs=0.4)


def test_shoulders_stay_when_the_head_turns() -> None:
    sheet = flat_sheet(head=0.0)
    still = sheet_places(sheet, Pose((1.0, -2.0, -48.0), 0, 0, 0), SIZE, FOCAL)
    turned = sheet_places(sheet, Pose((1.0, -2.0, -48.0), 12, 5, 5), SIZE, FOCAL)
    np.testing.assert_allclose(still, turned, atol=1e-3)
    head = sheet_places(flat_sheet(), Pose((1.0, -2.0, -48.0), 12, 5, 5), SIZE, FOCAL)
    assert np.abs(np.subtract(head, still)).max() > 20


@pytest.mark.parametrize("size", [(640, 480), (641, 363)])
def test_any_size_is_covered(size: tuple[int, int]) -> None:
    columns, _ = sheet_places(flat_sheet(), Pose((0.0, 0.0, -40.0), 0, 0, 0), size, FOCAL)
    assert columns.shape == size[::-1]
    # 12.5 px a cm in the frame, 20 in the sheet: even steps to the very edge.
    np.testing.assert_allclose(np.diff(columns, axis=1), 1.6, atol=1e-2)
