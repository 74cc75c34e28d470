"""The portrait that all faces are made of: scikit-image's astronaut, taken apart.

Eileen Collins, photographed by NASA, in the public domain. What is found here, once a process:
landmarks, who is before the background, how far each pixel is from the camera, what is skin and
what is hair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from eyecli.errors import EyecliError
from eyecli.imaging.face_mesh import solutions, still_finder
from eyecli.synthesis.eyes import FloatArray, Side

INTEROCULAR = 6.3  # cm between the pupils of an adult
# Landmarks of the face mesh. Lids go from the outer to the inner corner, both named in either lid.
LIDS: dict[Side, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "right": (
        (33, 246, 161, 160, 159, 158, 157, 173, 133),
        (33, 7, 163, 144, 145, 153, 154, 155, 133),
    ),
    "left": (
        (263, 466, 388, 387, 386, 385, 384, 398, 362),
        (263, 249, 390, 373, 374, 380, 381, 382, 362),
    ),
}
IRISES = (468, 473)
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67,
        109)  # fmt: skip
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283,
         276))  # fmt: skip
CHIN, NOSE_BASE = 152, 2
# cm behind the eyes at which hair and shoulders are taken to be.
FAR_BEHIND = -5.0
LID_PLANE = 0.95  # cm from an eyeball's centre to the plane of its lids' corners


@dataclass(frozen=True)
class Portrait:
    """A portrait and what is known about each of its pixels.

    Attributes
    ----------
    image
        (h, w, 3) uint8, RGB.
    person, skin, hair, lips, brows, beard
        (h, w) float32 in 0..1: what a pixel belongs to. `beard` is where one would grow; `hair`
        goes on into the background, so that its edge is dyed too.
    depth
        (h, w) float32, cm towards the camera from the plane of the eyeballs' centres.
    lids
        Side to (2, 9, 2): upper and lower lid from the outer to the inner corner, (x, y) in px.
    per_cm
        Pixels per cm of the face.
    chin
        Row of its lowest point.
    """

    image: np.ndarray
    person: FloatArray
    skin: FloatArray
    hair: FloatArray
    lips: FloatArray
    brows: FloatArray
    beard: FloatArray
    depth: FloatArray
    lids: Mapping[Side, FloatArray]
    per_cm: float
    chin: float


@lru_cache(maxsize=1)
def load_portrait() -> Portrait:
    """Take scikit-image's portrait apart.

    Returns
    -------
    Portrait
        Level: the line through the pupils is horizontal.

    Raises
    ------
    EyecliError
        If the face mesh finds no face in it, which no known version does.
    """
    import cv2
    import skimage.data

    image = skimage.data.astronaut()
    first, mask = _faces(image)
    tilt = first[IRISES[1]] - first[IRISES[0]]
    angle = float(np.rad2deg(np.arctan2(tilt[1], tilt[0])))
    centre = first[list(IRISES), :2].mean(axis=0).tolist()
    turn = cv2.getRotationMatrix2D(centre, angle, 1.0)
    size = image.shape[1::-1]
    image = cv2.warpAffine(image, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    mask = cv2.warpAffine(mask, turn, size, borderMode=cv2.BORDER_REPLICATE)
    points = first.copy()
    points[:, :2] = first[:, :2] @ turn[:, :2].T + turn[:, 2]

    per_cm = float(np.linalg.norm(points[IRISES[1], :2] - points[IRISES[0], :2])) / INTEROCULAR
    person = _person(image, mask)
    lips = _filled(points, LIPS, image.shape, 1.0)
    skin, hair = _skin_and_hair(image, points)
    return Portrait(
        image=_without_rim(image, person),
        person=person,
        skin=skin * (1 - lips),
        hair=hair,
        lips=lips,
        brows=np.maximum(*[_filled(points, brow, image.shape, 1.2) for brow in BROWS]),
        beard=_beard(points, image.shape) * skin * (1 - lips),
        depth=_depth(points, per_cm, image.shape),
        lids={
            side: np.stack([points[list(lid), :2] for lid in lids]) for side, lids in LIDS.items()
        },
        per_cm=per_cm,
        chin=float(points[CHIN, 1]),
    )


def _faces(image: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Landmarks (478, 3) in pixels, and how likely a pixel is a person's."""
    import cv2

    with still_finder() as find:
        points, _ = find(image)
    if points is None:
        raise EyecliError("no face found in scikit-image's astronaut", "`eyecli doctor`")
    with solutions("selfie_segmentation").SelfieSegmentation(model_selection=0) as segmentation:
        mask = segmentation.process(image).segmentation_mask
    return points, cv2.resize(mask, image.shape[1::-1])


