"""What export needs of the dr task: the contract of the Core ML model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from eyecli.coreml.convert import Contract, Input, Output
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.tasks.dr.about import ABOUT
from eyecli.tasks.dr.grading import GRADES
from eyecli.tasks.dr.loading import enhanced

UNITS = {"cross-entropy": "class logits", "mse": "grade"}
WHAT = {
    "cumulative": "a logit for each boundary between grades",
    "cross-entropy": "a logit for each class",
    "mse": "a score on the scale of the classes, from 0",
    "corn": "a conditional logit for each boundary between grades",
}
MEANING = {
    "cumulative": "Logits of {names}; divide by the temperature, then sigmoid",
    "cross-entropy": "Logits of the grades {classes}; divide by the temperature, then softmax",
    "mse": "Score; less the levels of {names}, divided by the temperature, then sigmoid",
    "corn": "Logits of {names}, each given that the boundary before it is reached; divide by the "
    "temperature, then sigmoid, then multiply each with all before it",
}

# What the coefficients in the metadata mean to an application that sees both eyes.
FUSION = (
    "For photographs of both eyes of a patient, the same for left and right: own = the log odds of "
    "a photograph's own probabilities, other = those of the other eye (a mean of several); "
    "bias + own * own + other * other, in the order of the boundaries, then temperature, sigmoid, "
    "cuts and operating points as here. Without the other eye own stays."
)


def contract(facts: Mapping[str, Any], setup: Mapping[str, Any]) -> Contract:
    """Return the units of inputs and outputs, and what an application must know.

    Parameters
    ----------
    facts
        What the fold noted: loss, boundaries, temperature, cuts, operating points.
    setup
        What the preparation noted: the side of the photographs.
    """
    size, loss, views = setup["size"], facts.get("loss", "cumulative"), facts.get("test_views", 1)
    names = [f"grade {grade} or more" for grade in facts["boundaries"]]
    ends = zip([0, *facts["boundaries"]], [*facts["boundaries"], GRADES], strict=True)
    classes = [f"{low}" if high == low + 1 else f"{low} to {high - 1}" for low, high in ends]
    settled = ["temperature", "cuts", "sensitive", "specific"]
    settled += ["levels"] if loss == "mse" else []
    return Contract(
        inputs={"pixels": Input(stem=facts["stem"], scale=SCALE, offset=OFFSET)},
        outputs={"logits": Output(unit=UNITS.get(loss, "logits"))},
        description=f"Diabetic retinopathy: {WHAT[loss]}.",
        meanings={
            "pixels": f"Fundus photograph, RGB, {size} x {size}, cut around the circle of the "
            "fundus, black outside",
            "logits": MEANING[loss].format(names=", ".join(names), classes=", ".join(classes)),
        },
        metadata={
            "intended_use": ABOUT.use,
            "limits": " ".join(ABOUT.limits),
            "inputs": "RGB photographs, 0..255" + _changed(facts, setup),
            "target": facts["target"],
            "loss": loss,
            "views": "one"
            if views == 1
            else f"one; temperature, cuts and operating points were settled on means over {views} "
            "symmetries of a photograph, and are right for such means",
            **{name: str(facts[name]) for name in settled},
            **_fusion(facts.get("fusion")),
        },
        # Pooled features are of use to nobody on a device, and their maxima beyond float16.
        only=("logits",),
        shown=partial(enhanced, facts=facts),
    )


def _changed(facts: Mapping[str, Any], setup: Mapping[str, Any]) -> str:
    """Say what an application must do to its photographs before the network sees them."""
    # Of the two ways to enhance a model has one at most.
    stored, loaded = setup["enhance"], facts.get("enhance", "none")
    enhance = loaded if stored == "none" else stored
    return "" if enhance == "none" else f", changed as `preprocess dr --enhance {enhance}` does"


def _fusion(fusion: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the metadata of a model that fuses both eyes: the package itself sees one."""
    if not fusion:
        return {}
    return {"fusion": json.dumps(fusion), "fusion_meaning": FUSION}
