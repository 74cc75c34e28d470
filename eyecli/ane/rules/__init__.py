"""The rules of the checker as data: 43 hard ones and 21 that warn or note."""

from __future__ import annotations

from eyecli.ane.rules import convolutions, performance, pools, shapes, tensors, weights
from eyecli.ane.rules.rule import At, Problem, Rule

__all__ = ["RULES", "At", "Problem", "Rule"]

RULES: tuple[Rule, ...] = (
    *weights.RULES,
    *tensors.RULES,
    *convolutions.RULES,
    *pools.RULES,
    *shapes.RULES,
    *performance.RULES,
)
