"""A head before a camera: pose, projection, and the sheet seen from where the camera is.

Everything here is in the camera's view: x to the image's right, y up, z towards the camera's back,
in cm from the camera; what is before the camera has a negative z. The world (x to the viewer's
right, z from the screen to the viewer) is this, turned by half about y: `to_view`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eyecli.synthesis.eyes import FloatArray
from eyecli.synthesis.sheet import CELL, Sheet

# Where a head turns on its neck, cm from the middle between the eyes.
NECK = np.array([0.0, -10.0, -9.0])
# The depth of the face bends rays little: each round leaves a fifth of the error.
ROUNDS = 4


@dataclass(frozen=True)
class Pose:
    """Where a head is and how it is turned.

    Attributes
    ----------
    shoulders
        (x, y, z) in cm: where the middle between the eyes would be if the head were not turned.
    yaw, pitch, roll
        Degrees the head is turned to the image's right, up, and clockwise in the image.
    """

    shoulders: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float

    def rotation(self) -> FloatArray:
        """Return the (3, 3) matrix from the head's coordinates to the view's."""
        (cy, cp, cr), (sy, sp, sr) = (
            f(np.deg2rad((self.yaw, self.pitch, self.roll))) for f in (np.cos, np.sin)
        )
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        roll = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
        return yaw @ pitch @ roll

    def position(self) -> FloatArray:
        """Return the middle between the eyeballs, (3,) in cm."""
        return NECK - self.rotation() @ NECK + self.shoulders

    def to_head(self, point: FloatArray) -> FloatArray:
        """From the view's coordinates to the head's, (3,)."""
        return self.rotation().T @ (point - self.position())


def to_view(point: Sequence[float] | FloatArray) -> FloatArray:
    """Turn a point of the world into the camera's view, or back: (..., 3)."""
    return np.asarray(point) * (-1, 1, -1)


def sheet_places(
    sheet: Sheet, pose: Pose, size: tuple[int, int], focal_px: float
) -> tuple[FloatArray, FloatArray]:
    """Say for every pixel of a frame which place of the sheet it shows.

    A pinhole camera whose axis meets the middle of the frame. The surface of the sheet is bent by
    its depth; the rays are followed on a coarse grid and interpolated.

    Parameters
    ----------
    sheet
        The person from the front.
    pose
        Of the head.
    size
        Width and height of the frame.
    focal_px
        Focal length in pixels.

    Returns
    -------
    columns, rows
        (height, width) float32 each, in pixels of the sheet.
    """
    import cv2

    width, height = size
    across, down = (-(-side // CELL) + 2 for side in size)
    # Cells of the frame, with one more on each side: their centres are where `resize` puts them.
    a = (((np.arange(across) - 0.5) * CELL - 0.5 - (width - 1) / 2) / focal_px).astype(np.float32)
    b = (((height - 1) / 2 - (np.arange(down) - 0.5) * CELL + 0.5) / focal_px).astype(np.float32)
    a, b = np.meshgrid(a, b)
    rotation, (tx, ty, tz) = pose.rotation(), pose.shoulders
    pull = NECK - rotation @ NECK
    x, y = -a * np.float32(tz) - np.float32(tx), -b * np.float32(tz) - np.float32(ty)
    for _ in range(ROUNDS):
        columns = ((sheet.origin[0] + x * sheet.per_cm + 0.5) / CELL - 0.5).astype(np.float32)
        rows = ((sheet.origin[1] - y * sheet.per_cm + 0.5) / CELL - 0.5).astype(np.float32)
        z, turns = (
            cv2.remap(chart, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for chart in (sheet.depth, sheet.head)
        )
        # Between head and shoulders a place goes a share of the head's way.
        m = [
            [turns * np.float32(rotation[i, j]) + ((1 - turns) if i == j else 0) for j in range(3)]
            for i in range(3)
        ]
        px, py, pz = (m[i][2] * z + turns * np.float32(pull[i]) + np.float32(t)
                      for i, t in enumerate((tx, ty, tz)))  # fmt: skip
        # On the ray: x = -a z and y = -b z; linear in x and y for a depth that is given.
        xx, xy, yx, yy = (m[0][0] + a * m[2][0], m[0][1] + a * m[2][1],
                          m[1][0] + b * m[2][0], m[1][1] + b * m[2][1])  # fmt: skip
        right, left = -(px + a * pz), -(py + b * pz)
        determinant = xx * yy - xy * yx
        x, y = (right * yy - xy * left) / determinant, (xx * left - right * yx) / determinant
    columns = (sheet.origin[0] + x * sheet.per_cm).astype(np.float32)
    rows = (sheet.origin[1] - y * sheet.per_cm).astype(np.float32)
    full = (across * CELL, down * CELL)
    columns, rows = (cv2.resize(places, full, interpolation=cv2.INTER_LINEAR)
                     for places in (columns, rows))  # fmt: skip
    return (
        columns[CELL : CELL + height, CELL : CELL + width],
        rows[CELL : CELL + height, CELL : CELL + width],
    )


def project(point: FloatArray, size: tuple[int, int], focal_px: float) -> tuple[float, float]:
    """Return column and row at which the camera sees a point of its view, (3,) in cm."""
    x, y, z = np.asarray(point).tolist()
    return (size[0] - 1) / 2 - focal_px * x / z, (size[1] - 1) / 2 + focal_px * y / z
