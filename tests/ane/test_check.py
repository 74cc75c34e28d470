from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ane_programs import Step, write

from eyecli.ane.check import RULES, check
from eyecli.ane.vocabulary import SOURCES
from eyecli.errors import DataError


def conv(kernel: tuple[int, ...], **more: object) -> Step:
    return Step("conv", {"x": (1, 4, 32, 32), "weight": (4, 4, *kernel)}, **more)  # type: ignore[arg-type]


def pool(window: int, stride: int = 2, size: int = 64, **constants: object) -> Step:
    sizes = {"kernel_sizes": [window] * 2, "strides": [stride] * 2, "pad_type": "valid"}
    return Step("max_pool", {"x": (1, 4, size, size)}, {**sizes, **constants})


# rule, worst status, a program that breaks it, the nearest one that does not
CASES = [
    ("D01", "ineligible", Step("relu", dtype="FLOAT32"), Step("relu")),
    ("D01", "ineligible", Step("add", dtype="FLOAT64"), Step("cast", dtype="FLOAT32")),
    ("S01", "ineligible", Step("relu", output=[1] * 6), Step("relu", output=[1] * 5)),
    ("S01", "ineligible", Step("add", {"x": [1] * 6}), Step("add", {"x": [1] * 5})),
    ("C01", "ineligible", conv((3, 3, 3)), conv((3, 3))),
    ("C01", "ineligible", conv((3,)), conv((1, 3))),
    ("C02", "ineligible", conv((1, 14)), conv((14, 13))),
    ("C02", "ineligible", conv((30, 1)), conv((29, 1))),
    ("P01", "ineligible", pool(30), pool(29)),
    ("P01", "conditional", pool(8, size=8), pool(7, size=8)),
    (
        "P01",
        "ineligible",
        pool(3, pad_type="custom", pad=[1, 3, 1, 1]),
        pool(3, pad_type="custom", pad=[1, 2, 1, 1]),
    ),
    ("P04", "ineligible", pool(2, 5), pool(2, 2)),
    ("P04", "conditional", pool(2, 3), pool(2, 1)),
]


@pytest.mark.parametrize(("rule", "status", "bad", "good"), CASES)
def test_rule(tmp_path: Path, rule: str, status: str, bad: Step, good: Step) -> None:
    (verdict,) = check(write(tmp_path, bad)).verdicts
    assert {f.rule for f in verdict.findings} == {"V01", rule}
    assert verdict.status == status
    (verdict,) = check(write(tmp_path / "good", good)).verdicts
    assert rule not in {f.rule for f in verdict.findings}
    assert verdict.status == ("conditional" if good.kind == "cast" else "eligible")


def test_every_rule_has_sources_and_both_cases() -> None:
    assert {rule.id for rule in RULES} == {case[0] for case in CASES}
    for rule in RULES:
        assert rule.sources and set(rule.sources) <= set(SOURCES)
        assert rule.fix and rule.title


def test_functions_and_nested_blocks_are_walked(tmp_path: Path) -> None:
    branches = [[Step("relu"), Step("lstm")], [Step("cond", blocks=[[Step("scatter")]])]]
    report = check(write(tmp_path, Step("cond", blocks=branches), user=[Step("conv")]))
    assert [(v.function, v.op) for v in report.verdicts] == [
        ("main", "cond"),
        ("main", "relu"),
        ("main", "lstm"),
        ("main", "cond"),
        ("main", "scatter"),
        ("user", "conv"),
    ]
    assert [v.name for v in report.verdicts][1:3] == [
        "main_0_cond_0_0_relu",
        "main_0_cond_0_1_lstm",
    ]
    assert report.segments == 4


def test_an_operation_nobody_has_heard_of_is_unknown(tmp_path: Path) -> None:
    report = check(write(tmp_path, Step("conv"), Step("frobnicate"), Step("relu")))
    assert report.counts == {"eligible": 2, "conditional": 0, "unknown": 1, "ineligible": 0}
    assert report.eligible == pytest.approx(2 / 3)
    assert report.segments == 3
    assert report.histogram == {"conv": 1, "frobnicate": 1, "relu": 1}


def test_the_worst_finding_decides_and_all_are_kept(tmp_path: Path) -> None:
    (verdict,) = check(
        write(tmp_path, Step("frobnicate", dtype="FLOAT32", output=[1] * 6))
    ).verdicts
    assert [f.rule for f in verdict.findings] == ["V00", "D01", "S01"]
    assert verdict.status == "ineligible"


def test_a_flexible_shape_has_no_size(tmp_path: Path) -> None:
    """A dimension that is not fixed must not be taken for zero."""
    from eyecli.ane.check import operations
    from eyecli.mlprogram import read_coreml

    function = read_coreml(write(tmp_path, conv((3, 3)))).mlProgram.functions["main"]
    for op in function.block_specializations["CoreML8"].operations:
        for output in op.outputs:
            output.type.tensorType.dimensions[3].unknown.variadic = False
    (op,) = operations("main", function)
    assert op.inputs["weight"][0].shape == (4, 4, 3, None)


def test_no_package(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a Core ML package"):
        check(tmp_path)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    path = write(tmp_path, Step("conv"))
    code = (
        "import sys; from pathlib import Path; from eyecli.ane.check import check;"
        f"check(Path({str(path)!r}));"
        "print({m.partition('.')[0] for m in sys.modules} & "
        "{'coremltools', 'tensorflow', 'keras', 'numpy', 'pandas'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
