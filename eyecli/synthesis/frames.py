"""Frames of a face video: eyes, head, background, light, noise and compression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eyecli.synthesis.eyelids import paint_eye, prepare_eye
from eyecli.synthesis.eyes import FloatArray, Side, Vector, optical_axis
from eyecli.synthesis.head import Pose, sheet_places, to_view
from eyecli.synthesis.looks import Looks
from eyecli.synthesis.portrait import Portrait
from eyecli.synthesis.sheet import CELL, make_sheet

SIDES: tuple[Side, Side] = ("left", "right")
ROOM = 6  # shapes behind the person


@dataclass(frozen=True)
class Camera:
    """What a camera does to a picture.

    Attributes
    ----------
    size
        Width and height of a frame.
    focal_px
        Focal length in pixels.
    blur_px, noise
        Standard deviations: of the blur in pixels, of the noise where white is 255.
    quality
        Of the JPEG that every frame goes through, 1..100.
    """

    size: tuple[int, int]
    focal_px: float
    blur_px: float
    noise: float
    quality: float


class FaceRenderer:
    """One person before one camera.

    Parameters
    ----------
    portrait
        Whom all people are made of.
    looks
        The person.
    camera
        The camera.
    rng
        The person's stream for the room, the noise and the compression: frames are drawn from it
        in order.
    """

    def __init__(
        self, portrait: Portrait, looks: Looks, camera: Camera, rng: np.random.Generator
    ) -> None:
        self.looks, self.camera, self.rng = looks, camera, rng
        self.sheet = make_sheet(portrait, looks)
        self.eyes = {side: prepare_eye(self.sheet, looks, side) for side in SIDES}
        self.room = draw_room(rng, camera.size)
        width, height = camera.size
        self._noise = rng.normal(0, camera.noise, (height + 64, width + 64, 3)).round()
        self._noise = self._noise.astype(np.int16)

    def eye_axis(self, side: Side, pose: Pose, gaze: Vector) -> FloatArray:
        """Direction of an eye's optical axis when its visual axis meets a point.

        Parameters
        ----------
        side
            The owner's left or right eye.
        pose
            Of the head.
        gaze
            The point, cm in the world.

        Returns
        -------
        ndarray of shape (3,)
            Unit vector in the head's coordinates: image right, up, to the camera.
        """
        # In the head's own world, x is to the viewer's right. A left eye is a right eye mirrored.
        mirror = (-1, 1, 1) if side == "left" else (1, 1, 1)
        target = to_view(pose.to_head(to_view(gaze))) * mirror
        centre = to_view(self.eyes[side].ball) * mirror
        axis = optical_axis(_vector(centre), _vector(target), self.looks.kappa[side])
        return to_view(axis * mirror)

    def frame(self, pose: Pose, gaze: Vector, closed: float, gain: float) -> np.ndarray:
        """Render one frame.

        Parameters
        ----------
        pose
            Of the head.
        gaze
            What both visual axes meet, cm in the world.
        closed
            How far the lids are closed, 0..1.
        gain
            Exposure, about 1.

        Returns
        -------
        ndarray of shape (height, width, 3), uint8
            BGR, after the JPEG.
        """
        import cv2

        eye_in_head = pose.to_head(np.zeros(3))
        face = self.sheet.image
        for side, eye in self.eyes.items():
            axis = self.eye_axis(side, pose, gaze)
            patch = paint_eye(eye, axis, eye_in_head, np.array(self.looks.lamp), closed)
            face[eye.rows, eye.columns] = np.rint(patch.clip(0, 1) * 255)
        places = sheet_places(self.sheet, pose, self.camera.size, self.camera.focal_px)
        part = self._part_of_person(*places)
        columns, rows = places[0][part], places[1][part]
        image = cv2.remap(face, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.remap(self.sheet.person, columns, rows, cv2.INTER_LINEAR)
        image = cv2.blendLinear(image, self.room[part], cover, 1 - cover)
        whole = self.room.copy()
        whole[part] = cv2.GaussianBlur(image, (0, 0), self.camera.blur_px)
        # Drawing noise anew costs more than all the rest: another cut of one field is taken.
        row, column = self.rng.integers(0, 64, 2)
        width, height = self.camera.size
        noise = self._noise[row : row + height, column : column + width]
        image = cv2.addWeighted(whole, gain, noise, 1.0, 0, dtype=cv2.CV_8U)
        quality = int(np.clip(round(self.camera.quality + self.rng.normal(0, 3)), 30, 100))
        _, code = cv2.imencode(
            ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality)
        )
        return cv2.imdecode(code, cv2.IMREAD_COLOR)

    def _part_of_person(self, columns: FloatArray, rows: FloatArray) -> tuple[slice, slice]:
        """Return the rows and columns of a frame outside which nothing but the room is seen."""
        import cv2

        across, down = (np.ascontiguousarray(chart[::CELL, ::CELL]) for chart in (columns, rows))
        seen = cv2.remap(self.sheet.person, across, down, cv2.INTER_LINEAR) > 0
        down, across = (np.flatnonzero(seen.any(axis=axis)) * CELL for axis in (1, 0))
        return (
            slice(max(0, down[0] - CELL), down[-1] + 2 * CELL),
            slice(max(0, across[0] - CELL), across[-1] + 2 * CELL),
        )


def draw_room(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Draw a blurred room: a wall lit from one side, and things before it.

    Parameters
    ----------
    rng
        The person's random stream.
    size
        Width and height.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB.
    """
    import cv2

    width, height = size
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    wall = rng.uniform(0.25, 0.8) + rng.uniform(-0.08, 0.08, 3)
    slope = rng.uniform(-0.12, 0.12, 2).astype(np.float32)
    room = (1 + slope[0] * x + slope[1] * y)[..., None] * wall.astype(np.float32)
    for _ in range(ROOM):
        left, top = rng.uniform(-0.2, 1.0, 2) * size
        right, bottom = (left, top) + rng.uniform(0.1, 0.5, 2) * size
        colour = (wall * rng.uniform(0.5, 1.4) + rng.uniform(-0.1, 0.1, 3)).clip(0, 1)
        corners = (int(left), int(top)), (int(right), int(bottom))
        cv2.rectangle(room, *corners, colour.tolist(), cv2.FILLED)
    room = cv2.GaussianBlur(room, (0, 0), rng.uniform(0.008, 0.03) * width)
    return np.rint(room.clip(0, 1) * 255).astype(np.uint8)


def _vector(point: FloatArray) -> Vector:
    x, y, z = point.tolist()
    return x, y, z
