"""The card of a split: how many samples and groups each part has, and what it can claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eyecli.data.split import PARTS, Split, parts_of


def split_card(
    split: Split,
    groups: Sequence[str],
    labels: Sequence[str] | None = None,
    source: str | None = None,
    note: str | None = None,
) -> str:
    """Describe a split in Markdown: counts only, no ids.

    Parameters
    ----------
    split
        The split.
    groups
        (n,) group of every sample.
    labels
        (n,) class of every sample, if there are classes.
    source
        The split whose parts it keeps.
    note
        What was not audited.
    """
    classes = sorted(set(labels or ()))
    named = {"subject": "subjects", "none": "single samples"}[split.group_by]
    claim = "yes" if split.subject_independent else f"**no**: {split.reason}"
    lines = [
        f"# Split {_cell(split.scheme)}",
        "",
        f"- {len(groups)} samples, kept together by {named}: {len(split.groups)} groups",
        f"- subject-independent: {claim}",
        *([f"- {note}"] if note else []),
        f"- seed: {split.seed}",
        *([f"- earlier groups are where {source} has them"] if source else []),
        "",
        _row("repeat", "fold", "part", "samples", "groups", *map(_cell, classes)),
        _row(*["---"] * (5 + len(classes))),
    ]
    for partition in split.partitions:
        parts = parts_of(split, partition, groups).tolist()
        samples = Counter(parts)
        members = Counter(dict(zip(groups, parts, strict=True)).values())
        counts = Counter(zip(parts, labels or parts, strict=True))
        lines += [
            _row(
                partition.repeat, partition.fold, part, samples[part], members[part],
                *(counts[part, label] for label in classes),
            )
            for part in PARTS
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
