"""Room on the disk, asked for before a library writes that cannot say that there is none."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile


def require_space(folder: Path, size: int) -> None:
    """Reserve so many bytes in a folder and give them back.

    Raises
    ------
    OSError
        If the disk or the quota does not have them.
    """
    if hasattr(os, "posix_fallocate"):
        with TemporaryFile(dir=folder) as stream:
            os.posix_fallocate(stream.fileno(), 0, size)
