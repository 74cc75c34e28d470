"""Eyes in a face: mirrored, behind their lids, and seen from where the camera is."""

from dataclasses import replace

import numpy as np
import pytest
from faces import PER_CM, flat_sheet, plain_looks

from eyecli.synthesis.eyelids import Eye, _seen, moved_lids, paint_eye, prepare_eye
from eyecli.synthesis.eyes import Person, Side
from eyecli.synthesis.portrait import LID_PLANE

FAR = np.array([0.0, 0.0, 1e6])
AHEAD = np.array([0.0, 0.0, 1.0])
LAMP = np.array([0.3, 0.5, 0.81])


def eye(side: Side = "right", person: Person | None = None) -> Eye:
    looks = plain_looks()
    return prepare_eye(flat_sheet(), replace(looks, eyes=person or looks.eyes), side)


def towards(x: float, y: float) -> np.ndarray:
    return np.array([x, y, np.sqrt(1 - x * x - y * y)])


def iris(side: Side, x: float, y: float, camera: np.ndarray = FAR) -> tuple[float, float]:
    """Centroid of what is black, in cm from the middle of the corners."""
    one = eye(side, Person(iris=(0.0, 0.0, 0.0), pupil_radius=0.0))
    image = paint_eye(replace(one, lids=2.0), towards(x, y), camera, AHEAD)
    level = one.y - one.tilt * one.x
    upper, lower = moved_lids(replace(one, lids=2.0), 1.2 * y, 0.0)
    # Not the lashes.
    black = (image.max(axis=-1) < 0.05) & (level < upper - 0.2) & (level > lower + 0.15)
    assert black.sum() > 50
    return float((black * one.x).sum() / black.sum()), float((black * one.y).sum() / black.sum())


def test_a_left_eye_is_a_mirrored_right_eye() -> None:
    mirror = np.array([-1.0, 1.0, 1.0])
    camera = np.array([9.0, 4.0, 45.0])
    for axis, closed in ((towards(0.3, 0.1), 0.0), (towards(-0.2, -0.3), 0.5)):
        right = paint_eye(eye("right"), axis, camera, LAMP, closed)
        left = paint_eye(eye("left"), axis * mirror, camera * mirror, LAMP * mirror, closed)
        np.testing.assert_allclose(left, right[:, ::-1], atol=2e-3)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_iris_goes_where_the_axis_points(side: Side) -> None:
    x = [iris(side, a, 0.0)[0] for a in (-0.3, 0.0, 0.3)]
    # The limbus is a circle within the sphere.
    reach = np.sqrt(1.2**2 - 0.59**2)
    assert np.diff(x) == pytest.approx([0.3 * reach] * 2, rel=0.1)
    y = [iris(side, 0.0, a)[1] for a in (-0.15, 0.0, 0.15)]
    assert np.all(np.diff(y) > 0.1)


def test_rays_end_on_the_eyeball() -> None:
    one = eye()
    camera = np.array([12.0, -5.0, 40.0])
    x, y = _seen(one, camera)
    row, column = x.shape[0] // 2, x.shape[1] // 2
    radius = one.person.eyeball_radius
    point = np.array([x[row, column], y[row, column], 0.0])
    point[2] = np.sqrt(radius**2 - point @ point)
    plane = np.array([one.x[0, column] + one.middle[0] - one.ball[0],
                      one.y[row, 0] + one.middle[1] - one.ball[1], LID_PLANE])  # fmt: skip
    to_camera = camera - one.ball - plane
    off = np.cross(point - plane, to_camera / np.linalg.norm(to_camera))
    assert np.abs(off).max() < 0.02


def test_an_eye_that_looks_ahead_shows_its_side_to_a_camera_at_the_side() -> None:
    # The iris lies before the lids' plane, so it moves against the corners like a near thing.
    straight = iris("right", 0.0, 0.0, np.array([-3.1, 0.0, 40.0]))[0]
    from_the_right = iris("right", 0.0, 0.0, np.array([8.0, 0.0, 40.0]))[0]
    depth = np.sqrt(1.2**2 - 0.59**2) - LID_PLANE
    assert from_the_right - straight == pytest.approx(-depth * 11.1 / 40, abs=0.03)
    assert from_the_right < straight - 0.01


def test_lids_follow_the_gaze_and_close() -> None:
    one = eye()
    ahead, down, up = (moved_lids(one, rise, 0.0) for rise in (0.0, -0.3, 0.2))
    assert down[0].max() < ahead[0].max() - 0.1 < up[0].max() - 0.2
    assert down[1].min() < ahead[1].min() < up[1].min()
    openings = [float(np.max(np.subtract(*moved_lids(one, 0.0, share)))) for share in (0, 0.5, 1)]
    assert openings[0] == pytest.approx(0.9, abs=0.1)
    assert openings[1] == pytest.approx(openings[0] / 2, abs=0.1)
    assert 0 <= openings[2] < 0.02


def test_shut_lids_hide_the_eyeball_and_leave_the_rest_of_the_face() -> None:
    white = replace(eye(), gain=np.array([9.0, 9.0, 9.0], np.float32))
    assert paint_eye(white, AHEAD, FAR, LAMP, 0.0).max() > 3
    shut = paint_eye(white, AHEAD, FAR, LAMP, 1.0)
    assert shut.max() <= 180 / 255 + 1e-3
    edge = np.concatenate([shut[0], shut[-1], shut[:, 0], shut[:, -1]])
    np.testing.assert_allclose(edge, 180 / 255, atol=1e-3)


def test_the_patch_lies_on_its_eye() -> None:
    for side, x in (("left", 3.1), ("right", -3.1)):
        one = eye(side)  # type: ignore[arg-type]
        middle = (one.columns.start + one.columns.stop) / 2 - flat_sheet().origin[0]
        assert middle / PER_CM == pytest.approx(x, abs=0.05)
        assert one.ball[0] == pytest.approx(x)
        assert one.nose == (1 if side == "right" else -1)
