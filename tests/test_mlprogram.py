from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyecli.coreml import package
from eyecli.coreml.heads.forms import Head
from eyecli.coreml.heads.template import make_head
from eyecli.errors import DataError
from eyecli.mlprogram import MODEL_FILE, WEIGHT_FILE, coreml_messages, programs, read_coreml


def head() -> tuple[Any, bytes]:
    """Return a message with weights beside it."""
    content, weights = make_head(Head("affine", np.ones((2, 10)), np.zeros(2)))
    assert weights is not None
    return coreml_messages("Model_pb2").Model.FromString(content), weights


def rename(part: Any, name: str) -> Any:
    """Let a program's blobs lie in another file of the package."""
    (block,) = part.mlProgram.functions["main"].block_specializations.values()
    for op in block.operations:
        for value in op.attributes.values():
            if value.WhichOneof("value") == "blobFileValue":
                value.blobFileValue.fileName = f"@model_path/weights/{name}"
    return part


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """Two programs, each with a file of weights, as coremltools names them."""
    spec = coreml_messages("Model_pb2").Model(specificationVersion=7)
    for n in range(2):
        part, weights = head()
        spec.pipeline.models.append(rename(part, f"{n}-weight.bin"))
    path = package.write(tmp_path / "two.mlpackage", spec.SerializeToString(), weights)
    file = path / "Data" / WEIGHT_FILE
    shutil.copy(file, file.with_name("0-weight.bin"))
    file.rename(file.with_name("1-weight.bin"))
    return path


def change(path: Path) -> tuple[Any, Any]:
    """Return the message of a package and what writes it back."""
    file = path / "Data" / MODEL_FILE
    spec = coreml_messages("Model_pb2").Model.FromString(file.read_bytes())
    return spec, lambda: file.write_bytes(spec.SerializeToString())


def test_the_parts_of_a_pipeline(pipeline: Path) -> None:
    parts = programs(read_coreml(pipeline))
    assert [name for name, _ in parts] == ["0", "1"]
    assert {part.WhichOneof("Type") for _, part in parts} == {"mlProgram"}


@pytest.mark.parametrize("kind", ["pipelineClassifier", "pipelineRegressor"])
def test_pipelines_of_other_kinds(pipeline: Path, kind: str) -> None:
    spec, save = change(pipeline)
    models = [type(spec).FromString(m.SerializeToString()) for m in spec.pipeline.models]
    getattr(spec, kind).pipeline.models.extend(models)
    save()
    assert len(programs(read_coreml(pipeline))) == 2


def test_one_program_is_its_only_part() -> None:
    spec, _ = head()
    assert programs(spec) == [("", spec)]


@pytest.mark.parametrize("name", ["0-weight.bin", "1-weight.bin"])
def test_every_file_of_weights_is_looked_at(pipeline: Path, name: str) -> None:
    file = (pipeline / "Data" / WEIGHT_FILE).with_name(name)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{name} is damaged"):
        read_coreml(pipeline)
    file.unlink()
    with pytest.raises(DataError, match=rf"{name} is missing"):
        read_coreml(pipeline)


def test_every_part_is_looked_at(pipeline: Path) -> None:
    spec, save = change(pipeline)
    spec.pipeline.models[1].specificationVersion = 99
    save()
    with pytest.raises(DataError, match=r"part 1 of .* version 99"):
        read_coreml(pipeline)
    spec.pipeline.models[1].specificationVersion = 4
    save()
    with pytest.raises(DataError, match="ML Programs begin with 6"):
        read_coreml(pipeline)
    spec.pipeline.models[1].neuralNetwork.layers.add().name = "conv"
    save()
    with pytest.raises(DataError, match=r"part 1 of .* neuralNetwork \(rule R01\)"):
        read_coreml(pipeline)
    del spec.pipeline.models[:]
    save()
    with pytest.raises(DataError, match="a pipeline of nothing"):
        read_coreml(pipeline)


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/b.bin", ""])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    part, weights = head()
    content = rename(part, name).SerializeToString()
    with pytest.raises(DataError, match="keeps weights in"):
        read_coreml(package.write(tmp_path / "m.mlpackage", content, weights))


def test_weights_given_in_an_argument_are_looked_for(tmp_path: Path) -> None:
    part, _ = head()
    (block,) = part.mlProgram.functions["main"].block_specializations.values()
    for op in block.operations:
        if "val" in op.attributes and op.attributes["val"].HasField("blobFileValue"):
            op.type = "constexpr_lut_to_dense"
            op.inputs["indices"].arguments.add().value.CopyFrom(op.attributes["val"])
            del op.attributes["val"]
    with pytest.raises(DataError, match=r"weight\.bin is missing"):
        read_coreml(package.write(tmp_path / "m.mlpackage", part.SerializeToString()))


def test_one_program_may_have_several_files(tmp_path: Path) -> None:
    part, weights = head()
    (block,) = part.mlProgram.functions["main"].block_specializations.values()
    (stored,) = [op for op in block.operations if op.attributes["val"].HasField("blobFileValue")]
    twin = block.operations.add()
    twin.CopyFrom(stored)
    twin.attributes["val"].blobFileValue.fileName = "@model_path/weights/z.bin"
    path = package.write(tmp_path / "m.mlpackage", part.SerializeToString(), weights)
    with pytest.raises(DataError, match=r"z\.bin is missing"):
        read_coreml(path)
    file = path / "Data" / WEIGHT_FILE
    shutil.copy(file, file.with_name("z.bin"))
    assert read_coreml(path)
