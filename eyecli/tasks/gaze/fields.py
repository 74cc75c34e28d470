"""The raw layouts of gaze data: how they are recognised, and their fields."""

from __future__ import annotations

import re
from collections.abc import Iterable

from eyecli.data.fields import Field, Layout
from eyecli.data.tables import find_table
from eyecli.imaging.video import SUFFIXES
from eyecli.tasks.gaze.session_pairs import is_face_sessions

CROP = re.compile(r"(?P<side>left|right)/(?P<x>-?\d+)_(?P<y>-?\d+)\.(?:bmp|png|jpe?g)", re.I)
# Image columns of a table and the arrays they become.
IMAGES = ("left", "right", "face")
# Column of whole pictures.
FRAME = "frame"
BOXES = tuple(
    f"{part}_box_{side}" for part in ("face", "left", "right") for side in ("x", "y", "w", "h")
)
TARGETS = ("target_x", "target_y")
GAZE = ("pred_x", "pred_y")
# Far beyond any screen, in pixels or centimetres.
SCREEN = (-1e6, 1e6)
# Boxes are fractions of the frame; a face at its edge reaches out of it.
BOX_RANGE = (-1.0, 2.0)
SIDES = {"left": "left", "right": "right", "l": "left", "r": "right", "os": "left", "od": "right"}
MEANINGS = {"x": "left edge", "y": "top edge", "w": "width", "h": "height"}

TARGET = tuple(
    Field(
        f"target_{axis}", "number", f"where on the screen the person looks, {way}", example,
        unit="px (or cm: --unit cm)", needed=True, span=SCREEN,
    )
    for axis, way, example in (
        ("x", "from its left edge", "640"), ("y", "down from its top", "360")
    )
)  # fmt: skip
EYE = Field(
    "eye", "choice", "which eye of its owner the file shows: pairs the files of a sample", "left",
    choices=SIDES, named=True,
)  # fmt: skip
TABLE_FIELDS = (
    Field("subject", "text", "who looks; a person's samples are never split", "p01", needed=True),
    *TARGET,
    Field("left", "path", "crop of the owner's left eye, as the camera sees it", "p01_left.png"),
    Field("right", "path", "crop of the owner's right eye, as the camera sees it", "p01_right.png"),
    Field("face", "path", "crop of the face", "p01_face.png", aliases=("image",)),
    Field("frame", "path", "whole picture, in which face and eyes are looked for", "p01.jpg"),
    Field("session", "text", "recording of the person", "1"),
    Field("point", "text", "stimulus; by default the place of the target", "7"),
    *(
        Field(
            name, "number", f"{MEANINGS[name[-1]]} of the {name.split('_')[0]} box", "0.25",
            unit="fraction of the frame", span=BOX_RANGE,
        )
        for name in BOXES
    ),
    EYE,
)  # fmt: skip
NAME_FIELDS = (
    EYE, *(Field(f.name, f.kind, f.meaning, f.example, f.unit, True, named=True) for f in TARGET)
)  # fmt: skip


SESSION_FIELDS = (
    Field("subject", "text", "who looks; a person's samples are never split", '"p01"', needed=True),
    Field("screen_px", "number", "width and height of the screen", "[1366, 768]", "px", True),
    Field("screen_cm", "number", "the same", "[34.4, 19.3]", "cm", True),
    Field("camera_cm", "number", "camera from the screen's top left corner: x to the viewer's "
          "right, y up", "[17.2, 0.7]", "cm", True),
    Field("stimuli", "text", "what was shown, in order: start_ms, end_ms, x, y and optionally "
          "point", "[...]", needed=True),
    Field("stimuli[].start_ms", "number", "onset, from the video's first frame", "0", "ms", True),
    Field("stimuli[].end_ms", "number", "end", "1500", "ms", True),
    Field("stimuli[].x", "number", "where it was", "640", "see unit", True),
    Field("stimuli[].y", "number", "where it was", "360", "see unit", True),
    Field("stimuli[].point", "text", "its id; by default its place", '"7"'),
    Field("unit", "choice", "of x and y: px from the screen's top left corner, y down, or cm from "
          "the camera, x to the viewer's right, y up", '"px"', choices={"px": "px", "cm": "cm"}),
    Field("session", "text", "recording of the person; by default the file's name", '"1"'),
    Field("device", "text", "what it was recorded with; figures are given for each", '"tablet-11"'),
    Field("orientation", "text", "how it was held; by default as the screen is", '"landscape"'),
    Field("distance_cm", "number", "eyes to screen; gives degrees", "55", "cm"),
    Field("mirrored", "text", "whether the video is a mirror image", "false"),
)  # fmt: skip
SESSION_EXAMPLE = """\
{
  "subject": "p01",
  "screen_px": [1366, 768],
  "screen_cm": [34.4, 19.3],
  "camera_cm": [17.2, 0.7],
  "stimuli": [
    {"start_ms": 0, "end_ms": 1500, "x": 640, "y": 360},
    {"start_ms": 1500, "end_ms": 3000, "x": 1200, "y": 90}
  ]
}
"""


