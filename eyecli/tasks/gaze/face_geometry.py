"""From the 478 points of a face mesh to crops, boxes, head pose and the opening of the eyes.

Left and right are the owner's; pixels have their origin at the top left, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eyecli.imaging.square import Square

# Outer and inner corner, as the mesh numbers them.
CORNERS = {"left": (263, 362), "right": (33, 133)}
# Upper and lower lid, a third and two thirds along, as in the eye aspect ratio.
LIDS = {"left": ((387, 373), (385, 380)), "right": ((160, 144), (158, 153))}
IRIS = {"left": 473, "right": 468}
FOREHEAD, CHIN = 10, 152
# Side of a crop in widths of the eye, from corner to corner, and of the face's points.
EYE_BOX, FACE_BOX = 1.6, 1.2


@dataclass(frozen=True)
class Face:
    """What a face's points say.

    Attributes
    ----------
    squares
        ``face``, ``left`` and ``right``: what to cut. Those of the eyes are turned with the head.
    eye_px
        Width of the narrower eye in pixels, corner to corner.
    openness
        Eye aspect ratio, mean of both eyes.
    yaw, pitch, roll
        Degrees the head is turned to its image's right, up, and clockwise.
    gaze
        (4,) iris in the eyes (x, y, in eye widths), yaw and pitch: what moves with the gaze.
    """

    squares: dict[str, Square]
    eye_px: float
    openness: float
    yaw: float
    pitch: float
    roll: float
    gaze: np.ndarray


def describe_face(points: np.ndarray) -> Face:
    """Compute crops and measures of a face.

    The opening of an eye is the eye aspect ratio of Soukupová and Čech (2016, "Real-time eye blink
    detection using facial landmarks"), equation 1. The head's axes are those of the points
    themselves: from eye to eye, and from forehead to chin.

    Parameters
    ----------
    points
        (478, 3) pixels.
    """
    corners = {side: points[list(pair)] for side, pair in CORNERS.items()}
    widths = {side: float(np.linalg.norm(np.diff(c[:, :2], axis=0))) for side, c in corners.items()}
    centres = {side: c.mean(axis=0) for side, c in corners.items()}
    yaw, pitch, roll = head_pose(points)
    squares = {
        side: Square(float(x), float(y), EYE_BOX * widths[side], roll)
        for side, (x, y, _) in centres.items()
    }
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    x, y = (low + high) / 2
    face = Square(float(x), float(y), FACE_BOX * float((high - low).max()))
    iris = np.mean([_iris(points, side, widths[side]) for side in CORNERS], axis=0)
    gaze = np.array([*iris, yaw, pitch])
    openness = float(np.mean([_openness(points, side, widths[side]) for side in CORNERS]))
    return Face({"face": face, **squares}, min(widths.values()), openness, yaw, pitch, roll, gaze)


def eye_outside(face: Face, width: int, height: int) -> bool:
    """Whether an eye reaches out of the frame: the mesh places it there, but nobody saw it."""
    for side in CORNERS:
        eye = face.squares[side]
        reach = eye.side / EYE_BOX / 2
        if not (reach <= eye.x <= width - reach and reach <= eye.y <= height - reach):
            return True
    return False


def head_pose(points: np.ndarray) -> tuple[float, float, float]:
    """Return yaw, pitch and roll in degrees, of the axes from eye to eye and forehead to chin.

    Parameters
    ----------
    points
        (478, 3) pixels; z away from the camera.
    """
    across = points[CORNERS["left"][0]] - points[CORNERS["right"][0]]
    down = points[CHIN] - points[FOREHEAD]
    across = across / np.linalg.norm(across)
    down = down - across * (down @ across)
    ahead = np.cross(down / np.linalg.norm(down), across)  # out of the face, towards the camera
    yaw = np.arctan2(ahead[0], -ahead[2])
    pitch = np.arcsin(np.clip(-ahead[1], -1, 1))
    roll = np.arctan2(across[1], across[0])
    yaw, pitch, roll = np.degrees([yaw, pitch, roll]).tolist()
    return yaw, pitch, roll


def _openness(points: np.ndarray, side: str, width: float) -> float:
    heights = [np.linalg.norm(np.subtract(*points[list(pair), :2])) for pair in LIDS[side]]
    return float(np.mean(heights)) / width


def _iris(points: np.ndarray, side: str, width: float) -> np.ndarray:
    """Place of the iris in the eye, along the line of its corners and across it, in eye widths."""
    outer, inner = points[list(CORNERS[side]), :2]
    # To the image's right for both eyes.
    along = (outer - inner if side == "left" else inner - outer) / width
    offset = (points[IRIS[side], :2] - (outer + inner) / 2) / width
    return np.array([offset @ along, offset @ (-along[1], along[0])])


def box_vector(squares: dict[str, Square], width: int, height: int) -> np.ndarray:
    """Return the boxes of face, left and right eye as fractions of the frame, (12,) float32."""
    boxes = [
        ((s.x - s.side / 2) / width, (s.y - s.side / 2) / height, s.side / width, s.side / height)
        for s in (squares[part] for part in ("face", "left", "right"))
    ]
    return np.array(boxes, np.float32).reshape(-1)
