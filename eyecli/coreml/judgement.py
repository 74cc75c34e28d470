"""May an export be published? Its figures against the limits, and a model on which faults show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from eyecli.coreml.parity import Agreement

Precision = Literal["fp16", "fp32"]
# The unit of an output with classes: probabilities would hide differences where they saturate.
LOGITS = "logits"
# In a contract: of classes that exclude each other, without the softmax.
CLASS_LOGITS = "class logits"

# Largest difference that may stay, as a share of an output's scale (of logits: of their standard
# deviation). Rounding stays below it, faults lie far above.
VALUES: dict[Precision, float] = {"fp16": 1e-2, "fp32": 1e-4}
CLASSES: dict[Precision, float] = {"fp16": 2e-2, "fp32": 1e-4}
# In float16, in the output's own unit where that says more than a share.
ABSOLUTE = {"cm": 0.02}
TOP1 = 0.995
# An output that varies less than this share of its scale over the samples proves nothing: every
# fault would pass unseen. So do logits that hardly vary, and samples nearly all of one class.
SPREAD = 0.1
COMMONEST = 0.6


def limit(found: Agreement, precision: Precision, loss: float | None = None) -> float:
    """Largest difference that may stay on an output, in its unit.

    Parameters
    ----------
    found
        Its figures.
    precision
        Of the package.
    loss
        Share of the scale that a compression may cost; None without one.
    """
    if loss is not None:
        return loss * found.scale
    if precision == "fp16" and found.unit in ABSOLUTE:
        return ABSOLUTE[found.unit]
    return (CLASSES if found.unit == LOGITS else VALUES)[precision] * found.scale


def refusal(
    parity: Mapping[str, Agreement], precision: Precision, loss: float | None = None
) -> str | None:
    """Say why an export must not be published, or None if it may.

    Parameters
    ----------
    parity
        Output to its figures.
    precision, loss
        As for `limit`.
    """
    for name, found in parity.items():
        allowed = limit(found, precision, loss)
        if not found.max <= allowed:
            unit = f" {found.unit}" if found.unit else ""
            return (
                f"Core ML and Keras differ on output {name}: at most {found.max:.4g}{unit}, which "
                f"is {found.relative:.2g} of its scale ({allowed:.2g}{unit} is allowed)"
            )
        if loss is None and found.top1 is not None and found.top1 < TOP1:
            return (
                f"Core ML and Keras name the same class of output {name} for {found.top1:.1%} of "
                f"the samples ({TOP1:.1%} is needed)"
            )
        if reason := _blind(name, found):
            return f"not discriminating: {reason}, so that parity would prove nothing"
    return None


def _blind(name: str, found: Agreement) -> str | None:
    """Say why a fault would pass unseen on an output, or None."""
    if found.unit == LOGITS:
        if found.spread < SPREAD:
            return (
                f"the logits of output {name} have a standard deviation of {found.spread:.2g} "
                f"over the samples ({SPREAD} is needed)"
            )
        if found.commonest is not None and found.commonest > COMMONEST:
            return (
                f"output {name} names one class for {found.commonest:.0%} of the samples "
                f"({COMMONEST:.0%} at most)"
            )
    elif found.spread <= SPREAD * found.scale:
        share = found.spread / found.scale if found.scale else 0.0
        return (
            f"output {name} varies by {share:.2g} of its scale over the validation samples "
            f"({SPREAD} is needed)"
        )
    return None
