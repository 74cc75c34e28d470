"""Visual axes meet their target, and a face mesh sees faces whose eyes follow it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from faces import plain_looks

from eyecli.lazy import without
from eyecli.synthesis.eyes import Side
from eyecli.synthesis.frames import SIDES, Camera, FaceRenderer, draw_room
from eyecli.synthesis.head import Pose, project, to_view
from eyecli.synthesis.looks import draw_looks
from eyecli.synthesis.portrait import load_portrait

CAMERA = Camera((640, 480), 512.0, blur_px=0.5, noise=1.5, quality=85)
SEAT = (0.0, -3.0, -42.0)
CORNERS = {"left": (263, 362), "right": (33, 133)}
LIDS = {"left": ((387, 373), (385, 380)), "right": ((160, 144), (158, 153))}
IRIS = {"left": 473, "right": 468}


def renderer(seed: int | None = None, **changes: Any) -> FaceRenderer:
    looks = plain_looks(**changes) if seed is None else draw_looks(np.random.default_rng(seed))
    return FaceRenderer(load_portrait(), looks, CAMERA, np.random.default_rng(9))


@pytest.fixture
def mesh() -> Iterator[Any]:
    os.environ.setdefault("GLOG_minloglevel", "2")
    with without("tensorflow"):
        from mediapipe.python.solutions.face_mesh import FaceMesh
    with FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True) as found:
        yield found


def landmarks(mesh: Any, frame: np.ndarray) -> np.ndarray | None:
    """(478, 2) in pixels."""
    faces = mesh.process(frame[..., ::-1].copy()).multi_face_landmarks
    if not faces:
        return None
    return np.array([(p.x, p.y) for p in faces[0].landmark]) * frame.shape[1::-1]


def iris_in_eye(points: np.ndarray) -> np.ndarray:
    """Mean place of the irises between the corners, image right and up, in eye widths."""
    places = []
    for side, pair in CORNERS.items():
        outer, inner = points[list(pair)]
        along = outer - inner if side == "left" else inner - outer
        width = np.hypot(*along)
        offset = (points[IRIS[side]] - (outer + inner) / 2) / width
        along = along / width
        places.append((offset @ along, -(offset @ (-along[1], along[0]))))
    return np.mean(places, axis=0)


def openness(points: np.ndarray) -> float:
    heights = [np.hypot(*np.subtract(*points[list(pair)])) for s in LIDS for pair in LIDS[s]]
    widths = [np.hypot(*np.subtract(*points[list(pair)])) for pair in CORNERS.values()]
    return float(np.mean(heights) / np.mean(widths))


@pytest.mark.parametrize("side", SIDES)
def test_the_optical_axis_without_kappa_meets_the_target(side: Side) -> None:
    face, pose, gaze = renderer(), Pose(SEAT, 9, -6, 4), (7.0, -12.0, 0.0)
    axis = pose.rotation() @ face.eye_axis(side, pose, gaze)
    eye = pose.position() + pose.rotation() @ face.eyes[side].ball
    to_target = to_view(gaze) - eye
    np.testing.assert_allclose(axis, to_target / np.linalg.norm(to_target), atol=1e-9)


def test_kappa_turns_both_optical_axes_temporally_and_down() -> None:
    face = renderer(kappa={"left": (5.0, 2.0), "right": (5.0, 2.0)})
    pose = Pose(SEAT, 0, 0, 0)
    target = tuple(to_view(pose.position() + np.array([0, 0, 42.0])).tolist())
    plain = renderer()
    for side, sign in zip(SIDES, (1, -1), strict=True):
        with_kappa, without = (f.eye_axis(side, pose, target) for f in (face, plain))
        angles = [np.rad2deg(np.arctan2(axis[0], axis[2])) for axis in (with_kappa, without)]
        assert angles[0] - angles[1] == pytest.approx(5 * sign, abs=0.05)
        up = [np.rad2deg(np.arcsin(axis[1])) for axis in (with_kappa, without)]
        assert up[0] - up[1] == pytest.approx(-2, abs=0.05)


def test_the_face_is_where_the_pose_says(mesh: Any) -> None:
    face = renderer()
    for pose in (Pose(SEAT, 0, 0, 0), Pose((3.0, -1.0, -50.0), 8, -6, 5)):
        for _ in range(3):
            points = landmarks(mesh, face.frame(pose, (0.0, -5.0, 0.0), 0.0, 1.0))
        assert points is not None
        for side in SIDES:
            plane = np.add(face.eyes[side].ball, (0, 0, 0.9))
            where = project(pose.position() + pose.rotation() @ plane, (640, 480), 512.0)
            found = points[list(CORNERS[side])].mean(axis=0)
            assert np.abs(found - where).max() < 4


def test_iris_landmarks_follow_the_gaze(mesh: Any) -> None:
    rng = np.random.default_rng(1)
    face = renderer(seed=2)
    seen, true = [], []
    for share in np.linspace(0, 1, 48):
        # A head that drifts: the mesh follows faces from frame to frame.
        pose = Pose(SEAT, 5 - 8 * share, 2 - 5 * share, 4 * share)
        gaze = (float(rng.uniform(-14, 14)), float(rng.uniform(-18, 2)), 0.0)
        points = landmarks(mesh, face.frame(pose, gaze, 0.0, 1.0))
        assert points is not None, "a face in every frame"
        seen.append(iris_in_eye(points))
        true.append(pose.to_head(to_view(gaze))[:2] / 42)
    (x, y), (true_x, true_y) = np.transpose(seen), np.transpose(true)
    assert np.corrcoef(x, true_x)[0, 1] > 0.95
    assert np.corrcoef(y, true_y)[0, 1] > 0.85


def test_shut_eyes_look_shut(mesh: Any) -> None:
    face, pose = renderer(seed=3), Pose(SEAT, 2, 1, 0)
    measured = []
    for closed in (0.0, 0.0, 1.0, 1.0, 0.0):
        points = landmarks(mesh, face.frame(pose, (0.0, -8.0, 0.0), closed, 1.0))
        assert points is not None
        measured.append(openness(points))
    assert max(measured[2:4]) < 0.5 * min(measured[0], measured[1], measured[4])


def test_frames_repeat_and_change_with_light_and_noise() -> None:
    pose, gaze = Pose(SEAT, 2, 1, 0), (3.0, -8.0, 0.0)
    one, other = renderer(seed=4), renderer(seed=4)
    first = one.frame(pose, gaze, 0.0, 1.0)
    assert first.shape == (480, 640, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, other.frame(pose, gaze, 0.0, 1.0))
    second = one.frame(pose, gaze, 0.0, 1.0)
    assert (first != second).mean() > 0.2, "noise is drawn for each frame"
    brighter = other.frame(pose, gaze, 0.0, 1.3).mean()
    assert brighter / second.mean() == pytest.approx(1.3, abs=0.06)


def test_only_the_room_is_seen_beside_the_person() -> None:
    size = (640, 480)
    face = FaceRenderer(load_portrait(), plain_looks(), Camera(size, 300.0, 0.5, 0.0, 100),
                        np.random.default_rng(9))  # fmt: skip
    frame = face.frame(Pose((0.0, -3.0, -60.0), 0, 0, 0), (0.0, -8.0, 0.0), 0.0, 1.0)
    beside = np.abs(frame[:150, :200, ::-1].astype(int) - face.room[:150, :200])
    assert beside.max() <= 6


def test_nothing_of_the_person_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    pose, gaze = Pose((2.0, -2.0, -60.0), 9, 7, 6), (0.0, -8.0, 0.0)
    part = renderer().frame(pose, gaze, 0.0, 1.0)
    everything = (slice(None), slice(None))
    monkeypatch.setattr(FaceRenderer, "_part_of_person", lambda *_: everything)
    whole = renderer().frame(pose, gaze, 0.0, 1.0)
    assert np.abs(part.astype(int) - whole).max() <= 8


def test_rooms_differ() -> None:
    one, other = (draw_room(np.random.default_rng(seed), (320, 180)) for seed in (0, 1))
    assert one.shape == (180, 320, 3) and one.dtype == np.uint8
    assert np.abs(one.astype(int) - other).mean() > 10
