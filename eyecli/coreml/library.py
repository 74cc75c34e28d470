"""Calls of coremltools: without its chatter, with errors of ours, and their results on disk."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eyecli.coreml import package, proto
from eyecli.errors import EyecliError


@contextlib.contextmanager
def asking(doing: str, hint: str) -> Iterator[None]:
    """Silence coremltools and turn whatever it raises into one line.

    Parameters
    ----------
    doing
        What it may refuse to do, such as ``convert gaze_net``.
    hint
        What to do then.

    Raises
    ------
    EyecliError
        With the first line of coremltools' own reason; our own errors pass.
    """
    chatter = io.StringIO()
    try:
        with contextlib.redirect_stdout(chatter), contextlib.redirect_stderr(chatter):
            yield
    except EyecliError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EyecliError(f"coremltools cannot {doing}: {reason}", hint) from error


def save(path: Path, spec: Any, weights_dir: str) -> Path:
    """Write a model of coremltools as a package; the same model gives the same bytes.

    Parameters
    ----------
    path
        The `.mlpackage` folder to make.
    spec
        The protobuf message `Model`.
    weights_dir
        The folder in which coremltools keeps its ``weight.bin``, if there is one.
    """
    weights = Path(weights_dir) / "weight.bin"
    blob = weights.read_bytes() if weights.is_file() else None
    return package.write(path, proto.serialise(spec), blob)
