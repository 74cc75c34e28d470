"""Which code made an artifact: version, digest of the sources, git revision, libraries."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import subprocess
from pathlib import Path

import eyecli

PACKAGE = Path(eyecli.__file__).parent
# Libraries that can change a result; recorded, not part of the memo key.
LIBRARIES = (
    "coremltools",
    "jax",
    "keras",
    "mediapipe",
    "numpy",
    "opencv-python",
    "pandas",
    "scikit-image",
    "tensorflow",
)


@functools.cache
def code_version() -> str:
    """Package version and the sha256 of eyecli's own sources and templates: part of every memo key.

    Returns
    -------
    str
        ``<version>+<first 16 hexadecimal digits>``.
    """
    digest = hashlib.sha256()
    sources = (path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".j2"))
    for path in sorted(sources):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{eyecli.__version__}+{digest.hexdigest()[:16]}"


@functools.cache
def git_revision() -> str | None:
    """Revision of the checkout that eyecli runs from, ``-dirty`` if changed; None if installed."""
    if not (PACKAGE.parent / ".git").exists():
        return None
    command = ["git", "-C", str(PACKAGE.parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@functools.cache
def libraries() -> dict[str, str]:
    """Versions of the installed libraries that matter."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
