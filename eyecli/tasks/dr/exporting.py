"""What export needs of the dr task: the contract of the Core ML model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eyecli.coreml.convert import Contract, Input, Output
from eyecli.imaging.affine import OFFSET, SCALE
from eyecli.tasks.dr.about import ABOUT


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
            "inputs": "RGB photographs, 0..255" + _changed(setup["enhance"]),
            "target": facts["target"],
            **{name: str(facts[name]) for name in settled},
        },
        # Pooled features are of use to nobody on a device, and their maxima beyond float16.
        only=("logits",),
    )


def _changed(enhance: str) -> str:
    """Say what an application must do to its photographs before the network sees them."""
    return "" if enhance == "none" else f", changed as `preprocess dr --enhance {enhance}` does"
