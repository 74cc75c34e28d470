"""A model together with its users' heads: one package, verified user by user."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eyecli.errors import DataError, UsageError
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import numpy as np

    from eyecli.coreml.parity import Agreement

Combination = Literal["functions", "pipeline"]
CALIBRATED = "gaze_calibrated"


@dataclass(frozen=True)
class Personal:
    """A user's head.

    Attributes
    ----------
    name
        The user, as the function is to be called.
    artifact, package
        Where it comes from, and its Core ML model.
    apply
        The head in float64: prediction (n, 2) and embedding (n, d) to calibrated gaze (n, 2).
    """

    name: str
    artifact: Artifact
    package: Path
    apply: Callable[[np.ndarray, np.ndarray], np.ndarray]


def require_one(heads: Sequence[Personal], how: Combination) -> None:
    """Refuse a pipeline of other than one head, and a user named twice, with a `UsageError`."""
    if how == "pipeline" and not heads:
        raise UsageError("--combine pipeline is for a user's head", "name one with --head")
    if how == "pipeline" and len(heads) > 1:
        raise UsageError(
            f"a pipeline takes one head, not {len(heads)}", "leave --combine pipeline out"
        )
    names = [head.name for head in heads]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"two heads of {twice[0]}", "name one of them, with its version")


def require_fit(heads: Sequence[Personal], digest: str, model: str) -> None:
    """Refuse heads of another network, before anything is converted.

    Parameters
    ----------
    heads
        The users' heads.
    digest
        The network's, see `eyecli.training.model.network_digest`.
    model
        The model and its fold, for the message.

    Raises
    ------
    DataError
        Naming the head.
    """
    from eyecli.mlprogram import read_coreml

    for head in heads:
        found = read_coreml(head.package).description.metadata.userDefined.get("model_digest", "")
        if found != digest:
            raise DataError(
                f"{head.artifact.ref} is for another network than {model}",
                "name the model and the fold that it was made for, or calibrate this user with "
                "this one",
            )


def add_heads(package: Path, heads: Sequence[Personal], how: Combination) -> None:
    """Replace a package by one that holds the users' heads as well.

    Parameters
    ----------
    package
        The model's `.mlpackage` folder.
    heads
        One head or more.
    how
        ``functions`` (one a user beside ``main``; iOS 18) or ``pipeline`` (the model, then the
        only head).
    """
    from eyecli.coreml.combine import write_functions, write_pipeline

    trunk = package.rename(package.with_name(f"trunk-{package.name}"))
    if how == "pipeline":
        write_pipeline(package, trunk, heads[0].package)
    else:
        write_functions(package, trunk, {head.name: head.package for head in heads})
    shutil.rmtree(trunk)


def compare_heads(
    network: Any,
    package: Path,
    contract: Any,
    samples: Mapping[str, np.ndarray],
    heads: Sequence[Personal],
    how: Combination,
) -> dict[str, Agreement]:
    """Run samples through every user's function, and through Keras and the head in float64.

    Parameters
    ----------
    network, package, contract, samples
        As for `eyecli.coreml.parity.compare`.
    heads, how
        As for `add_heads`.

    Returns
    -------
    dict of str to Agreement
        User to how far the calibrated gaze agrees, in emulated float16.

    Raises
    ------
    CheckError
        If a calibrated gaze is not finite.
    """
    import numpy as np

    from eyecli.coreml.combine import function_name
    from eyecli.coreml.interpreter import run
    from eyecli.coreml.parity import agreement, channels_first, reference

    values = reference(network, contract, samples)
    count = len(values["gaze"])
    base, embedding = (values[k].reshape(count, -1) for k in ("gaze", "embedding"))
    feed = {k: channels_first(np.asarray(v)) for k, v in samples.items()}
    found = {}
    for head in heads:
        function = "main" if how == "pipeline" else function_name(head.name)
        with np.errstate(over="ignore", invalid="ignore"):
            got = run(package, feed, half=True, function=function)[CALIBRATED].reshape(count, -1)
        found[head.name] = agreement(
            f"the calibrated gaze of {head.name}", head.apply(base, embedding), got,
            contract.outputs["gaze"],
        )  # fmt: skip
    return found
