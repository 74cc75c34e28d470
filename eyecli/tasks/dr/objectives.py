"""What each ``--loss`` asks of the network: how many outputs, and what they are judged by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from eyecli.tasks.dr.grading import Loss
from eyecli.training.ordinal import corn_loss


def outputs(loss: Loss, boundaries: int) -> int:
    """Return how many logits a network has for so many boundaries between classes."""
    return {"cross-entropy": boundaries + 1, "mse": 1}.get(loss, boundaries)


def objective(loss: Loss) -> Callable[[Any, Any], Any]:
    """Return the loss of each sample.

    Returns
    -------
    callable
        From targets (n, 1, 1, b + 1), whether the class reaches each of b boundaries and the
        sample's weight, and logits (n, 1, 1, `outputs`) to losses (n, 1, 1).
    """
    plain = LOSSES[loss]

    def weighted(targets: Any, logits: Any) -> Any:
        return targets[..., -1] * plain(targets[..., :-1], logits)

    return weighted


def _cumulative(yes: Any, logits: Any) -> Any:
    """Mean log loss of a question a boundary (Frank and Hall 2001)."""
    return keras.losses.binary_crossentropy(yes, logits, from_logits=True)


def _cross_entropy(yes: Any, logits: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(
        ops.sum(yes, axis=-1), logits, from_logits=True
    )


def _squared(yes: Any, score: Any) -> Any:
    return ops.square(score[..., 0] - ops.sum(yes, axis=-1))


def _corn(yes: Any, logits: Any) -> Any:
    return corn_loss(logits.shape[-1] + 1)(ops.sum(yes, axis=-1, keepdims=True), logits)


LOSSES: dict[Loss, Callable[[Any, Any], Any]] = {
    "cumulative": _cumulative, "cross-entropy": _cross_entropy, "mse": _squared, "corn": _corn,
}  # fmt: skip
