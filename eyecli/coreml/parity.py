"""Execute a saved ML Program on Linux in NumPy, and compare it with the Keras model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from eyecli.coreml.convert import Contract, apply
from eyecli.coreml.package import read
from eyecli.errors import CheckError, DataError
from eyecli.lazy import coremltools
from eyecli.mlprogram import WEIGHT_FILE

Array = np.ndarray
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """Absolute difference between Core ML and Keras on one output, in that output's unit."""

    max: float
    mean: float


def compare(
    model: Any, path: Path, contract: Contract, samples: Mapping[str, Array], half: bool = False
) -> dict[str, Difference]:
    """Run the same samples through a Keras model and its saved Core ML package.

    Parameters
    ----------
    model
        The Keras model that was converted, unchanged: the scalings that were folded into the
        package are applied around it, so that a wrong folding shows.
    path
        The `.mlpackage` folder.
    contract
        The contract of the conversion.
    samples
        Inputs in the contract's units (pixels 0..255 for images), channels last, by name.
    half
        Round the result of every operation to float16, see `run`.

    Returns
    -------
    dict of str to Difference
        For every output, over all samples and channels.

    Raises
    ------
    CheckError
        If the package holds an operation that is not known here, or an output is not finite.
    DataError
        If the package is damaged, or there are no samples.
    """
    import keras

    feed = {
        k: _scaled(np.asarray(v, np.float32), contract.inputs.get(k)) for k, v in samples.items()
    }
    if not feed or not all(len(v) for v in feed.values()):
        raise DataError("no samples to compare Keras and Core ML on")
    reference = apply(model, feed)
    # Overflow is found below, in the outputs.
    with np.errstate(over="ignore", invalid="ignore"):
        exported = run(path, {k: _channels_first(np.asarray(v)) for k, v in samples.items()}, half)
    differences = {}
    for name, values in reference.items():
        expected = keras.ops.convert_to_numpy(values).astype(np.float64)
        expected = _channels_first(_scaled(expected, contract.outputs.get(name)))
        if not np.isfinite(exported[name]).all():
            raise CheckError(f"{path}: output {name} is not finite", "its values exceed float16")
        gap = np.abs(exported[name].reshape(expected.shape) - expected)
        differences[name] = Difference(float(gap.max()), float(gap.mean()))
    return differences


def _scaled(values: Array, unit: Any) -> Array:
    """Apply the scaling of a contract's entry on the last axis."""
    if unit is None:
        return values
    return (values * np.asarray(unit.scale) + np.asarray(unit.offset)).astype(values.dtype)


def _channels_first(values: Array) -> Array:
    return np.moveaxis(values, -1, 1) if values.ndim == 4 else values


def run(
    path: Path, samples: Mapping[str, Array], half: bool = False, function: str = "main"
) -> dict[str, Array]:
    """Execute a saved ML Program, one sample after the other.

    Parameters
    ----------
    path
        The `.mlpackage` folder; the weights are used as they are stored.
    samples
        Inputs with a leading sample axis, otherwise shaped as the program wants them, by name.
    half
        Round inputs and the result of every operation to float16; sums inside an operation stay
        in float32. Otherwise all arithmetic is float32, and casts between floats do nothing.
    function
        Which function of a multi-function package.

    Returns
    -------
    dict of str to numpy.ndarray
        Outputs (sample, ...), float32, by name.

    Raises
    ------
    CheckError
        If the program holds an operation that is not known here.
    DataError
        If the package is damaged, or an input is missing or has the wrong shape.
    """
    program = load(path).functions
    if function not in program:
        raise DataError(f"{path} has no function {function}, it has {', '.join(sorted(program))}")
    block = program[function]
    for name, var in block.inputs.items():
        if name not in samples:
            raise DataError(f"{path} needs the input {name}, given are {', '.join(samples)}")
        if tuple(samples[name].shape[1:]) != tuple(var.shape[1:]):
            raise DataError(f"input {name} is {samples[name].shape[1:]}, not {var.shape[1:]}")
    counts = {name: len(samples[name]) for name in block.inputs}
    if len(set(counts.values())) != 1:
        raise DataError(f"inputs of different length: {counts}")
    count = next(iter(counts.values()))
    rows = [
        _execute(
            block, {k: _real(np.asarray(samples[k][i : i + 1]), half) for k in block.inputs}, half
        )
        for i in range(count)
    ]
    return {var.name: np.concatenate([row[var.name] for row in rows]) for var in block.outputs}


def load(path: Path) -> Any:
    """Load a saved package as a PyMIL program through coremltools' milproto loader."""
    spec = read(path)
    coremltools()
    from coremltools.converters.mil.frontend.milproto.load import load as milproto

    weights = str((path / "Data" / WEIGHT_FILE).parent)
    return milproto(spec, spec.specificationVersion, weights)


def _real(values: Array, half: bool) -> Array:
    """Bring a float or pixel array to float32, through float16 where that is emulated."""
    if half and values.dtype != bool:
        values = values.astype(np.float16)
    return values.astype(np.float32)


def _execute(block: Any, values: dict[str, Array], half: bool) -> dict[str, Array]:
    for op in block.operations:
        if op.op_type == "const":
            continue
        if op.op_type not in OPERATIONS:
            raise CheckError(
                f"parity cannot execute the operation {op.op_type} ({op.name})",
                f"known are {', '.join(sorted(OPERATIONS))}",
            )
        arguments = {k: _argument(v, values, half) for k, v in op.inputs.items() if v is not None}
        result = OPERATIONS[op.op_type](arguments)
        values[op.outputs[0].name] = _real(result, half) if result.dtype.kind == "f" else result
    return {var.name: values[var.name] for var in block.outputs}


