"""A function of a program, prepared once: constants rounded, values freed after their last use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eyecli.coreml.interpreter.inferred import INFERRED, infer
from eyecli.coreml.interpreter.operations import CONTROL, EXECUTABLE, OPERATIONS
from eyecli.coreml.interpreter.rounding import real
from eyecli.errors import CheckError

# Factors of sizes stay as they are written: rounding them would change a shape.
EXACT = frozenset({"scale_factor_height", "scale_factor_width"})
Values = dict[Any, Any]


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes
    ----------
    op
        The PyMIL operation.
    constants
        Its inputs that are constant, by name, ready for use.
    variables
        The others: the `Var`, or a list of `Var`.
    blocks
        Its nested blocks.
    done
        Values that nothing needs afterwards.
    """

    op: Any
    constants: Mapping[str, Any]
    variables: Mapping[str, Any]
    blocks: Sequence[Plan]
    done: Sequence[Any]


@dataclass(frozen=True)
class Plan:
    """The operations of a block, and which values it takes and gives."""

    inputs: Sequence[Any]
    outputs: Sequence[Any]
    steps: Sequence[Step]
    half: bool


def prepare(block: Any, half: bool, constants: Values, keep: Iterable[Any] = ()) -> Plan:
    """Prepare a block for many executions.

    Operations of nothing but constants, among them all decompression of weights, are executed
    here.

    Parameters
    ----------
    block
        The PyMIL function, or a nested block.
    half
        Emulate float16, see `eyecli.coreml.interpreter.rounding`.
    constants
        The constants that are known so far; those of this block are added.
    keep
        Values that are wanted besides the block's outputs.

    Returns
    -------
    Plan
        Ready for `execute`.

    Raises
    ------
    CheckError
        If the block, or one inside it, holds an operation that is not known here.
    """
    steps: list[Step] = []
    for op in block.operations:
        if op.op_type not in EXECUTABLE:
            raise CheckError(
                f"parity cannot execute the operation {op.op_type} ({op.name})",
                f"{len(EXECUTABLE)} others are known; build the model without it",
            )
        if op.op_type == "const":
            continue
        fixed, free = {}, {}
        for name, given in op.inputs.items():
            rounded = half and name not in EXACT
            known = {
                v: _value(v, constants, rounded) for v in _flat(given) if _constant(v, constants)
            }
            if all(v in known for v in _flat(given)):
                fixed[name] = _map(given, known)
            else:
                free[name] = given
        blocks = [prepare(b, half, constants) for b in op.blocks]
        step = Step(op, fixed, free, blocks, ())
        if free or blocks:
            steps.append(step)
        else:
            constants.update(_run(step, {}, half))
    inputs = block.inputs
    inputs = list(inputs.values() if isinstance(inputs, Mapping) else inputs)
    # A constant that is given back, or wanted, was not asked for before.
    outputs = list(block.outputs)
    for var in [*outputs, *keep]:
        if _constant(var, constants):
            _value(var, constants, half)
    return Plan(inputs, outputs, _freeing(steps, {*outputs, *keep}), half)


def _flat(given: Any) -> Sequence[Any]:
    return given if isinstance(given, tuple | list) else [given]


def _map(given: Any, values: Mapping[Any, Any]) -> Any:
    return [values[v] for v in given] if isinstance(given, tuple | list) else values[given]


def _constant(var: Any, constants: Values) -> bool:
    return var in constants or (var.op is not None and var.op.op_type == "const")


def _value(var: Any, constants: Values, half: bool) -> Any:
    """Give a constant, rounded once however many operations share it."""
    if var not in constants:
        constants[var] = real(var.val, half)
    return constants[var]


def _freeing(steps: list[Step], wanted: set[Any]) -> list[Step]:
    """Note for each step which of this block's values it is the last to use."""
    own = {var for step in steps for var in step.op.outputs}
    used, result = set(wanted), []
    for step in reversed(steps):
        needed = {*_uses(step), *step.op.outputs} & own
        done = list(needed - used)
        used |= needed
        result.append(Step(step.op, step.constants, step.variables, step.blocks, done))
    return result[::-1]


def _uses(step: Step) -> Iterator[Any]:
    for given in step.variables.values():
        yield from _flat(given)
    for block in step.blocks:
        yield from block.outputs
        for inner in block.steps:
            yield from _uses(inner)


def execute(plan: Plan, values: Values) -> None:
    """Execute a plan.

    Parameters
    ----------
    plan
        As of `prepare`.
    values
        The constants and the inputs, by `Var`; the outputs and what was to be kept are added.
    """
    for step in plan.steps:
        values.update(_run(step, values, plan.half))
        for var in step.done:
            del values[var]


def _run(step: Step, values: Values, half: bool) -> Values:
    given = {k: _map(v, values) for k, v in step.variables.items()}
    try:
        result = _result(step, {**step.constants, **given}, values)
    except (ArithmeticError, CheckError, LookupError, TypeError, ValueError) as error:
        op = step.op
        raise CheckError(
            f"parity cannot execute the operation {op.op_type} ({op.name}): {error}"
        ) from error
    results = result if isinstance(result, tuple) else (result,)
    return {v: real(r, half) for v, r in zip(step.op.outputs, results, strict=True)}


def _result(step: Step, arguments: Mapping[str, Any], values: Values) -> Any:
    kind = step.op.op_type
    if kind in CONTROL:
        return _control(step, arguments, values)
    return infer(step.op, arguments) if kind in INFERRED else OPERATIONS[kind](arguments)


def _control(step: Step, arguments: Mapping[str, Any], values: Values) -> tuple[Any, ...]:
    if step.op.op_type == "cond":
        return _nested(step.blocks[0 if arguments["pred"] else 1], (), values)
    condition, body = step.blocks
    carried = tuple(arguments["loop_vars"])
    while _nested(condition, carried, values)[0]:
        carried = _nested(body, carried, values)
    return carried


def _nested(plan: Plan, inputs: Sequence[Any], values: Values) -> tuple[Any, ...]:
    """Execute a block that sees the values around it."""
    values.update(zip(plan.inputs, inputs, strict=True))
    execute(plan, values)
    return tuple(values[var] for var in plan.outputs)
