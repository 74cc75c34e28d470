"""A report as SARIF 2.1.0, which code review tools show beside the lines of a change.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0,
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from typing import Any

from eyecli import __version__
from eyecli.ane.catalogue import BY_NAME
from eyecli.ane.report import CAVEAT, Finding, Report
from eyecli.ane.rules import RULES
from eyecli.ane.sources import SOURCES
from eyecli.mlprogram import MODEL_FILE

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"ineligible": "error", "unknown": "warning", "conditional": "warning",
           "warning": "warning", "note": "note"}  # fmt: skip


def to_sarif(report: Report, uri: str) -> dict[str, Any]:
    """Give the findings of a report, all but plain eligible ones, as a SARIF log.

    Parameters
    ----------
    report
        The static verdicts.
    uri
        Where the package is, as a relative path with forward slashes or an absolute URI.

    Returns
    -------
    dict
        JSON types; every rule with its help and the address of its first source, every result
        with part, function and operation as its logical location.
    """
    rules = [*_vocabulary_rules(), *_rules()]
    places = {rule["id"]: n for n, rule in enumerate(rules)}
    where = {
        "artifactLocation": {"uri": f"{uri}/Data/{MODEL_FILE}"},
        # The program is no text: tools that want a line get the first.
        "region": {"startLine": 1},
    }
    results = []
    for graph in report.graphs:
        found: list[tuple[str | None, str, Finding]]
        found = [(v.name, v.op, f) for v in graph.verdicts for f in v.findings]
        found += [(None, "function", f) for f in graph.findings]
        for name, kind, finding in found:
            if finding.level in _LEVELS:
                logical = _logical(graph.title, name)
                results.append(
                    {
                        "ruleId": finding.rule,
                        "ruleIndex": places[finding.rule],
                        "level": _LEVELS[finding.level],
                        "message": {"text": _message(name or graph.title, kind, finding)},
                        "locations": [{"physicalLocation": where, "logicalLocations": [logical]}],
                        "properties": {
                            "verdict": finding.level,
                            "confidence": finding.confidence,
                            "tier": report.target.tier,
                        },
                    }
                )
    driver = {
        "name": "eyecli check-ane",
        "version": __version__,
        "fullDescription": {"text": CAVEAT},
        "rules": rules,
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints",
                  "results": results}],
    }  # fmt: skip


def _logical(function: str, name: str | None) -> dict[str, str]:
    if name is None:
        return {"name": function, "fullyQualifiedName": function, "kind": "function"}
    return {"name": name, "fullyQualifiedName": f"{function}/{name}", "kind": "member"}


def _message(name: str, kind: str, finding: Finding) -> str:
    fix = f" Fix: {finding.fix}." if finding.fix else ""
    return f"{kind} {name}: {finding.level}: {finding.reason}.{fix}"


def _rules() -> list[dict[str, Any]]:
    made = []
    for rule in RULES:
        sources = [SOURCES[key] for key in rule.sources]
        links = "\n".join(f"- [{s.title}]({s.url})" for s in sources)
        made.append(
            {
                "id": rule.id,
                "shortDescription": {"text": rule.title},
                "helpUri": sources[0].url,
                "help": {
                    "text": f"{rule.title}. Fix: {rule.fix}.",
                    "markdown": f"{rule.title}.\n\nFix: {rule.fix}.\n\nSources:\n\n{links}",
                },
                "defaultConfiguration": {"level": _LEVELS[rule.severity]},
                "properties": {"confidence": rule.confidence, "tiers": list(rule.tiers)},
            }
        )
    return made


def _vocabulary_rules() -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "shortDescription": {"text": text},
            "helpUri": SOURCES["F/1780"].url,
            "help": {"text": f"{text}; the result gives sources and fix."},
            "defaultConfiguration": {"level": _LEVELS[level]},
        }
        for name, (text, level) in BY_NAME.items()
        if level in _LEVELS
    ]
