from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ane_cases import conv, relu
from ane_programs import Step, write

import eyecli.ane
from eyecli.ane import report as reports
from eyecli.ane import text
from eyecli.ane.check import check
from eyecli.ane.compute_plan import available, operations
from eyecli.ane.measured import Measured, file_hashes, read_measured, require_same, side_by_side
from eyecli.errors import DataError

SWIFT = Path(eyecli.ane.__file__).with_name("measure.swift")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write(tmp_path, conv(), relu(), Step("lstm"), user=[relu()])


def measurement(package: Path, **changes: Any) -> dict[str, Any]:
    rows = [("main_0_conv", "neural engine"), ("main_1_relu", "cpu"), ("main_2_lstm", "cpu"),
            ("fused", "gpu")]  # fmt: skip
    made = {
        "device": "MacBookAir10,1",
        "os": "macOS 15.1.0",
        "files": file_hashes(package),
        "operations": [
            {"output": output, "device": device, "function": "main", "part": "",
             "operator": "ios18.x", "cost": 0.1}
            for output, device in rows
        ],
        "load_seconds": [2.0, 0.1, 0.2],
        "predict_seconds": [0.001],
    }  # fmt: skip
    return made | changes


def save(folder: Path, content: Any) -> Path:
    path = folder / "measured.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_side_by_side(package: Path, tmp_path: Path) -> None:
    measured = read_measured(save(tmp_path, measurement(package)))
    require_same(measured, package, "measured.json")
    found = side_by_side(check(package), measured)
    assert found["confusion"] == {
        "eligible": {"neural engine": 1, "cpu": 1},
        "ineligible": {"cpu": 1},
    }
    # What Core ML fused, and the function it was not asked for.
    assert found["unmatched"] == 2
    assert found["load_seconds"] == 0.2
    assert [row["device"] for row in found["operations"]] == ["neural engine", "cpu", "cpu", None]
    assert reports.basis(found) == "static; measured on MacBookAir10,1, macOS 15.1.0"
    assert found["devices"] == {"neural engine": 1, "cpu": 2, "gpu": 1}
    assert [row["differs"] for row in found["operations"]] == [False, True, False, False]


def test_static_and_measured_are_told_apart(package: Path) -> None:
    measured = msgspec.convert(measurement(package), Measured)
    report = check(package)
    found = side_by_side(report, measured)
    assert text.measured_lines(found) == [
        "measured on MacBookAir10,1, macOS 15.1.0: 1 of 4 operations on the Neural Engine, "
        "1 on the GPU, 2 on the CPU",
        "measured times, medians: load 200 ms, prediction 1 ms",
        "not as the static verdict has it, 1: main_1_relu (eligible, measured on the CPU)",
        "operations that only one side knows: 2",
    ]
    words = text.to_markdown(report, found)
    assert "(static, h13)" in words.splitlines()[2]
    assert "## Measured on MacBookAir10,1, macOS 15.1.0" in words
    for line in text.measured_lines(found):
        assert f"- {line}" in words
    assert "| eligible | 1 | 0 | 1 |" in words
    assert "| main | main_1_relu | eligible | cpu |" in words


def test_what_differs_is_counted_where_it_is_long(tmp_path: Path) -> None:
    path = write(tmp_path, *[relu()] * 5, Step("lstm"), Step("cast"))
    kinds = [*["relu"] * 5, "lstm", "cast"]
    rows = [
        {"output": f"main_{n}_{kind}", "device": "cpu" if kind == "relu" else "neural engine"}
        for n, kind in enumerate(kinds)
    ]
    measured = msgspec.convert(
        measurement(path, operations=rows, load_seconds=[], predict_seconds=[]), Measured
    )
    lines = text.measured_lines(side_by_side(check(path), measured))
    assert lines[1].startswith("not as the static verdict has it, 6: main_0_relu (eligible, ")
    assert lines[1].endswith("main_2_relu (eligible, measured on the CPU) and 3 more")
    as_said = measurement(path, operations=rows[5:6], load_seconds=[], predict_seconds=[])
    as_said["operations"][0]["device"] = "cpu"
    lines = text.measured_lines(side_by_side(check(path), msgspec.convert(as_said, Measured)))
    assert lines[1] == "nothing eligible was measured elsewhere, nothing ineligible on it"


