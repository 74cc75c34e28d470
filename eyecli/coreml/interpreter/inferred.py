"""Operations executed by coremltools' own value inference, where that is right."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from eyecli.coreml.interpreter.windows import Arguments
from eyecli.errors import CheckError

# Each was compared with NumPy, SciPy or TensorFlow (tests/coreml/interpreter). Those that are
# missing here though coremltools has them are executed by `rearranging` and `pointwise`, which say
# why.
INFERRED = frozenset((
    "abs", "acos", "add", "argsort", "asin", "atan", "atanh", "ceil", "clip", "cos", "cosh",
    "einsum", "elu", "equal", "exp", "exp2", "expand_dims", "flatten2d", "floor", "floor_div",
    "gather", "gather_along_axis", "greater", "greater_equal", "identity", "inverse", "l2_norm",
    "layer_norm", "leaky_relu", "less", "less_equal", "linear", "linear_activation", "log",
    "logical_and", "logical_not", "logical_or", "logical_xor", "matmul", "maximum", "minimum",
    "mod", "mul", "non_zero", "not_equal", "pad", "pow", "prelu", "real_div", "reduce_argmax",
    "reduce_argmin", "reduce_l1_norm", "reduce_l2_norm", "reduce_log_sum", "reduce_log_sum_exp",
    "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum", "reduce_sum_square",
    "relu", "relu6", "reverse", "round", "rsqrt", "scaled_dot_product_attention", "scaled_tanh",
    "select", "shape", "sigmoid", "sigmoid_hard", "sign", "sin", "sinh", "slice_by_size",
    "slice_update", "softmax", "softplus", "softsign", "split", "sqrt", "square", "stack",
    "sub", "tan", "tanh", "threshold", "tile", "topk", "transpose",
))  # fmt: skip


@dataclass(frozen=True)
class Held:
    """A value in the place of a `Var`: what value inferences ask of one, with concrete shapes."""

    val: Any

    @property
    def sym_val(self) -> Any:
        """The value, nothing in it is symbolic."""
        return self.val

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return np.shape(self.val)

    @property
    def rank(self) -> int:
        """Number of axes."""
        return np.ndim(self.val)

    @property
    def dtype(self) -> Any:
        """Type in coremltools' words: float32 for what is float16 in the program."""
        from coremltools.converters.mil.mil import types

        return types.numpy_type_to_builtin_type(np.asarray(self.val).dtype)

    @property
    def sym_type(self) -> Any:
        """Type with shape in coremltools' words."""
        from coremltools.converters.mil.mil import types

        return types.tensor(self.dtype, self.shape) if self.shape else self.dtype


def infer(op: Any, arguments: Arguments) -> Any:
    """Execute an operation by its value inference, on a copy that holds values.

    Parameters
    ----------
    op
        The PyMIL operation, left untouched.
    arguments
        Its inputs by name, arrays, scalars or lists of them.

    Returns
    -------
    numpy.ndarray or tuple of them
        As the value inference gives it.

    Raises
    ------
    CheckError
        If coremltools has no value inference for these inputs.
    """
    stand_in = copy.copy(op)
    held = {
        name: [Held(v) for v in value] if isinstance(value, list) else Held(value)
        for name, value in arguments.items()
    }
    stand_in._input_vars = {**op._input_vars, **held}
    vars(stand_in).update(held)
    try:
        result = stand_in.value_inference()
    except NotImplementedError:
        result = None
    if result is None:
        raise CheckError("coremltools has no value inference for such inputs")
    return result
