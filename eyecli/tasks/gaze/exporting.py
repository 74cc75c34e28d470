"""What export needs of the gaze task: the contract of the Core ML model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eyecli.coreml.convert import Contract, Input, Output
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.tasks.gaze.about import ABOUT

STEMS = {"left": "eye_stem_conv", "right": "eye_stem_conv", "face": "face_branch_stem_conv"}

OUTPUTS = ("gaze", "embedding")
MEANINGS = {
    "left": "Crop of the owner's left eye, RGB, {eye_size} x {eye_size}, as the camera sees it",
    "right": "Crop of the owner's right eye, RGB, {eye_size} x {eye_size}, mirrored horizontally",
    "face": "Crop of the face, RGB, {face_size} x {face_size}, as the camera sees it",
    "boxes": "Face, left and right eye: left edge, top edge, width and height of each, as "
    "fractions of the frame",
    "gaze": "Where on the screen somebody looks: x, y in {unit}",
    "embedding": "Features for the calibration of a user",
}


def contract(facts: Mapping[str, Any], setup: Mapping[str, Any]) -> Contract:
    """Return the units of inputs and outputs, and what an application must know.

    Parameters
    ----------
    facts
        What the fold noted: its arrays, the scaling of its targets.
    setup
        What the preparation noted: crop sizes, unit, screen.
    """
    return Contract(
        inputs={
            name: Input(stem=STEMS[name], scale=SCALE, offset=OFFSET)
            for name in facts["names"]
            if name in STEMS
        },
        outputs={"gaze": Output(facts["std"], facts["mean"], unit=setup["unit"])},
        description="Gaze estimation: where on the screen somebody looks, and an embedding for "
        "calibration.",
        meanings={name: MEANINGS[name].format(**setup) for name in (*facts["names"], *OUTPUTS)},
        metadata={
            "intended_use": ABOUT.use,
            "limits": " ".join(ABOUT.limits),
            "unit": setup["unit"],
            "mirrored_inputs": ",".join(n for n in setup["mirrored"] if n in facts["names"]),
            "inputs": "RGB crops, 0..255; box values as fractions of the frame",
            "origin": "top left of the screen, y down"
            if setup["unit"] == "px"
            else "the camera, x to the viewer's right, y up",
        },
    )
