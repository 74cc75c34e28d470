from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from eyecli.coreml import package
from eyecli.coreml.heads.forms import Head
from eyecli.coreml.heads.template import make_head, write_head
from eyecli.errors import DataError
from eyecli.mlprogram import MODEL_FILE, WEIGHT_FILE, coreml_messages


@pytest.fixture
def head(tmp_path: Path) -> Path:
    return write_head(tmp_path / "head.mlpackage", Head("affine", np.ones((2, 10)), np.zeros(2)))


def test_equal_content_gives_equal_files(head: Path, tmp_path: Path) -> None:
    twin = write_head(tmp_path / "twin.mlpackage", Head("affine", np.ones((2, 10)), np.zeros(2)))
    other = write_head(tmp_path / "other.mlpackage", Head("affine", np.ones((2, 10)), np.ones(2)))
    assert package.digest(head) == package.digest(twin) != package.digest(other)
    assert package.functions(head) == ["main"]


def test_manifest_is_as_core_ml_wants_it(head: Path) -> None:
    manifest = json.loads((head / "Manifest.json").read_text())
    entries = manifest["itemInfoEntries"]
    paths = {entry["path"] for entry in entries.values()}
    assert manifest["fileFormatVersion"] == "1.0.0"
    assert entries[manifest["rootModelIdentifier"]]["path"] == MODEL_FILE
    assert paths == {MODEL_FILE, "com.apple.CoreML/weights"}
    assert all((head / "Data" / path).exists() for path in paths)


def test_apple_reads_our_manifest(head: Path) -> None:
    from coremltools.models.utils import load_spec

    assert load_spec(str(head)).specificationVersion == 7


def test_a_program_without_blobs_has_no_weights(tmp_path: Path) -> None:
    path = write_head(tmp_path / "head.mlpackage", Head("affine", np.ones((2, 3)), np.zeros(2)))
    assert [p.name for p in path.rglob("*") if p.is_file()].count("weight.bin") == 0
    assert len(json.loads((path / "Manifest.json").read_text())["itemInfoEntries"]) == 1
    assert package.functions(path) == ["main"]


def test_nothing_is_overwritten(head: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        package.write(head, b"")


def test_folder_that_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a Core ML package"):
        package.read(tmp_path)
    with pytest.raises(DataError, match="not a Core ML package"):
        package.read(tmp_path / "missing.mlpackage")


def test_every_truncated_program_is_refused(head: Path) -> None:
    file = head / "Data" / MODEL_FILE
    content = file.read_bytes()
    for size in range(len(content)):
        file.write_bytes(content[:size])
        with pytest.raises(DataError, match=r"damaged|not an ML Program"):
            package.read(head)


def test_weights_missing_or_cut(head: Path) -> None:
    file = head / "Data" / WEIGHT_FILE
    content = file.read_bytes()
    for size in (len(content) - 1, 70, 0):
        file.write_bytes(content[:size])
        with pytest.raises(DataError, match=r"weight\.bin is damaged"):
            package.read(head)
    shutil.rmtree(file.parent)
    with pytest.raises(DataError, match=r"weight\.bin is missing"):
        package.read(head)


def test_weights_of_nested_blocks_are_looked_for(tmp_path: Path) -> None:
    model = coreml_messages("Model_pb2").Model.FromString(
        make_head(Head("affine", np.ones((2, 10)), np.zeros(2)))[0]
    )
    (block,) = model.mlProgram.functions["main"].block_specializations.values()
    outer = type(block)()
    outer.operations.add(type="cond").blocks.add().CopyFrom(block)
    block.CopyFrom(outer)
    path = package.write(tmp_path / "m.mlpackage", model.SerializeToString())
    with pytest.raises(DataError, match=r"weight\.bin is missing"):
        package.read(path)


def test_weights_elsewhere_are_refused(tmp_path: Path) -> None:
    spec, weights = make_head(Head("affine", np.ones((2, 10)), np.zeros(2)))
    moved = spec.replace(b"@model_path/weights", b"@model_path/../etcs")
    with pytest.raises(DataError, match="keeps weights in"):
        package.read(package.write(tmp_path / "m.mlpackage", moved, weights))


def test_other_kinds_and_versions(tmp_path: Path) -> None:
    model = coreml_messages("Model_pb2").Model
    network = model(specificationVersion=4)
    network.neuralNetwork.layers.add().name = "conv"
    path = package.write(tmp_path / "nn.mlpackage", network.SerializeToString())
    with pytest.raises(DataError, match="neuralNetwork"):
        package.read(path)
    newer = model()
    newer.ParseFromString(make_head(Head("affine", np.ones((2, 3)), np.zeros(2)))[0])
    newer.specificationVersion = 99
    path = package.write(tmp_path / "new.mlpackage", newer.SerializeToString())
    with pytest.raises(DataError, match="version 99"):
        package.read(path)