def _person(image: np.ndarray, likely: FloatArray) -> FloatArray:
    """Cut the person out: GrabCut from a network's guess, its edge a little inside and soft."""
    import cv2

    marks = np.select(
        [likely > 0.9, likely > 0.5, likely > 0.1],
        [cv2.GC_FGD, cv2.GC_PR_FGD, cv2.GC_PR_BGD],
        cv2.GC_BGD,
    ).astype(np.uint8)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image[..., ::-1].copy(), marks, None, *models, 4, cv2.GC_INIT_WITH_MASK)
    mask = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    # One person: islands are patches of the background.
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    mask = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    return cv2.GaussianBlur(
        cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 1
    )


def _without_rim(image: np.ndarray, person: FloatArray) -> np.ndarray:
    """Let the person's colours go on past their edge: no rim of the old background shows."""
    import cv2

    core = (person > 0.9).astype(np.float32)
    weight = cv2.GaussianBlur(core, (0, 0), 3)[..., None] + 1e-4
    spread = cv2.GaussianBlur(image * core[..., None], (0, 0), 3) / weight
    return np.rint(spread + (image - spread) * core[..., None]).clip(0, 255).astype(np.uint8)


def _filled(
    points: FloatArray, outline: Sequence[int], shape: tuple[int, ...], soft: float
) -> FloatArray:
    import cv2

    mask = np.zeros(shape[:2], np.float32)
    cv2.fillPoly(mask, [np.rint(points[list(outline), :2]).astype(np.int32)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), soft)


def _skin_and_hair(image: np.ndarray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Tell skin by its colour in and around the face; call hair what else is above the chin."""
    import cv2

    colour = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    inner = _filled(points, OVAL, image.shape, 1.0)
    rows = np.arange(image.shape[0], dtype=np.float32)[:, None]
    below_fringe = ((rows - points[BROWS[0][0], 1] + 7) / 3).clip(0, 1)
    face = inner * below_fringe
    typical = np.median(colour[face > 0.9], axis=0)
    distance = np.linalg.norm((colour - typical) / (45, 9, 9), axis=-1)
    # Above the brows is a strip of forehead; higher up, the fringe has islands of its colour.
    forehead = rows > points[BROWS[0][0], 1] - 15
    near = (cv2.dilate(inner, np.ones((25, 25), np.uint8)) > 0.5) & forehead
    alike = cv2.medianBlur(((distance < 1.5) & near).astype(np.uint8), 7)
    alike = cv2.morphologyEx(alike, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    skin = cv2.GaussianBlur(np.maximum(alike, face).astype(np.float32), (0, 0), 1.3)
    above = ((points[CHIN, 1] - 20 - rows) / 8).clip(0, 1)
    return skin, (1 - skin) * above


def _beard(points: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Where a beard grows: from the nose's base down, along the jaw."""
    oval = _filled(points, OVAL, shape, 2.5)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    middle, base = points[NOSE_BASE, :2]
    width = np.ptp(points[list(OVAL), 0]) / 2
    # Its upper edge rises from the nose's base towards the ears.
    edge = base + 6 - 26 * (np.abs(columns - middle) / width - 0.45).clip(0, None)
    return oval * ((rows - edge) / 5).clip(0, 1)


def _depth(points: FloatArray, per_cm: float, shape: tuple[int, ...]) -> FloatArray:
    """Interpolate a smooth surface through the landmarks; far from the face it lies behind."""
    import cv2
    from scipy.interpolate import RBFInterpolator

    mesh = points[:468]
    corners = [lid[index] for lids in LIDS.values() for lid in lids for index in (0, -1)]
    towards = LID_PLANE - (mesh[:, 2] - points[corners, 2].mean()) / per_cm
    centre, reach = mesh[:, :2].mean(axis=0), np.ptp(mesh[:, :2], axis=0)
    around = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = centre + reach * np.stack([np.cos(around), np.sin(around)], axis=1)
    known = np.concatenate([mesh[:, :2], ring])
    values = np.concatenate([towards, np.full(len(ring), FAR_BEHIND)])
    surface = RBFInterpolator(known / per_cm, values, smoothing=0.05, kernel="thin_plate_spline")
    step = 4
    rows, columns = np.mgrid[: shape[0] : step, : shape[1] : step] + (step - 1) / 2
    places = np.stack([columns.ravel(), rows.ravel()], axis=1) / per_cm
    coarse = surface(places).reshape(rows.shape).clip(FAR_BEHIND, None).astype(np.float32)
    outside = np.hypot(
        *((np.stack([columns, rows]) - centre[:, None, None]) / reach[:, None, None])
    )
    coarse += (FAR_BEHIND - coarse) * ((outside - 0.7) / 0.5).clip(0, 1).astype(np.float32)
    full = cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(full, (0, 0), 3)
