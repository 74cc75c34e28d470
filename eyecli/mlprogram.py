"""Reading ML Programs through their protobuf messages alone.

`coremltools/__init__.py` costs 0.6 s, 3 s with TensorFlow; the messages, which are all that
reading or patching a program takes, cost 30 ms.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from eyecli.errors import DataError, MissingError

MODEL_FILE = "com.apple.CoreML/model.mlmodel"
WEIGHT_FILE = "com.apple.CoreML/weights/weight.bin"
# How a program names a file of weights; a pipeline has one for each of its parts.
WEIGHT_NAME = re.compile(r"@model_path/weights/([A-Za-z0-9][A-Za-z0-9._-]*)")
# ML Programs came with version 6 (iOS 15); 10 is iOS 26, the newest that coremltools 9 writes.
SPECIFICATIONS = range(6, 11)
# Every blob in weight.bin starts with this mark, its type, its size and the offset of its data.
BLOB_MARK = 0xDEADBEEF
BLOB_HEADER = struct.Struct("<IIQQ")
# Kinds of models that are a row of models.
_PIPELINES = {
    "pipeline": lambda spec: spec.pipeline,
    "pipelineClassifier": lambda spec: spec.pipelineClassifier.pipeline,
    "pipelineRegressor": lambda spec: spec.pipelineRegressor.pipeline,
}
_ALIAS = "eyecli_coremltools_proto"


def coreml_messages(name: str) -> Any:
    """Import one module of `coremltools.proto` without running `coremltools/__init__.py`.

    The folder is imported under another package name; since protobuf knows a message by its
    descriptor, a later ``import coremltools`` finds the same classes. Where coremltools is loaded
    already, its own module is returned.

    Parameters
    ----------
    name
        ``Model_pb2`` or ``MIL_pb2``.

    Raises
    ------
    MissingError
        Without an installed coremltools.
    """
    if "coremltools" in sys.modules:
        return importlib.import_module(f"coremltools.proto.{name}")
    if _ALIAS not in sys.modules:
        found = importlib.util.find_spec("coremltools")
        if found is None or not found.submodule_search_locations:
            raise MissingError("coremltools is not installed", "pip install 'coremltools>=9'")
        package = ModuleType(_ALIAS)
        package.__path__ = [str(Path(p) / "proto") for p in found.submodule_search_locations]
        sys.modules[_ALIAS] = package
    return importlib.import_module(f"{_ALIAS}.{name}")


def block_of(function: Any) -> Any:
    """Give the block of a MIL function that runs.

    Other specialisations, if any, are the same program for other systems.
    """
    blocks = function.block_specializations
    return blocks[function.opset if function.opset in blocks else min(blocks)]


def operations(block: Any) -> Iterator[Any]:
    """Yield every operation of a MIL block, those of nested blocks after their owner."""
    for op in block.operations:
        yield op
        for inner in op.blocks:
            yield from operations(inner)


def programs(spec: Any) -> list[tuple[str, Any]]:
    """Give the ML Programs of a model.

    Parameters
    ----------
    spec
        The protobuf message `Model`, as of `read_coreml`.

    Returns
    -------
    list of (str, Model)
        ``("", spec)`` for an ML Program; ``("0", part), ("1", part)...`` in the order of a
        pipeline.
    """
    pipeline = _PIPELINES.get(spec.WhichOneof("Type"))
    if pipeline is None:
        return [("", spec)]
    return [(str(n), part) for n, part in enumerate(pipeline(spec).models)]


def read_coreml(path: Path) -> Any:
    """Read and check the specification in an `.mlpackage` folder.

    Parameters
    ----------
    path
        The `.mlpackage` folder: an ML Program, of several functions or one, or a pipeline of ML
        Programs.

    Returns
    -------
    Model
        The protobuf message `Model`; weights stay on disk.

    Raises
    ------
    DataError
        If the folder is no package, is truncated, lacks its weights, holds anything but ML
        Programs, or has a specification version that is not known.
    """
    file = path / "Data" / MODEL_FILE
    if path.suffix == ".mlmodel" and path.is_file():
        raise DataError(
            f"{path}: .mlmodel is the older format of Core ML, which is not supported",
            "convert the model again with convert_to='mlprogram', and save it as .mlpackage",
        )
    if not (path / "Manifest.json").is_file() or not file.is_file():
        raise DataError(
            f"{path} is not a Core ML package: no Manifest.json with Data/{MODEL_FILE}",
            "give an .mlpackage folder; `eyecli export coreml` makes one",
        )
    _check_manifest(path)
    spec = coreml_messages("Model_pb2").Model()
    try:
        spec.ParseFromString(file.read_bytes())
    except Exception as error:  # DecodeError, or what the C parser raises on bad UTF-8
        raise DataError(f"{file} is damaged: {error}", "export the model again") from None
    if not spec.specificationVersion:
        raise DataError(f"{file} is damaged: no specification version", "export the model again")
    _check_version(spec, str(path))
    parts = programs(spec)
    if not parts:
        raise DataError(f"{file} is damaged: a pipeline of nothing", "export the model again")
    for name, part in parts:
        _check_part(part, f"part {name} of {path}" if name else str(path))
        _check_program(part, path, file)
    return spec


def _check_manifest(path: Path) -> None:
    """Refuse a package whose list of contents does not lead to the model."""
    manifest = path / "Manifest.json"
    try:
        content = json.loads(manifest.read_bytes())
        found = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{manifest} is damaged: it names no model", "copy the whole package again"
        ) from error
    if found != MODEL_FILE:
        raise DataError(
            f"{manifest} names the model {found}, known is {MODEL_FILE}",
            "save the package again with coremltools",
        )


def _check_version(spec: Any, where: str) -> None:
    if spec.specificationVersion > SPECIFICATIONS[-1]:
        raise DataError(
            f"{where} has the specification version {spec.specificationVersion}, "
            f"known are those up to {SPECIFICATIONS[-1]}",
            "export with an older --deployment-target, or upgrade eyecli",
        )


def _check_part(part: Any, where: str) -> None:
    _check_version(part, where)
    kind = part.WhichOneof("Type")
    if kind != "mlProgram":
        raise DataError(
            f"{where} is not an ML Program but a model of the type {kind or 'none'} (rule R01)",
            "convert it with convert_to='mlprogram'",
        )
    if part.specificationVersion < SPECIFICATIONS[0]:
        raise DataError(
            f"{where} has the specification version {part.specificationVersion}, "
            f"ML Programs begin with {SPECIFICATIONS[0]}",
            "export the model again",
        )


def blobs(block: Any) -> Iterator[Any]:
    """Yield the `Value` of every constant of a MIL block that lies in a file of weights."""
    for op in operations(block):
        bound = (b.value for argument in op.inputs.values() for b in argument.arguments)
        for value in (*op.attributes.values(), *bound):
            if value.WhichOneof("value") == "blobFileValue":
                yield value


def _check_program(spec: Any, path: Path, file: Path) -> None:
    functions = spec.mlProgram.functions
    blocks = [b for f in functions.values() for b in f.block_specializations.values()]
    if not blocks or not all(b.operations for b in blocks):
        raise DataError(
            f"{file} is damaged: a program without operations", "export the model again"
        )
    for function in functions.values():
        for block in function.block_specializations.values():
            _check_values(block, {i.name for i in function.inputs}, str(file))
    offsets: dict[str, set[int]] = {}
    for block in blocks:
        for value in blobs(block):
            blob = value.blobFileValue
            offsets.setdefault(blob.fileName, set()).add(blob.offset)
    for name in sorted(offsets):
        known = WEIGHT_NAME.fullmatch(name)
        if not known:
            raise DataError(
                f"{path} keeps weights in {name}, known are @model_path/weights/<file>",
                "export the model again",
            )
        _check_weights(path / "Data" / Path(WEIGHT_FILE).with_name(known[1]), offsets[name])


def _check_values(block: Any, known: set[str], where: str) -> None:
    """Refuse results without types, and arguments that nothing before them makes."""
    known = known | {i.name for i in block.inputs}
    for op in block.operations:
        named = [
            b.name
            for argument in op.inputs.values()
            for b in argument.arguments
            if b.WhichOneof("binding") == "name"
        ]
        lost = next((name for name in named if name not in known), None)
        if lost:
            wrong = f"takes {lost}, which nothing makes"
        elif not all(o.type.WhichOneof("type") for o in op.outputs):
            wrong = "has a result without a type"
        else:
            known.update(o.name for o in op.outputs)
            for inner in op.blocks:
                _check_values(inner, known, where)
            continue
        name = op.outputs[0].name if op.outputs else "without a result"
        raise DataError(f"{where} is damaged: {op.type} {name} {wrong}", "export the model again")


def _check_weights(weights: Path, offsets: set[int]) -> None:
    if not weights.is_file():
        raise DataError(f"{weights} is missing", "copy the whole package, weights included")
    with weights.open("rb") as stream:
        size = stream.seek(0, 2)
        for offset in sorted(offsets):
            stream.seek(offset)
            if not _holds(stream.read(BLOB_HEADER.size), size):
                raise DataError(
                    f"{weights} is damaged: its {size} bytes hold no blob at {offset}",
                    "copy the whole package again",
                )


def _holds(header: bytes, size: int) -> bool:
    """Say whether a file of this size holds the blob that this header announces."""
    if len(header) < BLOB_HEADER.size:
        return False
    mark, _, length, start = BLOB_HEADER.unpack(header)
    return bool(mark == BLOB_MARK and start + length <= size)
