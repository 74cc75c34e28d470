"""Frames of 720p video a second: landmarks and crops, decoding, and two processes against one.

The alternative a user would pick is MediaPipe's own face landmarker task with the same crops.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from face_videos import write_video

from eyecli.imaging.face_mesh import Finder, video_finder
from eyecli.imaging.video import read_frames
from eyecli.processes import in_processes
from eyecli.tasks.gaze.face_geometry import describe_face
from eyecli.tasks.gaze.faces import crop_sizes, cut_face

WIDTH, HEIGHT, FRAMES = 1280, 720, 400
SIZES = crop_sizes(64, 64)
# A file of the landmarker's model, for the comparison with it.
MODEL = os.environ.get("EYECLI_FACE_LANDMARKER", "")


def pictures() -> list[np.ndarray]:
    import skimage.data

    part = skimage.data.astronaut()[0:270, 0:480]
    still = cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return [np.roll(still, 3 * i, axis=1) for i in range(10)]


def look(find: Finder, shots: list[np.ndarray], frames: int) -> None:
    for i in range(frames):
        pixels = shots[i % len(shots)]
        points = find(pixels)
        assert points is not None
        cut_face(pixels, describe_face(points), SIZES)


def share(frames: int) -> tuple[float, float]:
    """Begin and end of the work of one process, once its models are loaded."""
    shots = pictures()
    with video_finder() as find:
        look(find, shots, 20)
        begin = time.time()
        look(find, shots, frames)
        return begin, time.time()


def rate(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return FRAMES / (time.perf_counter() - begin)


@pytest.mark.benchmark
def test_frames_a_second(tmp_path: Path) -> None:
    shots = pictures()
    with video_finder() as find:
        look(find, shots, 20)
        mesh = rate(lambda: [find(shots[i % 10]) for i in range(FRAMES)])
        whole = rate(lambda: look(find, shots, FRAMES))
    video = write_video(tmp_path / "a.mp4", (shots[i % 10] for i in range(FRAMES)))
    decoding = rate(lambda: [None for _ in read_frames(video)])
    print(
        f"\n720p, one process: face mesh alone {mesh:.0f}/s, landmarks and crops {whole:.0f}/s, "
        f"decoding alone {decoding:.0f}/s, all {1 / (1 / whole + 1 / decoding):.0f}/s"
    )
    assert whole > 0.6 * mesh


@pytest.mark.benchmark
def test_two_processes_against_one() -> None:
    ratios = []
    for _ in range(3):
        ((begin, end),) = in_processes(share, [FRAMES], 1)
        one = FRAMES / (end - begin)
        spans = list(in_processes(share, [FRAMES, FRAMES], 2))
        # Of the time in which both were at work, more or less.
        two = sum(FRAMES / (end - begin) for begin, end in spans)
        ratios.append(two / one)
        print(f"\none process {one:.0f}/s, two {two:.0f}/s: {two / one:.2f} times")
    assert np.median(ratios) > 1.3


@pytest.mark.benchmark
@pytest.mark.skipif(not MODEL, reason="EYECLI_FACE_LANDMARKER names no face_landmarker.task")
def test_against_the_landmarker_task() -> None:
    import mediapipe as mp

    options = mp.tasks.vision.FaceLandmarkerOptions(
        base_options=mp.tasks.BaseOptions(model_asset_path=MODEL),
        running_mode=mp.tasks.vision.RunningMode.VIDEO,
    )
    shots, clock = pictures(), iter(range(0, 10**9, 33))
    with mp.tasks.vision.FaceLandmarker.create_from_options(options) as landmarker:

        def theirs(pixels: np.ndarray) -> np.ndarray:
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels)
            found = landmarker.detect_for_video(image, next(clock)).face_landmarks[0]
            return np.array([(p.x, p.y, p.z) for p in found]) * (WIDTH, HEIGHT, WIDTH)

        look(theirs, shots, 20)
        other = rate(lambda: look(theirs, shots, FRAMES))
    with video_finder() as find:
        look(find, shots, 20)
        ours = rate(lambda: look(find, shots, FRAMES))
    print(f"\nours {ours:.0f}/s, the landmarker task {other:.0f}/s: {ours / other:.2f} times")
    assert ours > other
