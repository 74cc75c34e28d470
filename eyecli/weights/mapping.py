"""From a checkpoint's tensors to the variables of Keras layers, with a report of what fitted.

Nothing here imports Keras: layers are known by the name of their class and their variables.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.errors import CheckError

log = logging.getLogger(__name__)

LEAST = 0.9
MOST_NAMED = 6
# What PyTorch calls the variables of Keras.
VARIABLES = {
    "kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip
# Keras's order of the axes of PyTorch's kernels.
AXES = {
    "Conv1D": (2, 1, 0), "Conv2D": (2, 3, 1, 0), "Conv3D": (2, 3, 4, 1, 0),
    "DepthwiseConv2D": (2, 3, 0, 1), "Dense": (1, 0),
}  # fmt: skip
# PyTorch counts batches; Keras has no variable for it, and nothing depends on it.
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Report:
    """What of a checkpoint fitted into a network.

    Attributes
    ----------
    source
        What was read.
    matched
        Tensors that are in both, in one shape.
    missing
        Tensors of the network that the file does not have.
    unexpected
        Tensors of the file that the network does not have.
    mismatched
        Tensors of another shape, with both shapes in Keras's order of axes.
    left_out
        Tensors of the file that were not wanted, those of its classifier for example; they do
        not count.
    """

    source: str
    matched: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Number of tensors that could have matched."""
        return len(self.matched) + len(self.missing) + len(self.unexpected) + len(self.mismatched)

    @property
    def enough(self) -> bool:
        """Whether the network may count as pretrained."""
        return bool(self.matched) and len(self.matched) >= LEAST * self.total

    def lines(self) -> list[str]:
        """Say it in a line, and one more for each kind of tensor that did not fit."""
        rest = (
            ("missing in the file", self.missing),
            ("unexpected in the file", self.unexpected),
            ("of another shape", self.mismatched),
        )
        aside = f", {len(self.left_out)} left out" if self.left_out else ""
        return [
            f"{self.source}: {len(self.matched)} of {self.total} tensors matched{aside}",
            *(
                f"{self.source}: {len(names)} {kind}: {_some(names)}"
                for kind, names in rest
                if names
            ),
        ]

    def facts(self) -> dict[str, Any]:
        """Return it for a manifest."""
        return {
            "source": self.source,
            "matched": len(self.matched),
            "total": self.total,
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
            "mismatched": list(self.mismatched),
            "left_out": len(self.left_out),
        }


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def strip(prefix: str) -> Callable[[str], str]:
    """Return a function that takes a prefix off the names that have it.

    ``module.`` is what PyTorch's ``DataParallel`` puts before every name.
    """
    return lambda name: name.removeprefix(prefix)


def load_into(
    layers: Iterable[Any],
    arrays: Mapping[str, np.ndarray],
    key: Callable[[str], str | None],
    source: str,
    rename: Callable[[str], str] = str,
    left_out: tuple[str, ...] = (),
) -> Report:
    """Fill Keras layers from a checkpoint of PyTorch, all that fits or nothing.

    Parameters
    ----------
    layers
        Of a Keras model, those that the checkpoint is for; others may be among them.
    arrays
        Name to array, in PyTorch's order of axes.
    key
        From a layer and PyTorch's name of a variable, ``block3_conv.weight``, to the name in the
        checkpoint; None for what no checkpoint has.
    source
        What to call the checkpoint in the report.
    rename
        Applied to the names of the file first.
    left_out
        How the names of tensors start that the network does without.

    Returns
    -------
    Report
        It is written to the log, too.

    Raises
    ------
    CheckError
        If less than nine in ten of the tensors of file and network together match: nothing is
        assigned then, for a network that is filled in part trains as if it were new.
    """
    there = {rename(name): array for name, array in arrays.items()}
    aside = {name for name in there if name.startswith(left_out)} if left_out else set()
    matched: dict[str, tuple[Any, np.ndarray]] = {}
    counters, missing, mismatched = [], [], {}
    for name, variable, axes in _wanted(layers, key):
        array = there.get(name)
        if variable is None:
            counters += [name] if array is not None else []
        elif array is None:
            missing.append(name)
        else:
            turned = array.transpose(axes) if len(axes) == array.ndim else array
            if turned.shape == tuple(variable.shape):
                matched[name] = (variable, turned)
            else:
                shapes = f"{turned.shape} in the file, {tuple(variable.shape)} here"
                mismatched[name] = f"{name} {shapes}"
    known = aside | {*matched, *counters, *mismatched}
    report = Report(
        source, (*matched, *counters), tuple(missing),
        tuple(name for name in there if name not in known), tuple(mismatched.values()),
        tuple(name for name in there if name in aside),
    )  # fmt: skip
    _require(report)
    for variable, array in matched.values():
        variable.assign(np.ascontiguousarray(array, np.float32))
    return report


def _wanted(
    layers: Iterable[Any], key: Callable[[str], str | None]
) -> Iterator[tuple[str, Any, tuple[int, ...]]]:
    """Yield the name in the checkpoint, the variable (None for a counter) and the axes."""
    for layer in layers:
        kind = type(layer).__name__
        for variable in layer.weights:
            name = key(f"{layer.name}.{VARIABLES.get(variable.name, variable.name)}")
            if name is not None:
                yield name, variable, AXES[kind] if variable.name == "kernel" else ()
        counter = key(f"{layer.name}.{COUNTER}") if kind == "BatchNormalization" else None
        if counter is not None:
            yield counter, None, ()


def _require(report: Report) -> None:
    """Log a report; raise `CheckError` if too little matched."""
    for line in report.lines():
        log.log(logging.INFO if report.enough else logging.ERROR, "%s", line)
    if report.enough:
        return
    hint = None
    if report.missing and report.unexpected:
        hint = f"the network has {report.missing[0]}, the file {report.unexpected[0]}"
    raise CheckError(
        f"{report.source}: {len(report.matched)} of {report.total} tensors matched, fewer than "
        f"{LEAST:.0%}: nothing was loaded",
        hint,
    )


def load_keras_file(model: Any, path: Path) -> Report:
    """Fill a Keras model from a file of Keras, ``.weights.h5`` or the older ``.h5``.

    Keras reads it and knows its layers by their order: it takes all or raises.

    Returns
    -------
    Report
        Every variable of the model, matched.

    Raises
    ------
    CheckError
        If the file is not of this network; the model is as it was.
    """
    before = model.get_weights()
    try:
        with warnings.catch_warnings():
            # Keras would leave such layers as they were drawn.
            warnings.filterwarnings("error", "Skipping nested container")
            model.load_weights(path)
    except (OSError, ValueError, TypeError, KeyError, UserWarning) as error:
        model.set_weights(before)
        text = str(error).strip().partition("\n")[0]
        raise CheckError(f"{path.name} does not fit {model.name}: {text}") from error
    report = Report(path.name, tuple(variable.path for variable in model.weights))
    _require(report)
    return report
