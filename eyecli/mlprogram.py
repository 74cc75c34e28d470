"""Reading ML Programs through their protobuf messages alone.

`coremltools/__init__.py` costs 0.6 s, 3 s with TensorFlow; the messages, which are all that
reading or patching a program takes, cost 30 ms.
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from eyecli.errors import DataError, MissingError

MODEL_FILE = "com.apple.CoreML/model.mlmodel"
WEIGHT_FILE = "com.apple.CoreML/weights/weight.bin"
# The name of that file in the program.
WEIGHT_NAME = "@model_path/weights/weight.bin"
# ML Programs came with version 6 (iOS 15); 10 is iOS 26, the newest that coremltools 9 writes.
SPECIFICATIONS = range(6, 11)
# Every blob in weight.bin starts with this mark, its type, its size and the offset of its data.
BLOB_MARK = 0xDEADBEEF
BLOB_HEADER = struct.Struct("<IIQQ")
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


def operations(block: Any) -> Iterator[Any]:
    """Yield every operation of a MIL block, those of nested blocks after their owner."""
    for op in block.operations:
        yield op
        for inner in op.blocks:
            yield from operations(inner)


def read_coreml(path: Path) -> Any:
    """Read and check the specification of an ML Program in an `.mlpackage` folder.

    Parameters
    ----------
    path
        The `.mlpackage` folder.

    Returns
    -------
    Model
        The protobuf message `Model`; weights stay on disk.

    Raises
    ------
    DataError
        If the folder is no package, is truncated, lacks its weights, is not an ML Program, or has
        a specification version that is not known.
    """
    file = path / "Data" / MODEL_FILE
    if not (path / "Manifest.json").is_file() or not file.is_file():
        raise DataError(
            f"{path} is not a Core ML package: no Manifest.json with Data/{MODEL_FILE}",
            "give an .mlpackage folder; `eyecli export coreml` makes one",
        )
    spec = coreml_messages("Model_pb2").Model()
    try:
        spec.ParseFromString(file.read_bytes())
    except Exception as error:  # DecodeError, or what the C parser raises on bad UTF-8
        raise DataError(f"{file} is damaged: {error}", "export the model again") from None
    if not spec.specificationVersion:
        raise DataError(f"{file} is damaged: no specification version", "export the model again")
    if spec.specificationVersion > SPECIFICATIONS[-1]:
        raise DataError(
            f"{path} has the specification version {spec.specificationVersion}, "
            f"known are those up to {SPECIFICATIONS[-1]}",
            "export with an older --deployment-target, or upgrade eyecli",
        )
    kind = spec.WhichOneof("Type")
    if kind != "mlProgram":
        raise DataError(
            f"{path} is not an ML Program but a model of the type {kind or 'none'}",
            "convert it with convert_to='mlprogram'",
        )
    _check_program(spec, path, file)
    return spec


def _check_program(spec: Any, path: Path, file: Path) -> None:
    functions = spec.mlProgram.functions
    blocks = [b for f in functions.values() for b in f.block_specializations.values()]
    if not blocks or not all(b.operations for b in blocks):
        raise DataError(
            f"{file} is damaged: a program without operations", "export the model again"
        )
    values = (v for b in blocks for op in operations(b) for v in op.attributes.values())
    blobs = [v.blobFileValue for v in values if v.WhichOneof("value") == "blobFileValue"]
    foreign = {blob.fileName for blob in blobs} - {WEIGHT_NAME}
    if foreign:
        raise DataError(f"{path} keeps weights in {min(foreign)}, known is {WEIGHT_NAME}")
    weights = path / "Data" / WEIGHT_FILE
    if blobs and not weights.is_file():
        raise DataError(f"{weights} is missing", "copy the whole package, weights included")
    if blobs:
        with weights.open("rb") as stream:
            size = stream.seek(0, 2)
            for blob in blobs:
                stream.seek(blob.offset)
                if not _holds(stream.read(BLOB_HEADER.size), size):
                    raise DataError(
                        f"{weights} is damaged: its {size} bytes hold no blob at {blob.offset}",
                        "copy the whole package again",
                    )


def _holds(header: bytes, size: int) -> bool:
    """Say whether a file of this size holds the blob that this header announces."""
    if len(header) < BLOB_HEADER.size:
        return False
    mark, _, length, start = BLOB_HEADER.unpack(header)
    return bool(mark == BLOB_MARK and start + length <= size)
