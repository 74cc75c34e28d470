"""Eye crops rendered from a geometric eye model: the gaze target is exact by construction.

The world is in cm from the camera: x to the viewer's right, y up, z from the screen towards the
viewer. Crops are what the camera sees, not mirrored: an eye that turns to its owner's right turns
to the left of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from eyecli.errors import UsageError

Side = Literal["left", "right"]
Vector = tuple[float, float, float]
FloatArray = np.ndarray

BOX = 1.6  # side of a crop in widths of the lid opening, as landmark croppers cut it
CORNEA_RADIUS = 0.78
SMALLEST, LARGEST = 16, 512
WHITE: Vector = (1.0, 1.0, 1.0)
SCLERA: Vector = (0.90, 0.87, 0.84)
CARUNCLE: Vector = (0.78, 0.45, 0.42)
LASHES: Vector = (0.10, 0.07, 0.06)
PUPIL: Vector = (0.03, 0.03, 0.03)


@dataclass(frozen=True)
class Person:
    """What one person's two eyes share; lengths in cm, colours are RGB in 0..1.

    `kappa_deg` is the angle from the optical to the visual axis, (nasal, up): about 5 and 1.5
    degrees, different in everyone, and invisible in an image: only a calibration finds it.
    """

    eyeball_radius: float = 1.2
    iris_radius: float = 0.59
    pupil_radius: float = 0.2
    kappa_deg: tuple[float, float] = (5.0, 1.5)
    lid_width: float = 2.9
    lid_opening: float = 1.0
    lid_tilt: float = 0.05
    brow_height: float = 1.55
    brow_strength: float = 0.7
    iris: Vector = (0.36, 0.24, 0.15)
    skin: Vector = (0.80, 0.62, 0.52)
    hair: Vector = (0.16, 0.11, 0.09)
    phases: tuple[float, ...] = (0.3, 1.9, 4.1, 5.2, 2.7, 0.9)  # of iris streaks, skin, brow


@dataclass(frozen=True)
class Shot:
    """What differs between frames: where the crop fell, and what light and camera did.

    `shift` (cm, image right and up) moves the crop's centre off the lid opening's; `light` is the
    lamp's place in the world in cm; `noise` is a standard deviation where white is 1.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    roll_deg: float = 0.0
    light: Vector = (-30.0, 60.0, 10.0)
    gain: float = 1.0
    blur_px: float = 0.6
    noise: float = 0.0


def screen_to_cm(
    target_px: tuple[float, float], screen_px: tuple[int, int], screen_cm: tuple[float, float]
) -> Vector:
    """Place a screen pixel in the world: the camera sits 0.7 cm above the middle of the top edge.

    Parameters
    ----------
    target_px
        Origin top left, y down.
    screen_px, screen_cm
        Width and height of the screen.

    Returns
    -------
    tuple of float
        (x, y, 0) in cm.
    """
    x = (target_px[0] / screen_px[0] - 0.5) * screen_cm[0]
    return x, -0.7 - target_px[1] / screen_px[1] * screen_cm[1], 0.0


def optical_axis(centre: Vector, target: Vector, kappa_deg: tuple[float, float]) -> FloatArray:
    """Direction of a right eye's optical axis when its visual axis meets the target.

    The visual axis leaves the optical axis by kappa, nasally and upwards (Guestrin and Eizenman
    2006, IEEE TBME 53(6)); the nodal point is taken to be the eyeball's centre.

    Parameters
    ----------
    centre, target
        Eyeball's centre and the point looked at, cm in the world.
    kappa_deg
        (nasal, up) in degrees.

    Returns
    -------
    ndarray of shape (3,)
        Unit vector in the world.
    """
    dx, dy, dz = np.subtract(target, centre)
    yaw = np.arctan2(dx, -dz) + np.deg2rad(kappa_deg[0])
    pitch = np.arctan2(dy, np.hypot(dx, dz)) - np.deg2rad(kappa_deg[1])
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])


