"""Settings of every task's training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eyecli.errors import UsageError
from eyecli.settings import setting


@dataclass(frozen=True)
class TrainSettings:
    """Settings of every task's training; tasks set their defaults and add their own."""

    epochs: int = setting(150, "Passes over the train part.")
    batch_size: int = setting(32, "Samples a step.")
    learning_rate: float = setting(2e-3, "Peak rate of Adam; cosine schedule with warm-up.")
    seed: int = setting(0, "Seed of weights, order and augmentation.")
    fold: int = setting(-1, "Train this partition of the split only; -1 trains all.")

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if value < least:
                raise UsageError(f"--{name.replace('_', '-')} {value}", f"use {least} or more")
        if not 0 < self.learning_rate < 1e6:
            raise UsageError(f"--learning-rate {self.learning_rate:g}", "use more than 0")

    def result_params(self) -> dict[str, Any]:
        """Return the fields that can change the result."""
        return {name: value for name, value in asdict(self).items() if name != "fold"}
