"""Reporting checklists, filled with what lineage knows; all else is left open, and says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Attributes
    ----------
    number, section
        As in the checklist.
    asks
        What it asks for, in our words.
    known
        The fact that answers it, '' where nothing recorded can.
    remains
        What only the authors can add, where the fact is only part of the answer.
    """

    number: str
    section: str
    asks: str
    known: str = ""
    remains: str = ""


@dataclass(frozen=True)
class Checklist:
    """A checklist: its title, its source and its items."""

    title: str
    source: str
    items: Sequence[Item]


def fill(checklist: Checklist, facts: Mapping[str, str]) -> str:
    """Write a checklist as Markdown.

    Parameters
    ----------
    checklist
        The items.
    facts
        Name to sentence; a name that is missing or empty leaves its items open.

    Returns
    -------
    str
        A table; what is open reads ``TODO`` and what is to be said.
    """
    rows, answered, open_items = [], 0, 0
    for item in checklist.items:
        fact = facts.get(item.known, "")
        todo = item.remains if fact else item.asks
        answered += not todo
        open_items += not fact
        answer = " ".join(part for part in (fact, f"**TODO**: {todo}" if todo else "") if part)
        cells = (item.number, item.section, item.asks, answer.replace("|", "\\|"))
        rows.append(f"| {' | '.join(cells)} |")
    head = [
        f"# {checklist.title}",
        "",
        f"After {checklist.source}; the wording of the items is ours. Of {len(rows)} items, what "
        f"eyecli recorded answers {answered}, and "
        f"{len(rows) - answered - open_items} in part; {open_items} are open. What is marked TODO "
        "only the authors can say.",
        "",
        "| item | section | asks for | answer |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"
