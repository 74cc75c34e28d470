"""Names that others chose for files: made safe, so that nothing lands outside the folder."""

from __future__ import annotations

from pathlib import PurePosixPath

# Below the 255 bytes of file systems, with room for what partial files are called.
LONGEST = 200


def safe_name(name: str) -> str:
    """Return a name for a file in a folder: no separator, not hidden, none that moves upwards.

    Parameters
    ----------
    name
        What a server calls it.

    Returns
    -------
    str
        The same for all but odd names; ``download`` where nothing is left.
    """
    kept = "".join("_" if c in "/\\" or not c.isprintable() else c for c in name.strip())
    # Hidden files are no data, see `eyecli.sources.tree.walk`.
    kept = kept.lstrip(".").strip() or "download"
    return _shorten(kept.encode(errors="replace").decode())


def _shorten(name: str) -> str:
    suffix = "".join(PurePosixPath(name).suffixes[-2:])
    suffix = suffix if len(suffix.encode()) <= LONGEST // 4 else ""
    room = LONGEST - len(suffix.encode())
    stem = name.removesuffix(suffix).encode()
    return stem[:room].decode(errors="ignore") + suffix


def readable(count: int) -> str:
    """Return a number of bytes for people, such as ``1.5 GB``."""
    if count < 1000:
        return f"{count} bytes"
    size = float(count)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"
