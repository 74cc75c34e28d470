"""Heads through coremltools' MIL builder: where the templates come from, and what proves them."""

from __future__ import annotations

from typing import Any

import numpy as np

from eyecli.coreml import proto
from eyecli.coreml.heads.forms import Floats, Head, Hidden, Quadratic, Rbf
from eyecli.coreml.heads.half import half
from eyecli.coreml.heads.programs import PROGRAMS, program_of
from eyecli.lazy import coremltools


class Builder:
    """The operations as MIL's builder makes them."""

    def __init__(self) -> None:
        from coremltools.converters.mil import Builder as mb  # noqa: N813

        self.mil = mb

    def shift(self, x: Any, by: np.ndarray, name: str) -> Any:
        """Add a constant to every channel."""
        return self.mil.add(x=x, y=half(by, name).reshape(1, -1, 1, 1), name=name)

    def scale(self, x: Any, by: np.ndarray, name: str) -> Any:
        """Multiply every channel by a constant."""
        return self.mil.mul(x=x, y=half(by, name).reshape(1, -1, 1, 1), name=name)

    def mul(self, x: Any, y: Any, name: str) -> Any:
        """Multiply two tensors."""
        return self.mil.mul(x=x, y=y, name=name)

    def conv(self, x: Any, weight: np.ndarray, bias: np.ndarray | None, name: str) -> Any:
        """Convolve with a 1x1 kernel."""
        weights = {"weight": half(weight, f"{name} weight")[:, :, None, None]}
        if bias is not None:
            weights["bias"] = half(bias, f"{name} bias")
        return self.mil.conv(x=x, **weights, pad_type="valid", name=name)

    def concat(self, values: tuple[Any, ...], name: str) -> Any:
        """Join channels."""
        return self.mil.concat(values=values, axis=1, name=name)

    def exp(self, x: Any, name: str) -> Any:
        """Exponential function."""
        return self.mil.exp(x=x, name=name)

    def relu(self, x: Any, name: str) -> Any:
        """Positive part."""
        return self.mil.relu(x=x, name=name)


def build_head(head: Head) -> Any:
    """Build and convert a head.

    Parameters
    ----------
    head
        Of any kind.

    Returns
    -------
    coremltools.models.MLModel
        The converted model, for iOS 16.
    """
    ct = coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    shapes = ((1, 2, 1, 1), (1, head.dims, 1, 1))
    specs = [mb.TensorSpec(shape, dtype=types.fp16) for shape in shapes]

    @mb.program(input_specs=specs, opset_version=ct.target.iOS16)
    def program(gaze: Any, embedding: Any) -> Any:
        return PROGRAMS[program_of(head)](Builder(), head, gaze, embedding)

    return ct.convert(
        program,
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT16,
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )


def example(name: str) -> Head:
    """Return a small head of a program, in which no constant is one that a converter drops."""
    dims, units = 8, 12

    def values(*shape: int) -> Floats:
        return np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape)

    if name == "linear":
        return Head("ridge", np.zeros((2, 2 + dims)), np.zeros(2))
    if name == "quadratic":
        form = Quadratic(dims, values(2), 4.0 * values(2))
        return Head("quadratic", values(2, 7), np.zeros(2), features=form)
    if name == "rbf":
        kernels = Rbf(values(dims), 2.0 * values(dims), values(units, dims))
        return Head("rbf", values(2, 2 + units), np.zeros(2), features=kernels)
    layer = Hidden(values(2 + dims), values(units, 2 + dims), values(units))
    return Head("mlp", values(2, 2 + units), np.zeros(2), features=layer)


def build_template(name: str) -> bytes:
    """Make the content of a template file anew."""
    return proto.serialise(build_head(example(name)).get_spec())


def write_templates() -> None:
    """Write all template files anew, for a new version of coremltools."""
    from eyecli.coreml.heads.template import template_file

    for name in PROGRAMS:
        template_file(name).write_bytes(build_template(name))
