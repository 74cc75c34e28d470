from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ane_cases import conv, relu
from ane_programs import Step, describe, model, save, write

from eyecli.ane.check import check
from eyecli.ane.program import Graph, graphs
from eyecli.ane.tiers import target
from eyecli.errors import DataError
from eyecli.mlprogram import coreml_messages


def one(*steps: Step) -> Graph:
    (graph,) = graphs(model(*steps))
    return graph


def test_functions_and_nested_blocks_are_walked(tmp_path: Path) -> None:
    branches = [[relu(), Step("lstm")], [Step("cond", blocks=[[Step("scatter")]])]]
    report = check(write(tmp_path, Step("cond", blocks=branches), user=[conv()]))
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
    assert [(g.title, g.segments) for g in report.graphs] == [("main", 1), ("user", 1)]
    assert report.segments == 2


def test_an_operation_nobody_has_heard_of_is_unknown(tmp_path: Path) -> None:
    report = check(write(tmp_path, conv(), Step("frobnicate"), relu()))
    assert report.counts == {"eligible": 2, "conditional": 0, "unknown": 1, "ineligible": 0}
    assert report.eligible == pytest.approx(2 / 3)
    assert report.segments == 2
    assert report.histogram == {"conv": 1, "frobnicate": 1, "relu": 1}
    assert report.worst == "unknown"


def test_the_worst_finding_decides_and_all_are_kept(tmp_path: Path) -> None:
    step = Step("frobnicate", dtype="FLOAT32", output=(1,) * 6)
    (verdict,) = check(write(tmp_path, step)).verdicts
    assert [f.rule for f in verdict.findings] == ["V00", "D01", "S01"]
    assert verdict.status == "ineligible"


def test_a_warning_changes_no_verdict(tmp_path: Path) -> None:
    report = check(write(tmp_path, conv((9, 9))))
    (verdict,) = report.verdicts
    assert {f.level for f in verdict.findings} == {"eligible", "warning"}
    assert verdict.status == report.worst == "eligible"


def test_what_is_wrong_with_a_whole_graph_counts(tmp_path: Path) -> None:
    report = check(save(tmp_path, describe(model(relu()), "word", "string")))
    assert report.eligible == 1.0
    assert report.worst == "ineligible"


def test_the_oldest_generation_is_unknown_beyond_its_family(tmp_path: Path) -> None:
    path = write(tmp_path, conv(), relu(), Step("softmax", {"x": (1, 16, 8, 32)}), Step("lstm"))
    assert [v.status for v in check(path, target("h12")).verdicts] == [
        "eligible",
        "eligible",
        "unknown",
        "ineligible",
    ]
    assert [v.status for v in check(path).verdicts][2] == "eligible"


def picture(*names: str) -> Step:
    return Step("cast", {"x": ((1, 3, 64, 64), "FLOAT32")}, output=(1, 3, 64, 64), name="pixels")


def test_the_cast_of_an_image_is_part_of_the_edge(tmp_path: Path) -> None:
    """Only of an image: pixels come as BGRA8, of which the engine makes float16."""
    spec = model(picture())
    image = describe(spec, "pixels_x0", "image", (64, 64))
    assert check(save(tmp_path / "image", image)).worst == "eligible"
    array = describe(model(picture()), "pixels_x0", "FLOAT16", (1, 3, 64, 64))
    assert check(save(tmp_path / "array", array)).worst == "conditional"
    later = model(picture(), Step("relu", {"x": "pixels"}, name="r"),
                  Step("cast", {"x": "r"}, dtype="FLOAT32"))  # fmt: skip
    report = check(save(tmp_path / "later", describe(later, "pixels_x0", "image", (64, 64))))
    assert [v.status for v in report.verdicts] == ["eligible", "eligible", "conditional"]


def test_a_flexible_shape_has_no_size() -> None:
    """A dimension that is not fixed must not be taken for zero."""
    (op,) = one(relu((1, 4, 3, None))).ops
    assert op.inputs["x"][0].shape == (1, 4, 3, None)


def test_what_decompresses_a_weight_is_no_part_of_a_segment(tmp_path: Path) -> None:
    made = Step("constexpr_cast", output=(16, 16, 3, 3), name="w",
                attributes={"source_val": ((16, 16, 3, 3), "FLOAT16")})  # fmt: skip
    use = Step("conv", {"x": (1, 16, 8, 32)}, {"weight": "w"})
    report = check(write(tmp_path, relu(), made, use))
    assert [v.status for v in report.verdicts] == ["eligible", "ineligible", "eligible"]
    assert report.segments == 1
    assert report.weight_bytes == 16 * 16 * 9 * 2


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("constexpr_lut_to_dense", "eligible"), ("constexpr_blockwise_shift_scale", "conditional"),
     ("constexpr_sparse_to_dense", "eligible")],
)  # fmt: skip
def test_rules_on_activations_do_not_look_at_weights(
    tmp_path: Path, kind: str, verdict: str
) -> None:
    """As iOS 18 has it: constants of rank 6 as inputs, float32 and long axes in the weight."""
    weight = (8, 70000)
    inputs = {"lut": (8, 1, 1, 1, 16, 1), "indices": (weight, "UINT4"), "scale": (0, 1)}
    made = Step(kind, weights=inputs, output=weight, name="w")
    use = Step("linear", {"x": (1, 64)}, {"weight": "w"}, output=(1, 8))
    report = check(write(tmp_path, made, use))
    assert [v.status for v in report.verdicts] == [verdict, "eligible"]
    assert {f.rule for v in report.verdicts for f in v.findings} <= {"V01", "Q02", "L03"}


def test_a_decompressed_weight_is_a_constant() -> None:
    made = Step("constexpr_lut_to_dense", output=(16, 16, 3, 3), name="w")
    op = one(made, Step("conv", {"x": (1, 16, 8, 32)}, {"weight": "w"})).ops[1]
    assert op.fixed == {"weight"}


def test_the_parts_of_a_pipeline(tmp_path: Path) -> None:
    spec = coreml_messages("Model_pb2").Model(specificationVersion=9)
    spec.pipeline.models.extend([model(conv()), model(Step("lstm"), user=[relu()])])
    report = check(save(tmp_path, spec))
    assert [(g.part, g.function, g.segments) for g in report.graphs] == [
        ("0", "main", 1),
        ("1", "main", 0),
        ("1", "user", 1),
    ]
    assert [g.title for g in report.graphs] == ["0/main", "1/main", "1/user"]
    assert report.counts["ineligible"] == 1


def test_no_package(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a Core ML package"):
        check(tmp_path)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    path = write(tmp_path, conv())
    code = (
        "import sys; from pathlib import Path; from eyecli.ane.check import check;"
        "from eyecli.ane.sarif import to_sarif; from eyecli.ane import stage;"
        f"to_sarif(check(Path({str(path)!r})), 'x');"
        "print({m.partition('.')[0] for m in sys.modules} & "
        "{'coremltools', 'tensorflow', 'keras', 'numpy', 'pandas', 'rich'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
