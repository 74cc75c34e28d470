"""Execute a saved ML Program on Linux."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.coreml.interpreter.plan import Plan, Values, execute, prepare
from eyecli.coreml.interpreter.rounding import real
from eyecli.errors import CheckError, DataError
from eyecli.lazy import coremltools
from eyecli.mlprogram import WEIGHT_FILE, operations, programs, read_coreml

Array = np.ndarray
# Operations that leave values and their order alone, on the way from an activation to an output.
_PASSING = frozenset({"cast", "expand_dims", "flatten2d", "identity", "reshape", "squeeze"})
_ACTIVATIONS = frozenset({"sigmoid", "softmax"})


def run(
    path: Path,
    samples: Mapping[str, Array],
    half: bool = False,
    function: str = "main",
    also: Sequence[str] = (),
) -> dict[str, Array]:
    """Execute a saved ML Program, or a pipeline of them, one sample after the other.

    Parameters
    ----------
    path
        The `.mlpackage` folder; the weights are used as they are stored.
    samples
        Inputs with a leading sample axis, otherwise shaped as the program wants them, by name: a
        program's first axis of length one is the sample's own. States begin with zeros in every
        sample.
    half
        Round inputs, constants and the result of every operation to float16, also what the
        program declares float32; sums inside an operation, and the states of a recurrent layer
        from step to step, stay in float32. Otherwise all arithmetic is float32, and casts between
        floats do nothing. Integers and bools are never rounded.
    function
        Which function of a multi-function package.
    also
        Names of further values inside the program to return.

    Returns
    -------
    dict of str to numpy.ndarray
        Outputs (sample, ...) by name: float32 for floats; labels of a classifier are text or
        integers, its probabilities (sample, class) in the order of its classes.

    Raises
    ------
    CheckError
        If the program holds an operation that is not known here.
    DataError
        If the package is damaged, an input is missing or has the wrong shape, or there is no such
        function or value.
    """
    blocks = _blocks(path, function)
    parts = [_prepare(block, half, also) for block in blocks]
    feeds = _check(path, blocks, samples)
    missing = set(also) - {name for part in parts for name in part.found}
    if missing:
        raise DataError(f"{path} computes no {min(missing)} in its function {function}")
    names = [o.name for o in read_coreml(path).description.output] if len(parts) > 1 else []
    wanted = (names or [v.name for v in parts[0].plan.outputs]) + list(also)
    count = len(next(iter(feeds.values()), ()))
    # What exceeds float16 is infinite afterwards, which whoever compares has to look for.
    with np.errstate(all="ignore"):
        rows = [_sample(parts, {k: v[i] for k, v in feeds.items()}) for i in range(count)]
    return {name: _collect([row[name] for row in rows]) for name in wanted}


def load(path: Path) -> Any:
    """Load a saved ML Program as a PyMIL program through coremltools' milproto loader.

    Raises
    ------
    DataError
        If the package is damaged, or a pipeline.
    CheckError
        If coremltools does not know one of its operations.
    """
    loaded = _load(path)
    if len(loaded) > 1:
        raise DataError(f"{path} is a pipeline of {len(loaded)} programs")
    return loaded[0]


def before_activation(path: Path, output: str, function: str = "main") -> str | None:
    """Name the value that the final softmax or sigmoid of an output reads.

    Parameters
    ----------
    path
        The `.mlpackage` folder.
    output
        Name of an output: activated values, or the label or probabilities of a classifier.
        Casts, changes of shape and transposes of axes of length one behind the activation do not
        count.
    function
        Which function of a multi-function package.

    Returns
    -------
    str or None
        A name for `run`'s `also`; None if the output has no such activation.

    Raises
    ------
    DataError
        If there is no such function or output.
    """
    given = {v.name: v for block in _blocks(path, function) for v in block.outputs}
    if output not in given:
        raise DataError(f"{path} has no output {output}, it has {', '.join(sorted(given))}")
    var = given[output]
    while var.op is not None:
        kind = var.op.op_type
        if kind in _ACTIVATIONS:
            return str(var.op.x.name)
        if kind == "classify":
            var = var.op.probabilities
        elif kind in _PASSING or (kind == "transpose" and _keeps_order(var.op)):
            var = var.op.x
        else:
            return None
    return None


def _keeps_order(transpose: Any) -> bool:
    shape = transpose.x.shape
    long = [int(axis) for axis in transpose.perm.val if shape[axis] != 1]
    return long == sorted(long)


def _load(path: Path, function: str | None = None) -> list[Any]:
    spec = read_coreml(path)
    coremltools()
    from coremltools.converters.mil.frontend.milproto.load import load as milproto
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    weights = str((path / "Data" / WEIGHT_FILE).parent)
    loaded = []
    for _, part in programs(spec):
        if function is not None:
            _keep_only(path, part, function)
        for op in _operations(part):
            # `write_state` is in no registry, the loader translates it.
            if op.type not in SSAOpRegistry.core_ops and op.type != "write_state":
                name = op.outputs[0].name if op.outputs else "without outputs"
                raise CheckError(f"parity cannot execute the operation {op.type} ({name})")
        try:
            loaded.append(milproto(part, part.specificationVersion, weights))
        except Exception as error:  # whatever coremltools stumbles over
            raise DataError(f"coremltools cannot load {path}: {error}") from error
    return loaded


def _operations(spec: Any) -> Iterator[Any]:
    for function in spec.mlProgram.functions.values():
        for block in function.block_specializations.values():
            yield from operations(block)


def _blocks(path: Path, function: str) -> list[Any]:
    return [program.functions[function] for program in _load(path, function)]


def _keep_only(path: Path, part: Any, function: str) -> None:
    """Drop a program's other functions: of many users' each run needs one."""
    functions = part.mlProgram.functions
    names = sorted(functions)
    if function not in names:
        raise DataError(f"{path} has no function {function}, it has {', '.join(names)}")
    for name in names:
        if name != function:
            del functions[name]


@dataclass(frozen=True)
class _Part:
    """One program of a pipeline, prepared; `found` are the values that were asked for."""

    plan: Plan
    constants: Values
    found: dict[str, Any]


def _prepare(block: Any, half: bool, also: Sequence[str]) -> _Part:
    inside = [*block.inputs.values(), *(v for op in block.operations for v in op.outputs)]
    found = {v.name: v for v in inside if v.name in also}
    constants: Values = {}
    return _Part(prepare(block, half, constants, found.values()), constants, found)


def _check(path: Path, blocks: Sequence[Any], samples: Mapping[str, Array]) -> dict[str, Any]:
    """Check what comes from outside, and cut it into samples shaped as the program wants them."""
    made: set[str] = set()
    feeds = {}
    for block in blocks:
        for name, var in block.inputs.items():
            if name in made or _is_state(var):
                continue
            if name not in samples:
                raise DataError(f"{path} needs the input {name}, given are {', '.join(samples)}")
            values = np.asarray(samples[name])
            own_axis = len(var.shape) > 0 and var.shape[0] == 1
            wanted = tuple(var.shape[1:]) if own_axis else tuple(var.shape)
            if not _fits(values.shape[1:], wanted):
                raise DataError(f"input {name} is {values.shape[1:]}, not {wanted}")
            feeds[name] = values[:, None] if own_axis else values
        made |= {var.name for var in block.outputs}
    counts = {name: len(values) for name, values in feeds.items()}
    if len(set(counts.values())) > 1:
        raise DataError(f"inputs of different length: {counts}")
    return feeds


def _fits(shape: Sequence[int], wanted: Sequence[Any]) -> bool:
    """Compare shapes; an axis without a fixed length takes any."""
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(
        a == b for a, b in pairs if isinstance(b, int | np.integer)
    )


def _is_state(var: Any) -> bool:
    from coremltools.converters.mil.mil import types

    return bool(types.is_state(var.sym_type))


def _sample(parts: Sequence[_Part], given: dict[str, Any]) -> dict[str, Any]:
    for part in parts:
        values = dict(part.constants)
        for var in part.plan.inputs:
            values[var] = _input(var, given, part.plan.half)
        execute(part.plan, values)
        wanted = {**{v.name: v for v in part.plan.outputs}, **part.found}
        given |= {name: values[var] for name, var in wanted.items()}
    return given


def _input(var: Any, given: Mapping[str, Any], half: bool) -> Any:
    from coremltools.converters.mil.mil import types

    if _is_state(var):
        return np.zeros(var.shape, np.float32)
    if types.is_float(var.dtype):
        return real(np.asarray(given[var.name]).astype(np.float32), half)
    return np.asarray(given[var.name]).astype(types.nptype_from_builtin(var.dtype))


def _collect(rows: list[Any]) -> Array:
    """Put samples together, on their own first axis where that has the length one."""
    own_axis = rows[0].ndim > 0 and len(rows[0]) == 1
    return np.concatenate(rows) if own_axis else np.stack(rows)
