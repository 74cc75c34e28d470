"""Files of weights that tests write, and how they ask for fetched ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from eyecli.workspace.store import Artifact

Weights = Callable[[str], tuple[Artifact, Path]]


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write float32 arrays as a file of weights."""
    entries, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + 4 * array.size
        entries[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": (begin, end)}
    header = json.dumps(entries).encode()
    data = [np.ascontiguousarray(array, np.float32).tobytes() for array in arrays.values()]
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"".join(data))
