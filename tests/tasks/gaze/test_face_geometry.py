"""Crops, pose and openness of a made-up face whose answers are known, and of a real one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from face_videos import HEIGHT, WIDTH, face
from hypothesis import given
from hypothesis import strategies as st

from eyecli.imaging.face_mesh import video_finder
from eyecli.tasks.gaze.face_geometry import (
    CHIN,
    CORNERS,
    EYE_BOX,
    FOREHEAD,
    IRIS,
    LIDS,
    box_vector,
    describe_face,
    head_pose,
)
from eyecli.tasks.gaze.faces import crop_sizes, cut_face, face_specs


def made_face(openness: float = 0.3, iris: tuple[float, float] = (0, 0)) -> np.ndarray:
    """(478, 3) px about the origin: eyes 30 px wide, 60 px apart; the face looks at the camera."""
    points = np.zeros((478, 3))
    for side, centre in (("right", -30), ("left", 30)):
        outer, inner = CORNERS[side]
        points[[outer, inner], 0] = [centre - 15, centre + 15] if side == "right" else [
            centre + 15, centre - 15
        ]  # fmt: skip
        for pair in LIDS[side]:
            points[pair[0]] = (centre, -15 * openness, 0)
            points[pair[1]] = (centre, 15 * openness, 0)
        points[IRIS[side]] = (centre + 30 * iris[0], 30 * iris[1], 0)
    points[FOREHEAD], points[CHIN] = (0, -60, 0), (0, 90, 0)
    return points


def turned(points: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Turn a face: first its pitch, then yaw, then roll."""
    a, b, c = np.deg2rad([yaw, pitch, roll])
    # x right, y down, z away; the face's own direction is -z.
    up = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    aside = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    lean = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(points @ (lean @ aside @ up).T)


def placed(points: np.ndarray, x: float, y: float) -> np.ndarray:
    return points + np.array([x, y, 0])


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_yaw_and_pitch_are_those_of_the_face(yaw: float, pitch: float) -> None:
    found = head_pose(turned(made_face(), yaw, pitch, 0))
    assert found[:2] == pytest.approx((yaw, pitch), abs=1e-6)


@given(st.floats(-60, 60))
def test_roll_is_the_lean_of_the_eyes(roll: float) -> None:
    assert head_pose(turned(made_face(), 0, 0, roll)) == pytest.approx((0, 0, roll), abs=1e-6)


@given(st.floats(0.02, 0.6), st.floats(-50, 50), st.floats(-100, 600))
def test_openness_knows_neither_lean_nor_place(openness: float, roll: float, shift: float) -> None:
    points = placed(turned(made_face(openness), 0, 0, roll), shift, shift / 2)
    assert describe_face(points).openness == pytest.approx(openness)


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(-50, 50))
def test_the_iris_is_told_in_the_eyes_own_axes(x: float, y: float, roll: float) -> None:
    face_of = describe_face(turned(made_face(iris=(x, y)), 0, 0, roll))
    assert face_of.gaze[:2] == pytest.approx((x, y), abs=1e-9)


def test_eyes_are_cut_around_their_corners_and_upright() -> None:
    found = describe_face(placed(turned(made_face(), 0, 0, 20), 300, 200))
    for side, sign in (("right", -1), ("left", 1)):
        square = found.squares[side]
        angle = np.deg2rad(20)
        centre = (300 + sign * 30 * np.cos(angle), 200 + sign * 30 * np.sin(angle))
        assert (square.x, square.y) == pytest.approx(centre)
        assert (square.side, square.roll_deg) == pytest.approx((EYE_BOX * 30, 20))
    assert found.eye_px == pytest.approx(30)


def test_boxes_are_fractions_of_the_frame() -> None:
    found = describe_face(placed(made_face(), 320, 180))
    boxes = box_vector(found.squares, WIDTH, HEIGHT).reshape(3, 4)
    left = found.squares["left"]
    assert boxes[1] == pytest.approx(
        ((left.x - 24) / WIDTH, (left.y - 24) / HEIGHT, 48 / WIDTH, 48 / HEIGHT), abs=1e-6
    )
    assert (boxes[0, 2:] > boxes[1, 2:]).all()


def test_crops_of_a_real_face() -> None:
    """The owner's left eye is at the image's right; the right crop is stored mirrored."""
    with video_finder() as find:
        points = find(face())
    assert points is not None
    found, sizes = describe_face(points), crop_sizes(96, 64)
    row = cut_face(face(), found, sizes)
    for name, spec in face_specs(96, 64).items():
        assert (row[name].shape, str(row[name].dtype)) == (tuple(spec.shape), spec.dtype)
    assert 0.15 < found.openness < 0.5 and abs(found.yaw) < 30 and abs(found.roll) < 10
    for number, (name, side) in enumerate(zip(sizes, ("left", "left", "right"), strict=True)):
        matrix = row["transforms"][number].reshape(2, 3).astype(float)
        iris = points[IRIS[side], :2]
        x, y = matrix @ (*iris, 1)
        assert 0 < x < sizes[name] and 0 < y < sizes[name]
        # What the transform says is what lies there.
        again = cv2.warpAffine(
            face(), matrix + np.array([[0, 0, matrix[0, :2].sum() / 2 - 0.5],
                                       [0, 0, matrix[1, :2].sum() / 2 - 0.5]]),
            (sizes[name], sizes[name]), borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        assert np.abs(again.astype(int) - row[name]).mean() < 6
