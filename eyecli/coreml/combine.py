"""A trunk and users' heads in one package: as functions of one program, or as a pipeline.

Both work on the protobuf messages: nothing is converted again, so that what was verified of the
parts stays true of the whole.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from eyecli.coreml import package, proto
from eyecli.coreml.heads.programs import OUTPUT
from eyecli.coreml.weights import WEIGHTS, append_blob, read_blob
from eyecli.errors import DataError, UsageError
from eyecli.lazy import coremltools
from eyecli.mlprogram import WEIGHT_FILE, blobs, block_of, coreml_messages, operations

MAIN = "main"
# Several functions came with iOS 18; its operations are those of the opset CoreML8.
IOS18 = 9
LINKS = ("gaze", "embedding")


def write_functions(path: Path, trunk: Path, heads: Mapping[str, Path]) -> Path:
    """Write a package of several functions: the trunk, and for every user the trunk and a head.

    A user's function has the outputs of the trunk and `gaze_calibrated`; all functions refer to
    the same weights of the trunk. Needs iOS 18; a trunk for an older system is raised to it where
    its operations are the same there.

    Parameters
    ----------
    path
        The `.mlpackage` folder to make.
    trunk
        The model's `.mlpackage`, with the outputs `gaze` and `embedding`.
    heads
        A user's name to his or her head's `.mlpackage`. Functions are called as `function_name`
        says; the metadata `users` says which is whose.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    DataError
        If a package is damaged, is no trunk or no head, or a head is of another model.
    UsageError
        If there is no head, two users would have one function, or an operation of the trunk
        changed its meaning on the way to iOS 18.
    """
    names = function_names(heads)
    spec = _read_program(trunk)
    base = spec.mlProgram.functions[MAIN]
    version = max(spec.specificationVersion, IOS18)
    _raise_opset(base, version, trunk)
    weights = bytearray(_weights_of(trunk))
    description = coreml_messages("Model_pb2").ModelDescription(defaultFunctionName=MAIN)
    description.metadata.CopyFrom(spec.description.metadata)
    description.metadata.userDefined["users"] = json.dumps(names, sort_keys=True)
    interface = description.functions.add(name=MAIN)
    interface.input.extend(spec.description.input)
    interface.output.extend(spec.description.output)
    stored: dict[bytes, int] = {}
    for name, user in names.items():
        head = _read_head(heads[user], spec, trunk)
        _raise_opset(head.mlProgram.functions[MAIN], version, heads[user])
        function = spec.mlProgram.functions[name]
        function.CopyFrom(base)
        _append(function, head, _weights_of(heads[user]), weights, stored)
        entry = description.functions.add()
        entry.CopyFrom(interface)
        entry.name = name
        entry.output.extend(head.description.output)
    spec.description.CopyFrom(description)
    spec.specificationVersion = version
    return package.write(path, proto.serialise(spec), bytes(weights) or None)


def write_pipeline(path: Path, trunk: Path, head: Path) -> Path:
    """Write a pipeline: the trunk, then a user's head, of whose inputs nobody has to know.

    Outputs are those of the trunk and `gaze_calibrated`; weights are `0-weight.bin` and
    `1-weight.bin`, as `coremltools.utils.make_pipeline` calls them.

    Parameters
    ----------
    path, trunk, head
        As for `write_functions`; the parts keep the systems that they are for.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    DataError
        As for `write_functions`.
    """
    first = _read_program(trunk)
    second = _read_head(head, first, trunk)
    spec = coreml_messages("Model_pb2").Model()
    spec.specificationVersion = max(first.specificationVersion, second.specificationVersion)
    spec.description.metadata.CopyFrom(first.description.metadata)
    for key, value in second.description.metadata.userDefined.items():
        if key.startswith("com.github.apple.coremltools"):
            continue
        spec.description.metadata.userDefined[f"head.{key}"] = value
    spec.description.input.extend(first.description.input)
    spec.description.output.extend(first.description.output)
    spec.description.output.extend(second.description.output)
    weights = {}
    for number, (part, place) in enumerate(((first, trunk), (second, head))):
        content = _weights_of(place)
        if content:
            weights[f"{number}-weight.bin"] = content
        for value in blobs(block_of(part.mlProgram.functions[MAIN])):
            value.blobFileValue.fileName = f"@model_path/weights/{number}-weight.bin"
        proto.serialise(part)  # without the day of its conversion
        spec.pipeline.models.append(part)
    return package.write(path, proto.serialise(spec), weights)


def function_name(user: str) -> str:
    """Make an identifier of a user's name, in ASCII.

    Accents go, whatever else is not a letter, a digit or ``_`` becomes ``_``; a digit in front,
    and the name of the trunk's own function, get ``user_`` before them.
    """
    plain = unicodedata.normalize("NFKD", user).encode("ascii", "ignore").decode()
    name = re.sub(r"\W", "_", plain)
    return f"user_{name}" if name == MAIN or not name or name[0].isdigit() else name


def function_names(users: Iterable[str]) -> dict[str, str]:
    """Map function names to users, sorted by user.

    Raises
    ------
    UsageError
        If there is no user, or two would have one function.
    """
    names: dict[str, str] = {}
    for user in sorted(users):
        name = function_name(user)
        if name in names:
            raise UsageError(
                f"users '{names[name]}' and '{user}' would both have the function {name}",
                "calibrate one of them under another name, with --user",
            )
        names[name] = user
    if not names:
        raise UsageError("a package of several functions needs a user's head", "name one")
    return names


def _read_program(path: Path) -> Any:
    """Read a package of one ML Program of one function."""
    spec = package.read(path)
    functions = sorted(spec.mlProgram.functions) if spec.HasField("mlProgram") else ["a pipeline"]
    if functions != [MAIN]:
        raise DataError(
            f"{path} cannot be combined: needed is one function {MAIN}, it has "
            f"{', '.join(functions)}",
            "give the package of a trunk or of a head alone",
        )
    return spec


def _read_head(path: Path, trunk: Any, trunk_path: Path) -> Any:
    """Read a head and make sure that it fits the trunk."""
    head = _read_program(path)
    wanted, has = _digest(head), _digest(trunk)
    if not wanted or wanted != has:
        raise DataError(
            f"{path} is for model {wanted[:12] or '(unknown)'}, {trunk_path} is "
            f"{has[:12] or '(unknown)'}",
            "calibrate this user with this model",
        )
    offered = _types_of_outputs(trunk.mlProgram.functions[MAIN])
    if OUTPUT in offered:
        raise DataError(f"{trunk_path} has an output {OUTPUT} already", "give the trunk alone")
    inputs = {i.name: _described(i.type) for i in head.mlProgram.functions[MAIN].inputs}
    if set(inputs) != set(LINKS) or OUTPUT not in _types_of_outputs(head.mlProgram.functions[MAIN]):
        raise DataError(
            f"{path} is no head: its inputs are {', '.join(sorted(inputs))}",
            "`eyecli calibrate user` makes one",
        )
    for name, shape in inputs.items():
        if offered.get(name) != shape:
            raise DataError(
                f"{path} needs {name} as {shape}, {trunk_path} has {offered.get(name, 'none')}",
                "calibrate this user with this model",
            )
    return head


def _digest(spec: Any) -> str:
    """Return the digest of the network that a package is of, '' where it does not say."""
    return str(spec.description.metadata.userDefined.get("model_digest", ""))


def _types_of_outputs(function: Any) -> dict[str, str]:
    block = block_of(function)
    types = {o.name: o.type for op in block.operations for o in op.outputs}
    return {name: _described(types[name]) for name in block.outputs if name in types}


def _described(value_type: Any) -> str:
    """Describe a tensor's type, for comparing and for messages."""
    tensor = value_type.tensorType
    kind = coreml_messages("MIL_pb2").DataType.Name(tensor.dataType).lower()
    return f"{kind} ({', '.join(str(d.constant.size) for d in tensor.dimensions)})"