def _argument(var: Any, values: Mapping[str, Array], half: bool) -> Any:
    if isinstance(var, tuple | list):
        return [_argument(v, values, half) for v in var]
    if var.name in values:
        return values[var.name]
    held = var.val
    return _real(held, half) if isinstance(held, np.ndarray) and held.dtype.kind == "f" else held


def padding(
    sizes: Sequence[int], kernel: Sequence[int], arguments: Arguments
) -> list[tuple[int, int]]:
    """Resolve MIL's `pad_type` to explicit pads.

    Parameters
    ----------
    sizes
        Spatial extents of the input.
    kernel
        Extents of the window, dilation included.
    arguments
        The operation's `pad_type` (``valid``, ``same``, ``same_lower`` or ``custom``), `pad` and
        `strides`.

    Returns
    -------
    list of (int, int)
        Before and after, for each spatial axis. ``same`` puts the odd pixel after the image,
        ``same_lower`` before it (coremltools, MIL operations, conv).
    """
    mode = arguments["pad_type"]
    if mode == "valid":
        return [(0, 0)] * len(sizes)
    if mode == "custom":
        pad = [int(p) for p in arguments["pad"]]
        return list(zip(pad[::2], pad[1::2], strict=True))
    pads = []
    for size, extent, stride in zip(sizes, kernel, arguments["strides"], strict=True):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        small, large = total // 2, total - total // 2
        pads.append((int(large), int(small)) if mode == "same_lower" else (int(small), int(large)))
    return pads


def _windows(
    x: Array, kernel: Sequence[int], dilations: Sequence[int], arguments: Arguments, fill: float
) -> Array:
    """View x (n, c, *spatial) as windows (n, c, *output, *kernel), padded with a value."""
    rank = len(kernel)
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = padding(x.shape[2:], extents, arguments)
    padded = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    view = sliding_window_view(padded, extents, axis=tuple(range(2, 2 + rank)))  # type: ignore[call-overload]
    steps = [slice(None, None, int(s)) for s in (*arguments["strides"], *dilations)]
    return view[(slice(None), slice(None), *steps)]


def conv(arguments: Arguments) -> Array:
    """Convolve x (n, c, *spatial) with weight (o, c / groups, *kernel); MIL's `conv`."""
    x, weight, groups = arguments["x"], arguments["weight"], int(arguments["groups"])
    kernel = weight.shape[2:]
    windows = _windows(x, kernel, [int(d) for d in arguments["dilations"]], arguments, 0.0)
    rank, output = len(kernel), windows.shape[2 : 2 + len(kernel)]
    # (n, c, *output, *kernel) -> (n, group, c / groups * kernel, output)
    order = (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    columns = windows.transpose(order).reshape(len(x), groups, -1, int(np.prod(output)))
    rows = weight.reshape(groups, len(weight) // groups, -1)
    result = (rows @ columns).reshape(len(x), len(weight), *output)
    if "bias" in arguments:
        result = result + arguments["bias"].reshape(-1, *[1] * rank)
    return result


def _pool(arguments: Arguments, x: Array, fill: float) -> Array:
    if arguments.get("ceil_mode"):
        raise CheckError("parity cannot execute a pooling with ceil_mode")
    kernel = [int(k) for k in arguments["kernel_sizes"]]
    return _windows(x, kernel, [1] * len(kernel), arguments, fill)


def max_pool(arguments: Arguments) -> Array:
    """Take the largest value of each window; padding never wins."""
    rank = len(arguments["kernel_sizes"])
    return _pool(arguments, arguments["x"], -np.inf).max(axis=tuple(range(-rank, 0)))


def avg_pool(arguments: Arguments) -> Array:
    """Average each window; padding counts as zeros, or not at all if it is excluded."""
    x, axes = arguments["x"], tuple(range(-len(arguments["kernel_sizes"]), 0))
    total = _pool(arguments, x, 0.0).sum(axis=axes)
    if arguments.get("exclude_padding_from_average"):
        return total / _pool(arguments, np.ones_like(x), 0.0).sum(axis=axes)
    return total / np.float32(np.prod(arguments["kernel_sizes"]))


def concat(arguments: Arguments) -> Array:
    """Join arrays along an axis."""
    if arguments.get("interleave"):
        raise CheckError("parity cannot execute a concat with interleave")
    return np.concatenate(arguments["values"], axis=int(arguments["axis"]))


def cast(arguments: Arguments) -> Array:
    """Cast to integers or bool; between floats the caller rounds, or does not."""
    dtype = str(arguments["dtype"])
    kinds = {"fp16": np.float32, "fp32": np.float32, "int32": np.int32, "bool": np.bool_}
    if dtype not in kinds:
        raise CheckError(f"parity cannot execute a cast to {dtype}")
    return np.asarray(arguments["x"]).astype(kinds[dtype])


OPERATIONS: dict[str, Callable[[Arguments], Array]] = {
    "add": lambda a: np.asarray(a["x"] + a["y"]),
    "avg_pool": avg_pool,
    "cast": cast,
    "concat": concat,
    "conv": conv,
    "exp": lambda a: np.exp(a["x"]),
    "max_pool": max_pool,
    "mul": lambda a: np.asarray(a["x"] * a["y"]),
    "relu": lambda a: np.maximum(a["x"], np.float32(0)),
}
