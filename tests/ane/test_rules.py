from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ane_cases import CASES, IMPLIED, Case
from ane_programs import describe, fill, model, save

from eyecli.ane.check import check
from eyecli.ane.report import GraphReport
from eyecli.ane.rules import RULES
from eyecli.ane.sources import SOURCES
from eyecli.ane.tiers import TIERS, target
from eyecli.errors import DataError
from eyecli.mlprogram import coreml_messages, read_coreml

pytest_plugins = ["coreml.coreml_models"]

HARD = [
    *(f"{letter}0{n}" for letter, last in zip("RDSCPEXMANTQ", (1, 4, 7, 7, 5, 2, 6, 1, 1, 1, 5, 3),
      strict=True) for n in range(1, last + 1))
]  # fmt: skip
SOFT = [f"L{n:02}" for n in range(1, 22)]


def levels(report: GraphReport, rule: str) -> set[str]:
    findings = [f for v in report.verdicts for f in v.findings] + list(report.findings)
    return {f.level for f in findings if f.rule == rule}


def judged(folder: Path, case: Case, good: bool) -> GraphReport:
    spec = model(*(case.good if good else case.bad))
    spec.specificationVersion = case.specification
    for given in case.good_features if good else case.bad_features:
        describe(spec, *given)
    tier = (case.good_tier if good else None) or case.tier
    (report,) = check(save(folder, spec), target(tier)).graphs
    return report


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.rule}-{c.level}")
def test_rule(tmp_path: Path, case: Case) -> None:
    assert case.level in levels(judged(tmp_path / "bad", case, good=False), case.rule)
    assert not levels(judged(tmp_path / "good", case, good=True), case.rule)


def test_all_rules_are_there_and_tested() -> None:
    assert sorted(rule.id for rule in RULES) == sorted([*HARD, *SOFT])
    assert (len(HARD), len(SOFT)) == (43, 21)
    # R01 is what `read_coreml` refuses, see below.
    assert {case.rule for case in CASES} == {*HARD, *SOFT} - {"R01"}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_rules_are_whole(rule: Any) -> None:
    assert rule.sources and set(rule.sources) <= set(SOURCES)
    assert all(SOURCES[key].url.startswith("https://") for key in rule.sources)
    assert rule.title and rule.fix and rule.tiers and set(rule.tiers) <= set(TIERS)
    assert rule.operation or rule.graph or rule.id == "R01"
    found = {case.level for case in CASES if case.rule == rule.id}
    order = ("note", "warning", "conditional", "ineligible")
    assert rule.id == "R01" or max(found, key=order.index) == rule.severity
    if rule.id in SOFT:
        assert rule.severity in ("note", "warning")


def test_r01_is_refused_when_it_is_read(tmp_path: Path) -> None:
    network = coreml_messages("Model_pb2").Model(specificationVersion=4)
    network.neuralNetwork.layers.add().name = "conv"
    with pytest.raises(DataError, match="R01"):
        check(save(tmp_path / "bad", network))
    assert check(save(tmp_path / "good", model(CASES[0].good[0])))


def rules_of(report: GraphReport) -> set[str]:
    findings = [f for v in report.verdicts for f in v.findings] + list(report.findings)
    return {f.rule for f in findings} & set(HARD)


@pytest.fixture(scope="session")
def reference(gaze_package: Path) -> Any:
    return read_coreml(gaze_package)


def test_the_reference_breaks_no_hard_rule(gaze_package: Path) -> None:
    for tier in TIERS:
        report = check(gaze_package, target(tier))
        (graph,) = report.graphs
        assert report.eligible == report.eligible_flops == 1.0
        assert report.segments == 1
        assert rules_of(graph) == set()
        assert report.worst == "eligible"
        assert not {"transpose", "reshape", "matmul"} & set(report.histogram)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.rule in HARD], ids=lambda c: f"{c.rule}-{c.level}"
)
def test_a_mutation_of_the_reference_gives_its_rule(
    tmp_path: Path, reference: Any, case: Case
) -> None:
    """Only that rule, and those which it implies."""
    spec = type(reference).FromString(reference.SerializeToString())
    function = spec.mlProgram.functions["main"]
    (block,) = function.block_specializations.values()
    for op in block.operations:  # the weights lie in a file that is not needed here
        held = op.attributes["val"]
        if held.WhichOneof("value") == "blobFileValue":
            held.immediateValue.tensor.bytes.values = b""
    fill(function, block, case.bad, "mutation_")
    for given in case.bad_features:
        describe(spec, *given)
    (report,) = check(save(tmp_path, spec), target(case.tier)).graphs
    found = rules_of(report)
    assert case.rule in found
    assert found - {case.rule} <= IMPLIED.get(case.rule, frozenset())


@pytest.mark.parametrize("rule", sorted(IMPLIED))
def test_no_more_is_declared_as_implied_than_is(tmp_path: Path, rule: str) -> None:
    found: set[str] = set()
    for n, case in enumerate(c for c in CASES if c.rule == rule):
        found |= rules_of(judged(tmp_path / str(n), case, good=False))
    assert found == {rule} | IMPLIED[rule]
