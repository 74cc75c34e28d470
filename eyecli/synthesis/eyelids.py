"""Eyes in a face: eyeballs behind the lids of a sheet, and lids that follow the gaze and blink."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eyecli.synthesis.eyes import (
    CARUNCLE,
    LASHES,
    FloatArray,
    Person,
    Side,
    bump,
    mix,
    paint_eyeball,
)
from eyecli.synthesis.looks import Looks
from eyecli.synthesis.portrait import LID_PLANE
from eyecli.synthesis.sheet import Sheet, brightness, eyeball_centre

# What of the sheet an eye changes, in cm from the middle of its lids' corners: sideways, up, down.
REACH = (2.1, 2.6, 1.9)
# How far from its edge a lid's skin is drawn along, in cm.
UPPER_SKIN, LOWER_SKIN = 1.75, 1.3
# Lids go with the iris (as in `render_eye`), and never nearer than this unless in a blink.
UPPER_FOLLOWS, LOWER_FOLLOWS = 0.75, 0.35
LEAST = 0.1
# The portrait's own lash line, which is taken along with the lid's skin.
SEAM = 0.07
# Light that reaches an eye in its socket, relative to the skin around.
SOCKET = np.float32(0.88)


@dataclass(frozen=True)
class Eye:
    """One eye of a sheet, ready to be painted at any gaze.

    Attributes
    ----------
    person
        The eyeball.
    rows, columns
        Where in the sheet its patch lies.
    skin
        (h, w, 3) float32, the patch as it is.
    x, y
        (1, w) and (h, 1) float32, cm from the middle of the corners, along the line through them.
    along
        (1, w): -1 at the left corner, 1 at the right.
    upper, lower
        (1, w): edges of the lids as they are in the sheet, cm above the line of the corners.
    tilt
        Rise of that line to the image's right, cm a cm.
    ball
        (x, y, z): the eyeball's centre in the head, cm.
    middle
        (x, y): the middle of the corners in the head, cm.
    nose
        1 if the nose is at the image's right, else -1.
    per_cm
        Pixels per cm.
    gain
        (3,) light at this place.
    lids
        Height of the opening, relative to the sheet's.
    """

    person: Person
    rows: slice
    columns: slice
    skin: FloatArray
    x: FloatArray
    y: FloatArray
    along: FloatArray
    upper: FloatArray
    lower: FloatArray
    tilt: float
    ball: FloatArray
    middle: FloatArray
    nose: int
    per_cm: float
    gain: FloatArray
    lids: float


def prepare_eye(sheet: Sheet, looks: Looks, side: Side) -> Eye:
    """Cut the patch of one eye out of a sheet and fit the edges of its lids.

    Parameters
    ----------
    sheet, looks
        The person.
    side
        The owner's left or right eye.
    """
    lids = sheet.lids[side]
    corners = lids[0, [0, -1]]
    middle = corners.mean(axis=0)
    left, right = corners[np.argsort(corners[:, 0])]
    width = right[0] - left[0]
    tilt = float((right[1] - left[1]) / width)
    column, row = (sheet.origin[0] + middle[0] * sheet.per_cm,
                   sheet.origin[1] - middle[1] * sheet.per_cm)  # fmt: skip
    reach, up, down = (round(length * sheet.per_cm) for length in REACH)
    rows = slice(round(row) - up, round(row) + down)
    columns = slice(round(column) - reach, round(column) + reach)
    x = ((np.arange(columns.start, columns.stop) - column) / sheet.per_cm).astype(np.float32)[None]
    y = ((row - np.arange(rows.start, rows.stop)) / sheet.per_cm).astype(np.float32)[:, None]
    along = 2 * x / np.float32(width)
    edges = [_edge(lid - middle, width, tilt, along) for lid in lids]
    return Eye(
        person=looks.eyes,
        rows=rows,
        columns=columns,
        skin=sheet.image[rows, columns].astype(np.float32) / 255,
        x=x,
        y=y,
        along=along,
        upper=edges[0],
        lower=edges[1],
        tilt=tilt,
        ball=eyeball_centre(lids),
        middle=middle,
        nose=1 if side == "right" else -1,
        per_cm=sheet.per_cm,
        gain=SOCKET
        * brightness(sheet, looks, (float(middle[0]), float(middle[1]))).astype(np.float32),
        lids=looks.lids,
    )


def _edge(points: FloatArray, width: float, tilt: float, along: FloatArray) -> FloatArray:
    """Fit a smooth arch through a lid's landmarks, (1, w) above the line of the corners."""
    at = 2 * points[1:-1, 0] / width
    heights = points[1:-1, 1] - tilt * points[1:-1, 0]
    basis = np.stack([_arch(at) * at**power for power in range(3)], axis=1)
    weights = np.linalg.lstsq(basis, heights, rcond=None)[0]
    fitted = sum(weight * _arch(along) * along**power for power, weight in enumerate(weights))
    return np.asarray(fitted, np.float32)