RECORDING = (
    r"(?:.*/)?\d{5}/(?:frames/\d{5}\.jpe?g|(?:frames|dotInfo|appleFace|appleLeftEye|appleRightEye"
    r"|faceGrid|info|motion|screen)\.json)"
)
CAPTURE_FIELDS = (
    Field("subject", "text", "who looks: the folder's number", "00002", needed=True, named=True),
    Field("frame", "path", "whole pictures, whose names are in frames.json", "frames/00000.jpg",
          needed=True, named=True),
    Field("dotInfo.XCam", "number", "where the person looks, from the camera to the right",
          "1.06", "cm", True),
    Field("dotInfo.YCam", "number", "the same, up", "-5.02", "cm", True),
    Field("dotInfo.DotNum", "number", "stimulus of every frame", "7"),
    Field("appleFace", "number", "box of the face: X, Y, W, H, and IsValid", "[120, 88, 240, 240]",
          "px of the frame"),
    Field("appleLeftEye", "number", "box of the owner's left eye, in that of the face",
          "[130, 40, 80, 80]", "px"),
    Field("appleRightEye", "number", "box of the owner's right eye, in that of the face",
          "[30, 40, 80, 80]", "px"),
    Field("screen.Orientation", "number", "how the device was held: 1 portrait, 2 upside down, "
          "3 landscape with the home button right, 4 left", "1", span=(1, 4)),
    Field("info.DeviceName", "text", "what it was recorded with", '"iPhone 6"'),
    Field("info.Dataset", "choice", "part of the published split", '"train"',
          choices={"train": "train", "val": "val", "test": "test"}),
)  # fmt: skip
CAPTURE_EXAMPLE = """\
00002/frames/00000.jpg
00002/frames/00001.jpg
00002/frames.json
00002/dotInfo.json
00002/appleFace.json
00002/appleLeftEye.json
00002/appleRightEye.json
00002/faceGrid.json
00002/screen.json
00002/info.json
"""
PICTURE = re.compile(r".*\.(?:bmp|png|jpe?g|tiff?|webp)", re.I | re.S)


def is_gazecapture(names: Iterable[str]) -> bool:
    """A folder a recording, with its frames and ``dotInfo.json`` in it."""
    found = [name for name in names if re.fullmatch(RECORDING, name, re.I)]
    return any("/frames/" in name for name in found) and any(
        name.endswith("/dotInfo.json") for name in found
    )


def is_eye_crops(names: Iterable[str]) -> bool:
    """``left/<X>_<Y>.bmp`` and ``right/<X>_<Y>.bmp``, the name being the target."""
    found = [CROP.fullmatch(name) for name in names]
    return any(found) and sum(match is None for match in found) <= len(found) / 2


def is_image_table(names: Iterable[str]) -> bool:
    """A table that names the images beside it or below."""
    listed = list(names)
    return find_table(listed) is not None and (
        len(listed) == 1 or any(PICTURE.fullmatch(name) for name in listed)
    )


LAYOUTS = {
    "face-sessions": Layout(
        "videos of faces, each with a JSON of the same name: who looked, when, at what, on which "
        "screen",
        is_face_sessions,
        SESSION_FIELDS,
        sample=SESSION_EXAMPLE,
        files=rf".*\.(?:json|{'|'.join(suffix[1:] for suffix in SUFFIXES)})",
        by_path=True,
    ),
    "eye-crops": Layout(
        "crops of both eyes, named by their target in whole numbers; the person is not known",
        is_eye_crops,
        NAME_FIELDS,
        filename="{eye}/{target_x}_{target_y}.bmp",
        files=CROP.pattern,
    ),
    "image-table": Layout(
        "a table with a row a sample that names images of both eyes, of the face, or of all, or "
        "whole pictures",
        is_image_table,
        TABLE_FIELDS,
        minimal=("subject", "target_x", "target_y", "left", "right"),
        files=rf"[^/]+\.(?:csv|tsv|txt)|{PICTURE.pattern}",
        general=True,
    ),
    "gazecapture": Layout(
        "recordings of GazeCapture: a folder each, with its frames and a JSON for each thing known",
        is_gazecapture,
        CAPTURE_FIELDS,
        sample=CAPTURE_EXAMPLE,
        files=RECORDING,
    ),
}
