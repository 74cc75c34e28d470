"""Settings of every task's training."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from eyecli.errors import UsageError
from eyecli.settings import setting

# They say when a training stops or how much of it is run, not what comes out.
WITHOUT_EFFECT = ("fold", "max_time", "checkpoint_minutes")
# Came later than the first models: at their defaults they do not show, so that what was trained
# before is found again.
LATER = (
    "pretrained", "weights", "trainable", "backbone",
    "loss", "balance", "progressive", "test_views", "fusion", "enhance",
)  # fmt: skip
# What a 32-bit integer holds; beyond it TensorFlow, and no training, goes.
MOST = 2**31 - 1
# Peak rates of Adam: of a new network, and from pretrained weights.
NEW_RATE, PRETRAINED_RATE = 2e-3, 1e-4
UNITS = {"h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True)
class TrainSettings:
    """Settings of every task's training; tasks set their defaults and add their own."""

    epochs: int = setting(150, "Passes over the train part.")
    batch_size: int = setting(32, "Samples a step.")
    learning_rate: float = setting(
        0.0,
        "Peak rate of Adam; 0 takes the usual one, which is lower from pretrained weights.",
    )
    schedule: Literal["cosine", "linear", "constant"] = setting(
        "cosine", "How the rate falls to zero, after a warm-up; or constant."
    )
    accumulate: int = setting(1, "Batches whose gradients are averaged into one update.")
    ema: float = setting(
        0.0,
        "Momentum, per update, of an average of the weights, such as 0.999, which is what is kept.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = setting(
        "float32", "Precision of the training steps; weights and the model stay float32."
    )
    patience: int = setting(
        0, "Stop after so many epochs without a better validation loss, and keep the best; 0: off."
    )
    keep: Literal["last", "best"] = setting(
        "last", "Weights of the last epoch, or of the one with the best validation loss."
    )
    seed: int = setting(0, "Seed of weights, order and augmentation.")
    fold: int = setting(-1, "Train this partition of the split only; -1 trains all.")
    max_time: str = setting(
        "0", "Stop with a checkpoint after this time (1h30m, 90m, 3600s); run again to go on."
    )
    checkpoint_minutes: float = setting(
        5.0, "Minutes between checkpoints; 0 writes one after every batch."
    )
    pretrained: bool = setting(
        False, "Start from the backbone's usual weights, which `fetch weights` brought before."
    )
    weights: str = setting(
        "", "Start from other weights of the workspace, by name, such as efficientnet-lite0; none."
    )
    trainable: Literal["all", "head"] = setting(
        "all", "With pretrained weights: train all layers, or those behind the backbone only."
    )

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch_size": 1, "seed": 0, "accumulate": 1, "patience": 0}
        for name, least_value in least.items():
            value = getattr(self, name)
            if value < least_value:
                raise UsageError(f"--{_dashed(name)} {value}", f"use {least_value} or more")
            if value > MOST:
                raise UsageError(f"--{_dashed(name)} {value}", f"use {MOST} or less")
        if not 0 <= self.learning_rate < 1e6:
            raise UsageError(
                f"--learning-rate {self.learning_rate:g}",
                "use less than 1000000, or 0 for the usual one",
            )
        if not 0 <= self.ema < 1:
            raise UsageError(f"--ema {self.ema:g}", "use 0 (off), or less than 1, such as 0.999")
        if not 0 <= self.checkpoint_minutes < math.inf:
            raise UsageError(
                f"--checkpoint-minutes {self.checkpoint_minutes:g}", "use 0 or a number of minutes"
            )
        seconds(self.max_time)

    @property
    def default_weights(self) -> str:
        """Name of the weights that ``--pretrained`` means.

        Raises
        ------
        UsageError
            If the backbone has none.
        """
        raise UsageError("--pretrained: this network has no pretrained weights", "leave it out")

    @property
    def start(self) -> str | None:
        """Name of the weights that the training starts from, or None.

        Raises
        ------
        UsageError
            If the backbone takes none, or settings do not go together.
        """
        if self.pretrained and self.weights == "none":
            raise UsageError("--pretrained with --weights none", "leave one of them out")
        if self.pretrained or self.weights not in ("", "none"):
            usual = self.default_weights
            return self.weights or usual
        if self.trainable == "head":
            raise UsageError("--trainable head without pretrained weights", "add --pretrained")
        return None

    @property
    def peak_rate(self) -> float:
        """The peak rate of Adam: as set, or the usual one.

        At the rate of a new network steps undo what pretrained weights know before the rest has
        learned to use it.
        """
        return self.learning_rate or (PRETRAINED_RATE if self.start else NEW_RATE)

    @property
    def keeps_best(self) -> bool:
        """Whether the weights of the best validation epoch are kept."""
        return self.keep == "best" or self.patience > 0

    def result_params(self) -> dict[str, Any]:
        """Return the settings that can change what a training gives."""
        params = asdict(self) | {
            "pretrained": False, "weights": self.start or "", "learning_rate": self.peak_rate
        }  # fmt: skip
        plain = {entry.name: entry.default for entry in fields(self)}
        return {
            key: value
            for key, value in params.items()
            if key not in WITHOUT_EFFECT and not (key in LATER and value == plain[key])
        }


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def seconds(text: str) -> int:
    """Read ``1h30m``, ``90m``, ``3600s`` or plain seconds; 0 means no limit.

    Raises
    ------
    UsageError
        If it is anything else.
    """
    found = re.fullmatch(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s?)?", text.strip())
    if not found or not any(found.groups()):
        raise UsageError(f"--max-time '{text}' is no time", "write 1h30m, 90m or 3600s")
    return sum(int(n or 0) * unit for n, unit in zip(found.groups(), UNITS.values(), strict=True))