def _arch(along: FloatArray) -> FloatArray:
    return (1 - along**2).clip(0, None) ** 0.75


def paint_eye(
    eye: Eye, axis: FloatArray, camera: FloatArray, lamp: FloatArray, closed: float = 0.0
) -> FloatArray:
    """Paint the patch of an eye: what the camera sees, laid out in the plane of the lids.

    Each pixel is a place in the plane of the lids; what is painted there is where the camera's
    ray through it meets the eyeball, so that the iris moves rightly under a turned head too.

    Parameters
    ----------
    eye
        The eye.
    axis
        (3,) unit vector of the optical axis in the head's coordinates: image right, up, to the
        camera.
    camera
        (3,) the camera's place in the head's coordinates, cm.
    lamp
        (3,) unit vector to the light.
    closed
        0 open, 1 shut.

    Returns
    -------
    ndarray of shape (h, w, 3), float32
        RGB in 0..1.
    """
    import cv2

    person = eye.person
    level = eye.y - eye.tilt * eye.x
    upper, lower = moved_lids(eye, person.eyeball_radius * float(axis[1]), closed)
    # Skin is drawn along with the lids, less the farther away it is.
    by_upper, by_lower = upper - eye.upper, lower - eye.lower
    pull_up = (1 - (level - upper) / UPPER_SKIN).clip(0, 1)
    pull_down = (1 - (lower - level) / LOWER_SKIN).clip(0, 1)
    above = level > (upper + lower) / 2
    source = np.where(above, (by_upper - SEAM) * pull_up, (by_lower + SEAM) * pull_down)
    rows = np.arange(len(level), dtype=np.float32)[:, None] + source * np.float32(eye.per_cm)
    columns = np.broadcast_to(np.arange(level.shape[1], dtype=np.float32), rows.shape)
    image = cv2.remap(eye.skin, columns.copy(), rows.astype(np.float32), cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REPLICATE)  # fmt: skip

    def inside(depth: FloatArray) -> FloatArray:
        """Share of a pixel that lies inside an edge, from the depth in cm: anti-aliasing."""
        return (depth * np.float32(eye.per_cm) + 0.5).clip(0, 1)

    arch = _arch(eye.along)
    # An edge covers half of its pixel; of lids that meet, both do.
    gap = ((upper - lower) * np.float32(eye.per_cm)).clip(0, 1)
    opening = inside(np.minimum(upper - level, level - lower)) * gap
    if opening.any():
        ball_x, ball_y = _seen(eye, camera)
        ball = paint_eyeball(
            person, axis.astype(np.float32), lamp.astype(np.float32), ball_x, ball_y, inside
        )
        ball = mix(ball, CARUNCLE, 0.8 * bump(eye.nose * eye.along - 1, 0.16) * np.ones_like(level))
        # The upper lid's shadow.
        ball *= (0.55 + 0.45 * ((upper - level) / 0.28).clip(0, 1))[..., None] * eye.gain
        image = mix(image, ball, opening)
    lashes = (0.75 * bump(level - upper - 0.02, 0.06) + 0.2 * bump(level - lower, 0.05)) * arch**0.5
    return mix(image, LASHES, lashes.clip(0, 1))


def moved_lids(eye: Eye, rise: float, closed: float) -> tuple[FloatArray, FloatArray]:
    """Return the edges of the lids, (1, w) each, when the iris is `rise` cm above its centre."""
    top, bottom = float(eye.upper.max()), float(-eye.lower.min())
    high = max(eye.lids * top + UPPER_FOLLOWS * rise, LEAST)
    low = max(eye.lids * bottom - LOWER_FOLLOWS * rise, LEAST)
    upper, lower = eye.upper * (high / top), eye.lower * (low / bottom)
    # In a blink the upper lid comes down, and the lower a little up.
    lower = lower * (1 - 0.2 * closed)
    upper = upper + closed * (lower - upper)
    return np.maximum(upper, lower), lower


def _seen(eye: Eye, camera: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where on the eyeball the camera's rays through the plane of the lids end, cm, (h, w) each."""
    offset = eye.middle - eye.ball[:2]
    x, y = np.broadcast_arrays(eye.x + np.float32(offset[0]), eye.y + np.float32(offset[1]))
    ray = np.array([0, 0, LID_PLANE]) - (camera - eye.ball)
    ray = (ray / np.linalg.norm(ray)).astype(np.float32)
    along = x * ray[0] + y * ray[1] + np.float32(LID_PLANE) * ray[2]
    square = x**2 + y**2 + np.float32(LID_PLANE**2)
    inside = (along**2 - square + np.float32(eye.person.eyeball_radius**2)).clip(0.04, None)
    reach = -along - np.sqrt(inside)
    return x + reach * ray[0], y + reach * ray[1]
