"""Whether a head's Core ML package computes, in half precision, what the head does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eyecli.calibration.samples import Samples
from eyecli.calibration.select import Selection
from eyecli.coreml.heads.emulation import apply_head_fp16
from eyecli.coreml.heads.forms import Head, apply
from eyecli.coreml.heads.programs import OUTPUT, program_of
from eyecli.coreml.interpreter import run
from eyecli.coreml.judgement import ABSOLUTE
from eyecli.errors import CheckError

SAMPLES = 32
TOLERANCE_CM = ABSOLUTE["cm"]
# Pixels are large numbers: float16 rounds what goes in and what comes out by up to 1/2048 of it
# each, 1 px above 2,048 px. Both on both axes come to 0.0014 of a screen's diagonal.
TOLERANCE_SHARE = 0.002

# A program with its shapes; its weights are another head's.
Template = tuple[str, tuple[int, ...], int]


def check_parity(
    package: Path, samples: Samples, selection: Selection, proven: set[Template]
) -> dict[str, Any]:
    """Compare the package with the head in double precision, on the user's own samples.

    Once a template, the package is executed in emulated float16; the heads of other users that
    come from the same template differ in their weights only, and the same arithmetic is done
    without the package, which takes no time.

    Parameters
    ----------
    package
        The written `.mlpackage`.
    samples, selection
        The user's samples and what was made of them.
    proven
        Templates that were executed; this one is added.

    Returns
    -------
    dict
        ``program``, ``by`` (interpreter or emulation), ``samples``, ``unit``, the absolute
        differences ``max`` and ``mean``, and the ``tolerance`` of the former.

    Raises
    ------
    CheckError
        If the largest difference is beyond the tolerance: 0.02 cm, or in px 0.002 of the diagonal
        of the targets.
    """
    head, kept = selection.head, selection.points.kept
    rows = kept[np.linspace(0, len(kept) - 1, min(SAMPLES, len(kept))).astype(int)]
    base, embedding = samples.base[rows], samples.embedding[rows]
    template = template_of(head)
    if template in proven:
        by, gaze = "emulation", apply_head_fp16(head, base, embedding)
    else:
        feed = {"gaze": base[:, :, None, None], "embedding": embedding[:, :, None, None]}
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            by, gaze = "interpreter", run(package, feed, half=True)[OUTPUT][:, :, 0, 0]
    gap = np.abs(gaze - apply(head, base, embedding))
    tolerance = TOLERANCE_CM
    if samples.unit == "px":
        diagonal = np.hypot(*np.ptp(selection.points.target, axis=0))
        tolerance = TOLERANCE_SHARE * float(diagonal)
    if not gap.max() <= tolerance:
        raise CheckError(
            f"its Core ML model differs by {gap.max():.3g} {samples.unit} in half precision, "
            f"allowed is {tolerance:.3g}",
            "nothing was published; take another --kind, or embeddings of smaller values",
        )
    proven.add(template)
    return {
        "program": program_of(head),
        "by": by,
        "samples": len(rows),
        "unit": samples.unit,
        "max": float(gap.max()),
        "mean": float(gap.mean()),
        "tolerance": tolerance,
    }


def template_of(head: Head) -> Template:
    """Return what heads of one template have in common."""
    return program_of(head), head.weight.shape, head.dims
