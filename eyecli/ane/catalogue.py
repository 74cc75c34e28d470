"""What there is to look up: the rules of the checker, and the chips and devices it knows."""

from __future__ import annotations

from typing import Any

from eyecli.ane.rules import RULES
from eyecli.ane.sources import SOURCES
from eyecli.ane.tiers import CHIPS, DEVICES, IDENTIFIERS, TIERS, target

# What the vocabulary says by the name of an operation: title and severity.
BY_NAME = {
    "V00": ("no source says anything about the operation", "unknown"),
    "V01": ("the operation is eligible", "eligible"),
    "V02": ("the operation is eligible under conditions", "conditional"),
    "V03": ("the operation is never eligible", "ineligible"),
}


def rules() -> list[dict[str, Any]]:
    """Give every rule as JSON types, the verdicts by name alone first."""
    by_name = [
        {"id": name, "title": title, "severity": severity, "tiers": list(TIERS),
         "confidence": None, "fix": None, "sources": []}
        for name, (title, severity) in BY_NAME.items()
    ]  # fmt: skip
    return by_name + [
        {"id": rule.id, "title": rule.title, "severity": rule.severity, "tiers": list(rule.tiers),
         "confidence": rule.confidence, "fix": rule.fix,
         "sources": [{"title": SOURCES[s].title, "url": SOURCES[s].url} for s in rule.sources]}
        for rule in sorted(RULES, key=lambda rule: rule.id)
    ]  # fmt: skip


def rule_lines() -> list[str]:
    """Explain every rule, a few lines each."""
    lines = []
    for rule in rules():
        lines.append(f"{rule['id']}  {rule['title']}")
        if rule["confidence"] is None:
            lines.append(f"     {rule['severity']}; confidence, sources and fix by operation")
            continue
        tiers = rule["tiers"]
        span = tiers[0] if len(tiers) == 1 else f"{tiers[0]} to {tiers[-1]}"
        lines.append(f"     {rule['severity']} at worst; {span}; confidence {rule['confidence']}")
        lines.append(f"     fix: {rule['fix']}")
        lines += [f"     source: {s['title']}: {s['url']}" for s in rule["sources"]]
    return lines


def chips() -> list[dict[str, Any]]:
    """Give every chip as JSON types: its generation and how sure that is, and what has it."""
    return [
        {"chip": chip, "tier": tier, "confidence": target(chip).confidence,
         "devices": [name for name, has in DEVICES.items() if has == chip],
         "identifiers": [name if "," in name else f"{name},*"
                         for name, has in IDENTIFIERS.items() if has == chip]}
        for chip, tier in CHIPS.items()
    ]  # fmt: skip


def chip_lines() -> list[str]:
    """List every chip with its generation and what has it, a line each."""
    return [
        f"{target(row['chip'])}: {', '.join([*row['devices'], *row['identifiers']])}".rstrip(": ")
        for row in chips()
    ]
