"""What export needs of the dr task: the contract of the Core ML model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from eyecli.coreml.convert import Contract, Input, Output
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.tasks.dr.about import ABOUT

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
        What the fold noted: boundaries, temperature, cuts, operating points.
    setup
        What the preparation noted: the side of the photographs.
    """
    size, names = setup["size"], [f"grade {grade} or more" for grade in facts["boundaries"]]
    settled = ("temperature", "cuts", "sensitive", "specific")
    return Contract(
        inputs={"pixels": Input(stem=facts["stem"], scale=SCALE, offset=OFFSET)},
        outputs={"logits": Output(unit="logits")},
        description="Diabetic retinopathy: a logit for each boundary between grades.",
        meanings={
            "pixels": f"Fundus photograph, RGB, {size} x {size}, cut around the circle of the "
            "fundus, black outside",
            "logits": f"Logits of {', '.join(names)}; divide by the temperature, then sigmoid",
        },
        metadata={
            "intended_use": ABOUT.use,
            "limits": " ".join(ABOUT.limits),
            "inputs": "RGB photographs, 0..255",
            "target": facts["target"],
            **{name: str(facts[name]) for name in settled},
            **_fusion(facts.get("fusion")),
        },
        # Pooled features are of use to nobody on a device, and their maxima beyond float16.
        only=("logits",),
    )


def _fusion(fusion: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the metadata of a model that fuses both eyes: the package itself sees one."""
    if not fusion:
        return {}
    return {"fusion": json.dumps(fusion), "fusion_meaning": FUSION}