def render_eye(
    person: Person,
    side: Side,
    centre: Vector,
    target: Vector,
    shot: Shot | None = None,
    size: int = 64,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Render the crop of one eye that looks at a target.

    Iris and pupil are circles on a turned sphere, so they project as ellipses; the lids follow
    the vertical gaze; the glint stays where lamp and head put it, whatever the gaze. A left eye is
    the mirror image of a right eye in a mirrored world.

    Parameters
    ----------
    person
        The parameters that both eyes share.
    side
        The owner's left or right eye.
    centre
        Eyeball's centre in the world, cm; z is the distance from the screen.
    target
        The point looked at, cm in the world.
    shot
        Crop, light and camera; the default is an ideal one.
    size
        Side of the image in pixels.
    rng
        Source of the noise; without it there is none.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        RGB as the camera sees it, not mirrored.

    Raises
    ------
    UsageError
        If the size is not within 16..512, or the eye is not before the screen.
    """
    import cv2

    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"an eye crop of {size} px", f"sizes from {SMALLEST} to {LARGEST} px work")
    if centre[2] <= target[2]:
        raise UsageError(f"the eye is {centre[2]:g} cm from the screen", "it must be before it")
    shot = shot or Shot()
    if side == "left":
        centre, target = _mirror(centre), _mirror(target)
        shot = replace(
            shot,
            light=_mirror(shot.light),
            shift=(-shot.shift[0], shot.shift[1]),
            roll_deg=-shot.roll_deg,
        )
    # Rows: image right, image up, towards the camera.
    forward = -np.asarray(centre) / np.linalg.norm(centre)
    right = np.cross((0.0, 1.0, 0.0), forward)
    right /= np.linalg.norm(right)
    view = np.stack([right, np.cross(forward, right), forward])
    axis = view @ optical_axis(centre, target, person.kappa_deg)
    light = view @ np.subtract(shot.light, centre)
    light /= np.linalg.norm(light)
    image = _paint(person, shot, axis.astype(np.float32), light.astype(np.float32), size)
    image = cv2.GaussianBlur(image, (0, 0), shot.blur_px) if shot.blur_px > 0 else image
    if rng is not None and shot.noise > 0:
        image += shot.noise * rng.standard_normal(image.shape, dtype=np.float32)
    image = np.rint(image.clip(0, 1) * 255).astype(np.uint8)
    return image[:, ::-1].copy() if side == "left" else image


def _mirror(point: Vector) -> Vector:
    return -point[0], point[1], point[2]


def bump(distance: FloatArray, width: FloatArray | float) -> FloatArray:
    """Return a Gaussian of height 1 about 0."""
    return np.exp(-((distance / width) ** 2))


def tint(tone: FloatArray, colour: Vector) -> FloatArray:
    """Colour a map of brightness: (h, w) to (h, w, 3)."""
    return tone[..., None] * np.array(colour, np.float32)


def mix(under: FloatArray, over: FloatArray | Vector, cover: FloatArray) -> FloatArray:
    """Lay a colour or picture over another, where `cover` (h, w) is 1."""
    return under + (np.asarray(over, np.float32) - under) * cover[..., None]


def _paint(p: Person, shot: Shot, axis: FloatArray, light: FloatArray, size: int) -> FloatArray:
    """Paint a right eye (nose at the image's right); axis and light are in the camera's view."""
    per_cm = size / (BOX * p.lid_width * shot.scale)
    ramp = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / np.float32(per_cm)
    cos, sin = np.cos(np.deg2rad(shot.roll_deg)), np.sin(np.deg2rad(shot.roll_deg))
    x = (cos * ramp - sin * ramp[:, None] + shot.shift[0]).astype(np.float32)
    y = (-sin * ramp - cos * ramp[:, None] + shot.shift[1]).astype(np.float32)

    def inside(depth: FloatArray) -> FloatArray:
        """Share of a pixel that lies inside an edge, from the depth in cm: anti-aliasing."""
        return (depth * per_cm + 0.5).clip(0, 1)

    # Lids: the upper follows the iris down and up, the lower follows it half as far.
    along = 2 * x / p.lid_width
    arch = (1 - along**2).clip(0, None)
    drop = p.eyeball_radius * axis[1]
    corner_line = -p.lid_tilt * x
    upper = corner_line + max(0.52 * p.lid_opening + 0.75 * drop, 0.08) * arch**0.75 * (
        1 + 0.15 * along
    )
    lower = corner_line - max(0.48 * p.lid_opening - 0.35 * drop, 0.12) * arch**0.85 * (
        1 - 0.2 * along
    )
    opening = inside(np.minimum(upper - y, y - lower)) * (arch > 0)
    eye = paint_eyeball(p, axis, light, x, y, inside)
    eye = mix(eye, CARUNCLE, 0.8 * bump(along - 1, 0.16))
    eye *= (0.55 + 0.45 * ((upper - y) / 0.28).clip(0, 1))[..., None]  # the upper lid's shadow

    waves = np.sin(2.1 * x + 1.3 * y + p.phases[3]) + np.sin(5.3 * y - 3.7 * x + p.phases[4])
    crease = bump(y - upper - 0.28 - 0.12 * arch, 0.09) * (1 - (along / 1.15) ** 2).clip(0, 1)
    socket = bump(x - 0.42 * p.lid_width, 0.5) * bump(y - 0.55, 0.75)
    bag = bump(y - lower + 0.38 + 0.1 * arch, 0.14) * arch
    tone = 1 + 0.02 * waves - 0.28 * crease - 0.22 * socket - 0.1 * bag
    image = tint(tone, p.skin)
    arc = y - p.brow_height - 0.22 * (1 - (x / 1.6) ** 2) - 0.05 * x
    hairs = 0.88 + 0.07 * (np.sin(37 * x + 9 * y + p.phases[5]) + np.sin(23 * x - 14 * y))
    ends = ((1.9 - x) / 0.5).clip(0, 1) * ((x + 2.4) / 1.2).clip(0, 1)
    brow = p.brow_strength * hairs * bump(arc, 0.27 * (0.4 + 0.6 * ends)) * ends
    image = mix(image, p.hair, brow)
    image = mix(image, eye, opening)
    lashes = (0.85 * bump(y - upper, 0.075) + 0.3 * bump(y - lower, 0.05)) * arch**0.4
    image = mix(image, LASHES, lashes.clip(0, 1))
    # The face is flat to the lamp, but for a fall-off across it.
    return image * (shot.gain * (0.9 + 0.13 * (light[0] * x + light[1] * y)))[..., None]


def paint_eyeball(
    p: Person,
    axis: FloatArray,
    light: FloatArray,
    x: FloatArray,
    y: FloatArray,
    inside: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Colour of the sphere's front: sclera, iris, pupil and glint.

    Parameters
    ----------
    p
        Sizes and colours of the eye.
    axis, light
        (3,) unit vectors of the optical axis and to the lamp: image right, up, to the camera.
    x, y
        (h, w) places in cm from the eyeball's centre, image right and up.
    inside
        Share of a pixel that lies inside an edge, from the depth in cm.

    Returns
    -------
    ndarray of shape (h, w, 3)
        RGB in 0..1.
    """
    flat = x**2 + y**2
    z = np.sqrt((p.eyeball_radius**2 - flat).clip(0.04, None))
    depth = x * axis[0] + y * axis[1] + z * axis[2]
    off_axis = np.sqrt((flat + z**2 - depth**2).clip(0, None))  # distance from the optical axis
    lit = (x * light[0] + y * light[1] + z * light[2]) / p.eyeball_radius
    image = tint(0.66 + 0.34 * lit.clip(0, 1), SCLERA)

    around = np.arctan2(y - axis[1] * depth, x - axis[0] * depth)
    streaks = sum(np.cos(k * around + p.phases[i]) for i, k in enumerate((9, 14, 23)))
    rim = 1 - 0.55 * bump(off_axis - p.iris_radius, 0.1)
    inner = 0.3 * bump(off_axis - p.pupil_radius, 0.12)
    iris = tint(rim * (1 + 0.07 * streaks) + inner, p.iris)
    image = mix(image, iris, inside(p.iris_radius - off_axis))
    image = mix(image, PUPIL, inside(p.pupil_radius - off_axis))

    # Mirrored by the cornea half way between lamp and camera. The cornea's own movement, which
    # takes a real glint along by about half the iris's way, is left out.
    halfway = light + np.array([0, 0, 1], np.float32)
    spot = CORNEA_RADIUS * halfway[:2] / np.linalg.norm(halfway)
    glint = inside(0.07 - np.hypot(x - spot[0], y - spot[1]))
    on_cornea = 0.35 + 0.65 * inside(p.iris_radius - off_axis)
    return mix(image, WHITE, 0.9 * glint * on_cornea)
