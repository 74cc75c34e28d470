"""The gallery beside predictions, made while the networks are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.evaluation.gallery import write_gallery
from eyecli.training.model import load_fold, read_facts
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import pandas as pd


def explain_some(
    folder: Path,
    tools: Any,
    data: Prepared,
    table: pd.DataFrame,
    embedding: np.ndarray,
    model: Artifact,
) -> None:
    """Write what spoke for the answers to some test rows, if the task tells.

    Parameters
    ----------
    folder
        Of the predictions.
    tools
        What the task supplies to train; with ``explain`` it tells.
    data, table, embedding
        What was predicted, the predictions, and the embedding of each row.
    model
        What predicted them.
    """
    if not hasattr(tools, "explain") or not (table["part"] == "test").any():
        return
    write_gallery(
        folder,
        *tools.explain(
            data, table, embedding, model.manifest.params, tools.scale,
            lambda partition: (load_fold(model, partition), read_facts(model, partition)),
        ),
    )  # fmt: skip
