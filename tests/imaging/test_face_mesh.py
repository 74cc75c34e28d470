"""The face mesh finds the portrait's face, where it is."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
from face_videos import HEIGHT, WIDTH, face

from eyecli.imaging.face_mesh import POINTS, still_finder, video_finder


def test_the_points_of_a_video_follow_the_face() -> None:
    with video_finder() as find:
        first = find(face())
        assert first is not None and first.shape == (POINTS, 3)
        find(face())
        moved = find(np.roll(face(), 12, axis=1))
    assert moved is not None
    assert np.abs(np.median(moved - first, axis=0)[:2] - (12, 0)).max() < 1.5
    # The portrait's left eye is at the image's right.
    assert first[263, 0] > first[33, 0]
    assert first[:, 0].min() > 0 and first[:, 0].max() < WIDTH
    assert first[:, 1].min() > 0 and first[:, 1].max() < HEIGHT


def test_no_face_is_none() -> None:
    with video_finder() as find:
        assert find(np.zeros((240, 320, 3), np.uint8)) is None
    with still_finder() as find_still:
        assert find_still(np.full((240, 320, 3), 120, np.uint8)) == (None, 0)


def test_the_largest_face_of_a_picture_is_taken_however_small() -> None:
    small = cv2.resize(face(), None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[: small.shape[0], : small.shape[1]] = small
    with still_finder() as find:
        alone, one = find(picture)
        picture[:, WIDTH // 2 :] = face()[:, WIDTH // 4 : WIDTH * 3 // 4]
        larger, two = find(picture)
    assert alone is not None and larger is not None
    assert (one, two) == (1, 2)
    assert alone[:, 0].max() < small.shape[1] and larger[:, 0].min() > WIDTH // 2
    assert np.ptp(larger[:, 0]) > 1.5 * np.ptp(alone[:, 0])


def test_tensorflow_is_not_imported() -> None:
    script = (
        "import sys\n"
        "from eyecli.imaging.face_mesh import video_finder\n"
        "with video_finder():\n"
        "    sys.exit('tensorflow' in sys.modules or 'mediapipe' not in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