def test_another_model_is_refused(package: Path, tmp_path: Path) -> None:
    files = file_hashes(package)
    name = next(iter(files))
    for changed in ({**files, name: "0" * 64}, {**files, "more": "0" * 64}, {}):
        measured = read_measured(save(tmp_path, measurement(package, files=changed)))
        with pytest.raises(DataError, match="on another model"):
            require_same(measured, package, "measured.json")


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"device": 1}', "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")],
)
def test_what_is_no_measurement(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match="is no measurement"):
        read_measured(save(tmp_path, content))
    with pytest.raises(DataError, match="No such file"):
        read_measured(tmp_path / "none.json")


def test_a_device_of_another_name_is_refused(package: Path, tmp_path: Path) -> None:
    rows = [{"output": "x", "device": "toaster"}]
    with pytest.raises(DataError, match="toaster"):
        read_measured(save(tmp_path, measurement(package, operations=rows)))


def test_swift_writes_the_fields_that_are_read() -> None:
    """It cannot be compiled here; its structures must at least have the names."""
    swift = SWIFT.read_text()
    structures = re.findall(r"struct \w+: Encodable \{(.*?)\}", swift, re.S)
    fields = re.findall(r"let ([^\n]+)", "".join(structures))
    names = {n.strip("` ") for line in fields for n in re.findall(r"([\w`]+):", line)}
    assert names - {"String"} == {
        "output", "device", "function", "part", "operator", "cost", "os", "files", "operations",
        "load_seconds", "predict_seconds",
    }  # fmt: skip
    assert set(re.findall(r'return "((?:neural engine|gpu|cpu))"', swift)) == {
        "neural engine", "gpu", "cpu"
    }  # fmt: skip
    assert len(swift.splitlines()) < 200


class Plan:
    """Stands for `MLComputePlan`, which no Linux machine has: a device for each kind."""

    def get_compute_device_usage_for_mlprogram_operation(self, op: Any) -> Any:
        from types import SimpleNamespace

        name = {"ios16.conv": "MLNeuralEngineComputeDevice", "ios16.lstm": "MLCPUComputeDevice"}
        if op.operator_name not in name:
            return None
        device = type(name[op.operator_name], (), {})()
        return SimpleNamespace(preferred_compute_device=device)

    def get_estimated_cost_for_mlprogram_operation(self, op: Any) -> Any:
        return None


def test_a_plan_is_walked() -> None:
    from eyecli.lazy import coremltools

    coremltools()
    from coremltools.models import compute_plan as plans

    def op(kind: str, output: str, *blocks: Any) -> Any:
        made = plans.MLModelStructureProgramNamedValueType(output, None)
        return plans.MLModelStructureProgramOperation({}, kind, [made], list(blocks), None)

    def program(*ops: Any) -> Any:
        block = plans.MLModelStructureProgramBlock([], list(ops), [])
        function = plans.MLModelStructureProgramFunction([], block)
        inner = plans.MLModelStructureProgram({"main": function})
        return plans.MLModelStructure(neuralnetwork=None, program=inner, pipeline=None)

    nested = plans.MLModelStructureProgramBlock([], [op("ios16.lstm", "c")], [])
    whole = program(op("const", "w"), op("ios16.conv", "a"), op("cond", "b", nested))
    found = list(operations(Plan(), whole))
    assert [(o.output, o.device) for o in found] == [("a", "neural engine"), ("c", "cpu")]
    pipeline = plans.MLModelStructurePipeline([("x", whole), ("y", whole)])
    both = plans.MLModelStructure(neuralnetwork=None, program=None, pipeline=pipeline)
    assert [o.part for o in operations(Plan(), both)] == ["0", "0", "1", "1"]


def test_this_machine_has_no_plan() -> None:
    assert not available()
