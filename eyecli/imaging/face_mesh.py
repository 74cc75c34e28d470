"""MediaPipe's face mesh: 478 points of a face, its irises among them.

Version 0.10.21 brings its models along and opens no connection; TensorFlow, which it would import
for a helper of its documentation, is hidden from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from eyecli.imaging.square import Square
from eyecli.lazy import without

POINTS = 478
# (height, width, 3) uint8 to (478, 3): x and y in pixels, z in pixels away from the camera.
Finder = Callable[[np.ndarray], np.ndarray | None]
# A face found in a still is looked at with so much around it, and at least this large.
MARGIN = 2.0
LEAST_SIDE = 256


@contextmanager
def video_finder() -> Iterator[Finder]:
    """Give a finder that follows one face from frame to frame of a video."""
    with solutions("face_mesh").FaceMesh(
        static_image_mode=False, max_num_faces=1, refine_landmarks=True
    ) as mesh:
        yield lambda pixels: _points(mesh, pixels)


@contextmanager
def face_counter() -> Iterator[Callable[[np.ndarray], int]]:
    """Give a function that counts the near faces in a picture."""
    with solutions("face_detection").FaceDetection(model_selection=0) as detector:
        yield lambda pixels: len(_faces(detector, pixels))


@contextmanager
def still_finder() -> Iterator[Callable[[np.ndarray], tuple[np.ndarray | None, int]]]:
    """Give a finder for pictures that have nothing to do with each other.

    It returns the points of the largest face, and how many faces the detectors saw: the detector
    for near faces, that of the mesh itself, misses those that fill little of a picture.
    """
    with ExitStack() as stack:
        detection = solutions("face_detection").FaceDetection
        detectors = [stack.enter_context(detection(model_selection=near)) for near in (0, 1)]
        mesh = stack.enter_context(
            solutions("face_mesh").FaceMesh(
                static_image_mode=True, max_num_faces=1, refine_landmarks=True
            )
        )
        yield lambda pixels: _largest(mesh, detectors, pixels)


def solutions(name: str) -> Any:
    """Import one of MediaPipe's solutions, such as ``face_mesh``."""
    with without("tensorflow"):
        import importlib

        return importlib.import_module(f"mediapipe.python.solutions.{name}")


def _points(mesh: Any, pixels: np.ndarray) -> np.ndarray | None:
    found = mesh.process(pixels).multi_face_landmarks
    if not found:
        return None
    height, width = pixels.shape[:2]
    points = np.array([(p.x, p.y, p.z) for p in found[0].landmark])
    # z has the scale of x.
    return points * (width, height, width)


def _largest(mesh: Any, detectors: list[Any], pixels: np.ndarray) -> tuple[np.ndarray | None, int]:
    seen = [_faces(detector, pixels) for detector in detectors]
    faces = sorted((face for found in seen for face in found), key=lambda f: -f.side)
    for face in faces:
        part, scale, corner = _around(pixels, face)
        points = _points(mesh, part)
        if points is not None:
            return points / scale + np.array((*corner, 0)), max(map(len, seen))
    return None, max(map(len, seen))


def _faces(detector: Any, pixels: np.ndarray) -> list[Square]:
    height, width = pixels.shape[:2]
    boxes = [d.location_data.relative_bounding_box
             for d in detector.process(pixels).detections or ()]  # fmt: skip
    return [
        Square(
            (box.xmin + box.width / 2) * width,
            (box.ymin + box.height / 2) * height,
            max(box.width * width, box.height * height),
        )
        for box in boxes
    ]


def _around(pixels: np.ndarray, face: Square) -> tuple[np.ndarray, float, tuple[int, int]]:
    """Cut a face with its surroundings, enlarged where it is small; its scale and corner."""
    import cv2

    reach = face.side * MARGIN / 2
    left, top = max(0, int(face.x - reach)), max(0, int(face.y - reach))
    part = pixels[top : int(face.y + reach) + 1, left : int(face.x + reach) + 1]
    scale = max(1.0, LEAST_SIDE / max(part.shape[:2]))
    if scale > 1:
        part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(part), scale, (left, top)
