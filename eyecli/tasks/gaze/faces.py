"""What is kept of one frame: crops of face and eyes, their boxes and transforms."""

from __future__ import annotations

import numpy as np

from eyecli.data.arrays import ArraySpec
from eyecli.imaging.square import crop_square, square_transform
from eyecli.tasks.gaze.face_geometry import Face, box_vector
from eyecli.tasks.gaze.fields import BOXES

# The two eyes of a person differ by a reflection: mirrored, both can share one branch.
MIRRORED = ("right",)
CROPS = ("face", "left", "right")
# Why a frame is left out.
NO_FACE, SMALL_FACE, OUTSIDE, BLINK = "no face", "small face", "eye outside", "blink"
SETTLING, NO_STIMULUS = "settling", "no stimulus"
# Those of frames that could have been samples.
LOST = (NO_FACE, SMALL_FACE, OUTSIDE, BLINK)
# Below this width in pixels an eye shows nothing of where it looks.
LEAST_EYE = 8.0
# The eye aspect ratio of a closed eye is below this; that of an open one is about 0.3.
CLOSED = 0.12


def face_specs(face_size: int, eye_size: int) -> dict[str, ArraySpec]:
    """Return the arrays made of a frame with a face."""
    sizes = crop_sizes(face_size, eye_size)
    return {name: ArraySpec((size, size, 3), "uint8") for name, size in sizes.items()} | {
        "boxes": ArraySpec((1, 1, len(BOXES)), "float32"),
        "transforms": ArraySpec((len(CROPS), 6), "float32"),
    }


def crop_sizes(face_size: int, eye_size: int) -> dict[str, int]:
    """Return the side of every crop."""
    return {name: face_size if name == "face" else eye_size for name in CROPS}


def cut_face(pixels: np.ndarray, face: Face, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Cut the crops of a face.

    Parameters
    ----------
    pixels
        (height, width, 3) uint8, the frame.
    face
        What to cut.
    sizes
        Side of every crop.

    Returns
    -------
    dict
        The arrays of `face_specs`; a row of ``transforms`` is the (2, 3) affine map from pixels of
        the frame to those of a crop as it is stored, mirrored where that is, flattened.
    """
    row, transforms = {}, []
    for name, size in sizes.items():
        crop = crop_square(pixels, face.squares[name], size)
        matrix = square_transform(face.squares[name], size)
        if name in MIRRORED:
            crop = np.ascontiguousarray(crop[:, ::-1])
            matrix[0] = (0, 0, size) - matrix[0]
        row[name] = crop
        transforms.append(matrix)
    row["transforms"] = np.array(transforms, np.float32).reshape(len(CROPS), 6)
    height, width = pixels.shape[:2]
    row["boxes"] = box_vector(face.squares, width, height)[None, None]
    return row
