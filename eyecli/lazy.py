"""Heavy libraries without what they do not need: coremltools costs 0.6 s, 3 s with TensorFlow."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_tensorflow() -> Iterator[None]:
    """Hide TensorFlow from libraries that import it only if it is there.

    Where TensorFlow is loaded already there is nothing to save, and nothing is hidden.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if sys.modules.get("tensorflow") is None:
            sys.modules.pop("tensorflow", None)


def coremltools() -> Any:
    """Import coremltools whole, without TensorFlow unless that is loaded, and without its chatter.

    Returns
    -------
    module
        ``coremltools``; its logger reports errors only.
    """
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    known = sys.modules.get("coremltools._deps")
    if known is not None and "tensorflow" in sys.modules and not known._HAS_TF:
        # It looks for TensorFlow when it is first imported, and never again.
        for name in [m for m in sys.modules if m.partition(".")[0] == "coremltools"]:
            del sys.modules[name]
    with without_tensorflow():
        return importlib.import_module("coremltools")
