"""What a rule is: data, and a predicate that gives a reason where it is violated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from eyecli.ane.program import Graph, Op
from eyecli.ane.tiers import TIERS, before
from eyecli.ane.vocabulary import Confidence

# Only the first three change a verdict; the soft rules of chapter 4 warn or note.
Level = Literal["ineligible", "unknown", "conditional", "warning", "note"]
Problem = tuple[Level, str]


@dataclass(frozen=True)
class At:
    """Where an operation stands: the generation it is judged for, and its graph."""

    tier: str
    graph: Graph

    @cached_property
    def producers(self) -> Mapping[str, Op]:
        """Operation by the name of its result."""
        return self.graph.producers()

    @cached_property
    def images(self) -> frozenset[str]:
        """Inputs that are images."""
        return frozenset(f.name for f in self.graph.inputs if f.kind == "image")

    @cached_property
    def enumerated(self) -> bool:
        """Whether an input has one of several shapes."""
        return any(f.flexible == "enumerated" for f in self.graph.inputs)

    def makers(self, op: Op, parameter: str) -> list[Op]:
        """Operations that make the arguments of a parameter."""
        names = op.arguments.get(parameter, ())
        return [self.producers[name] for name in names if name in self.producers]


@dataclass(frozen=True)
class Rule:
    """A rule on operations, on whole graphs, or on both.

    Attributes
    ----------
    id, title
        As in reports.
    severity
        The worst that it says: ``ineligible`` and ``conditional`` are hard rules, ``warning`` and
        ``note`` never change a verdict.
    confidence, sources
        How far its sources can be trusted, and which they are: keys of `SOURCES`.
    fix
        What to author instead.
    applies_to
        Operations, or empty for every one.
    operation
        Gives level and reason where an operation violates the rule, else None.
    graph
        The same for a whole function.
    tiers
        Generations it binds; limits that differ among them are in `tiers`.
    """

    id: str
    title: str
    severity: Level
    confidence: Confidence
    sources: tuple[str, ...]
    fix: str
    applies_to: frozenset[str] = frozenset()
    operation: Callable[[Op, At], Problem | None] | None = None
    graph: Callable[[Graph, At], Problem | None] | None = None
    tiers: tuple[str, ...] = field(default=TIERS)


def until(tier: str) -> tuple[str, ...]:
    """Give the generations before this one."""
    return tuple(t for t in TIERS if before(t, tier))
