"""Files of pretrained weights: ``.pth``, ``.pt`` and ``.safetensors``, read without PyTorch.

Nothing is unpickled, so a file that would run code is refused by what it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.errors import DataError
from eyecli.weights.safetensors_file import looks_like_safetensors, read_safetensors
from eyecli.weights.tensors import MOST, Block, Blocks, Tensor
from eyecli.weights.torch_file import ZIP, looks_like_legacy, read_legacy, read_zip

# Under which names trainings put the weights beside their optimizer, epoch and so on.
WEIGHTS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights",
           "params")  # fmt: skip
# How deep dicts of tensors may lie in each other.
DEPTH = 16
LONGEST_NAME = 1000
FORMATS = ".pth and .pt of PyTorch, and .safetensors"
# First bytes of files that are taken for weights.
OTHERS = {
    b"\x89HDF": "a HDF5 file, such as Keras's .h5",
    b"version https://git-lfs": "a pointer of git-lfs, not the file: `git lfs pull`",
    b"<": "a web page or XML",
}


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file of weights, by their names in it.

    The format is told by content. Where the file is a dict with an entry of `WEIGHTS` that holds
    tensors, the tensors are those in it (``{"state_dict": {...}, "epoch": 3}``); otherwise all
    there are. Names of dicts and indices of lists in each other are joined by dots; prefixes such
    as ``module.`` stay. What lies in two places of a file counts in the first. A file of one
    tensor alone gives it the name ``""``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        Name to array in the order of the file: read-only views of the memory-mapped file, in the
        type that they were saved in, bfloat16 as float32 (exact).

    Raises
    ------
    DataError
        If the file is damaged, of another format, without tensors, or holds more than tensors,
        numbers, strings, lists and dicts: the first such thing is named, and nothing is run.
    """
    try:
        found, blocks = _read(path)
        views = Blocks(path, blocks)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    arrays: dict[str, np.ndarray] = {}
    for name, tensor in _tensors(_weights(found), path):
        if name in arrays:
            raise DataError(f"{path}: two tensors are named {name[:80]!a}")
        arrays[name] = views.array(tensor, ascii(name)[1:-1][:80])
    if not arrays:
        raise DataError(f"{path}: no tensors in it")
    return arrays


def _read(path: Path) -> tuple[object, dict[str, Block]]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(64)
    if head.startswith(ZIP):
        return read_zip(path)
    if looks_like_legacy(head):
        return read_legacy(path)
    if looks_like_safetensors(head, size):
        return read_safetensors(path)
    what = next((what for start, what in OTHERS.items() if head.startswith(start)), "")
    raise DataError(
        f"{path}: {what or 'empty' if not size else what or 'no known file of weights'}",
        f"known: {FORMATS}",
    )


def _weights(found: object) -> object:
    """Return the part of a training's checkpoint that is the weights."""
    for _ in range(DEPTH):
        entries = found if isinstance(found, dict) else {}
        inner = next((entries[key] for key in WEIGHTS if _holds_tensors(entries.get(key))), None)
        if inner is None:
            break
        found = inner
    return found


def _holds_tensors(entry: object) -> bool:
    return isinstance(entry, dict) and any(isinstance(v, Tensor | dict) for v in entry.values())


def _tensors(found: object, path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in dicts and lists in each other, with their names.

    What is in two places of the file counts in the first.
    """
    # Few bytes in a file may repeat one tensor, or one long name, a million times.
    seen: set[int] = set()
    count = 0
    waiting: list[tuple[str, int, Any]] = (
        [("", 0, found)] if isinstance(found, Tensor | dict | list | tuple) else []
    )
    while waiting:
        name, depth, value = waiting.pop()
        if isinstance(value, Tensor):
            yield name, value
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        if depth > DEPTH:
            raise DataError(f"{path}: dicts and lists in each other deeper than weights are")
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        inside = []
        for key, part in pairs:
            if not isinstance(part, Tensor | dict | list | tuple):
                continue
            count += 1
            if count > MOST:
                raise DataError(f"{path}: more than {MOST} tensors, dicts and lists in it")
            inner = f"{name}.{key}" if depth else str(key)
            if len(inner) > LONGEST_NAME:
                raise DataError(
                    f"{path}: the name {inner[:80]!a}... has more than {LONGEST_NAME} characters"
                )
            inside.append((inner, depth + 1, part))
        waiting += reversed(inside)
