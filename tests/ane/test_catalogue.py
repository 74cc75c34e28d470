from __future__ import annotations

import json

from eyecli.ane import catalogue
from eyecli.ane.rules import RULES
from eyecli.ane.tiers import CHIPS


def test_every_rule_is_explained() -> None:
    found = {rule["id"]: rule for rule in json.loads(json.dumps(catalogue.rules()))}
    assert set(found) == {rule.id for rule in RULES} | {"V00", "V01", "V02", "V03"}
    assert found["Q02"]["tiers"] == ["h12", "h13", "h14"]
    assert found["Q02"]["fix"] == "--compress palettize4, which is native"
    assert all(s["url"].startswith("https://") for r in found.values() for s in r["sources"])
    lines = catalogue.rule_lines()
    at = lines.index("S01  activations of rank 5 at most")
    assert lines[at + 1] == "     ineligible at worst; h12 to h17; confidence high"
    assert lines[at + 2] == "     fix: merge axes before this operation"
    assert lines[at + 3].startswith("     source: Apple, Core AI")
    assert "V01  the operation is eligible" in lines


def test_every_chip_is_listed_with_what_has_it() -> None:
    assert [row["chip"] for row in catalogue.chips()] == list(CHIPS)
    lines = catalogue.chip_lines()
    (a16,) = [line for line in lines if line.startswith("A16 ")]
    assert "(h15, an assumption from names, low confidence): iPhone 14 Pro, " in a16
    assert a16.endswith("iPhone15,*, iPad15,7, iPad15,8")
    (plain,) = [line for line in lines if line.startswith("M1 Ultra")]
    assert plain == "M1 Ultra (h13)"
