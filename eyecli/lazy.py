"""Heavy libraries without what they do not need.

coremltools costs 0.6 s, 2 s with scikit-learn, 4 s with TensorFlow as well.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Hide libraries from others that import them only if they are there.

    Where one is loaded already there is nothing to save, and it is not hidden.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)


def coremltools() -> Any:
    """Import coremltools whole, without its chatter, TensorFlow or scikit-learn.

    What of these two is loaded already stays. Models of scikit-learn are not converted anywhere.

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
    with without("tensorflow", "sklearn"):
        return importlib.import_module("coremltools")