def _weights_of(path: Path) -> bytes:
    file = path / "Data" / WEIGHT_FILE
    return file.read_bytes() if file.is_file() else b""


def _raise_opset(function: Any, version: int, path: Path) -> None:
    """Give a function the operations of a newer system, where they are the same."""
    new, old = f"CoreML{version - 1}", function.opset
    if new == old:
        return
    block = block_of(function)
    changed = _changed({op.type for op in operations(block)}, old, new)
    if changed:
        raise UsageError(
            f"{path} is for an older system, and {', '.join(changed)} changed until iOS 18",
            "export the trunk with --deployment-target iOS18",
        )
    function.block_specializations[new].CopyFrom(block)
    del function.block_specializations[old]
    function.opset = new


def _changed(types: set[str], old: str, new: str) -> list[str]:
    """Return the types of operations that take other inputs in a newer opset, sorted."""
    ct = coremltools()
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    targets = [ct.target[f"iOS{int(opset.removeprefix('CoreML')) + 10}"] for opset in (old, new)]

    def inputs(kind: str, target: Any) -> frozenset[str]:
        versions = SSAOpRegistry.core_ops.get(kind, {})
        made = versions.get(target)
        return frozenset(made.input_spec.input_types) if made else frozenset({"(unknown)"})

    known = types - {"const"}
    return sorted(k for k in known if inputs(k, targets[0]) != inputs(k, targets[1]))


def _append(
    function: Any, head: Any, held: bytes, weights: bytearray, stored: dict[bytes, int]
) -> None:
    """Append a head's operations to a copy of the trunk, in place; its blobs to the weights."""
    block = block_of(function)
    added = type(block)()
    added.CopyFrom(block_of(head.mlProgram.functions[MAIN]))
    _rename(added, {o.name for op in operations(block) for o in op.outputs})
    for value in blobs(added):
        raw, kind = read_blob(held, value.blobFileValue.offset)
        if raw not in stored:
            stored[raw] = append_blob(weights, raw, kind)
        value.blobFileValue.fileName = WEIGHTS
        value.blobFileValue.offset = stored[raw]
    block.operations.extend(added.operations)
    block.outputs.append(OUTPUT)


def _rename(block: Any, taken: set[str]) -> None:
    """Rename all values of a head but its output, so that none is called as one of the trunk."""
    own = [o.name for op in block.operations for o in op.outputs if o.name != OUTPUT]
    prefix = "head_"
    while any(prefix + name in taken for name in own):
        prefix = f"_{prefix}"
    renamed = {name: prefix + name for name in own}
    for op in block.operations:
        for output in op.outputs:
            output.name = renamed.get(output.name, output.name)
        for argument in op.inputs.values():
            for binding in argument.arguments:
                if binding.WhichOneof("binding") == "name":
                    binding.name = renamed.get(binding.name, binding.name)
        names = op.attributes["name"].immediateValue.tensor.strings.values
        names[:] = [renamed.get(name, name) for name in names]
