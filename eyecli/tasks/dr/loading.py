"""What becomes of stored photographs before a network sees them: ``train dr --enhance``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from eyecli.tasks.dr.extraction import enhance


def enhanced(arrays: dict[str, np.ndarray], facts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Enhance stored photographs, as ``preprocess dr --enhance`` would have done.

    Training enhances first and changes at random then: the fundus is where the mean is subtracted
    and the border cut off around the middle only as long as nothing has moved it, and so both ways
    to enhance train the same model.

    Parameters
    ----------
    arrays
        Name to (n, size, size, 3) uint8.
    facts
        Of the fold; those of models from before it have no ``enhance``.

    Returns
    -------
    dict
        As `arrays`.
    """
    how = facts.get("enhance", "none")
    if how == "none":
        return arrays
    return {name: np.stack([enhance(one, how) for one in many]) for name, many in arrays.items()}
