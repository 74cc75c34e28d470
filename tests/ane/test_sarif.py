from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ane_cases import conv
from ane_programs import Step, describe, model, save, write

from eyecli.ane.check import check
from eyecli.ane.rules import RULES
from eyecli.ane.sarif import to_sarif


def of(kind: str) -> dict[str, Any]:
    return {"type": kind}


def thing(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


LEVEL = {"enum": ["none", "note", "warning", "error"]}
TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}, "markdown": of("string")},
    "additionalProperties": False,
}
URI = {"type": "string", "format": "uri-reference", "pattern": r"^[^\\ ]+$"}
# What SARIF 2.1.0 asks of the part that is written here (sections 3.13 to 3.49).
SCHEMA = thing(
    "version runs",
    **{"$schema": of("string")},
    version={"const": "2.1.0"},
    runs={
        "type": "array",
        "items": thing(
            "tool",
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            tool=thing(
                "driver",
                driver=thing(
                    "name",
                    name=of("string"),
                    version=of("string"),
                    fullDescription=TEXT,
                    rules={
                        "type": "array",
                        "uniqueItems": True,
                        "items": thing(
                            "id",
                            id=of("string"),
                            shortDescription=TEXT,
                            help=TEXT,
                            helpUri=URI,
                            defaultConfiguration=thing("", level=LEVEL),
                            properties=of("object"),
                        ),
                    },
                ),
            ),
            results={
                "type": "array",
                "items": thing(
                    "message",
                    ruleId=of("string"),
                    ruleIndex={"type": "integer", "minimum": 0},
                    level=LEVEL,
                    message=TEXT,
                    properties=of("object"),
                    locations={
                        "type": "array",
                        "items": thing(
                            "",
                            physicalLocation=thing(
                                "artifactLocation",
                                artifactLocation=thing("", uri=URI),
                                region=thing("", startLine={"type": "integer", "minimum": 1}),
                            ),
                            logicalLocations={
                                "type": "array",
                                "items": thing(
                                    "",
                                    name=of("string"),
                                    fullyQualifiedName=of("string"),
                                    kind=of("string"),
                                ),
                            },
                        ),
                    },
                ),
            },
        ),
    },
)


@pytest.fixture
def log(tmp_path: Path) -> dict[str, Any]:
    spec = model(conv((9, 9)), Step("lstm"), Step("nonsense"))
    return to_sarif(
        check(save(tmp_path, describe(spec, "x", "FLOAT32", (1, 64)))), "made.mlpackage"
    )


def test_it_is_as_the_standard_asks(log: dict[str, Any]) -> None:
    jsonschema.validate(log, SCHEMA)


def test_the_schema_of_this_test_refuses(log: dict[str, Any]) -> None:
    log["runs"][0]["results"][0]["level"] = "ineligible"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(log, SCHEMA)


def test_rules_have_help_and_an_address(log: dict[str, Any]) -> None:
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == {r.id for r in RULES} | {"V00", "V02", "V03"}
    assert all(rule["helpUri"].startswith("https://") for rule in rules)
    (kernels,) = [rule for rule in rules if rule["id"] == "C02"]
    assert "two smaller kernels" in kernels["help"]["text"]
    assert "](https://github.com/" in kernels["help"]["markdown"]


def test_results_name_the_operation(log: dict[str, Any]) -> None:
    results = log["runs"][0]["results"]
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    for result in results:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    (lstm,) = [r for r in results if r["ruleId"] == "V03"]
    assert lstm["level"] == "error"
    assert lstm["message"]["text"].endswith("Fix: a convolution over time.")
    (place,) = lstm["locations"][0]["logicalLocations"]
    assert place == {"name": "main_1_lstm", "fullyQualifiedName": "main/main_1_lstm",
                     "kind": "member"}  # fmt: skip
    levels = {r["ruleId"]: r["level"] for r in results}
    assert levels["V00"] == levels["D04"] == levels["L07"] == "warning"
    assert levels["L17"] == "note"
    assert not any(r["properties"]["verdict"] == "eligible" for r in results)
    uri = lstm["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "made.mlpackage/Data/com.apple.CoreML/model.mlmodel"


def test_nothing_to_say(tmp_path: Path) -> None:
    steps = [Step("conv", {"x": (1, 64, 128, 128)}, {"weight": (64, 64, 1, 1)},
                  output=(1, 64, 128, 128))]  # fmt: skip
    log = to_sarif(check(write(tmp_path, *steps)), "x")
    jsonschema.validate(log, SCHEMA)
    assert log["runs"][0]["results"] == []
