"""Settings of every task's training."""

from __future__ import annotations

from dataclasses import dataclass

from eyecli.settings import setting


@dataclass(frozen=True)
class TrainSettings:
    """Settings of every task's training; tasks set their defaults and add their own."""

    epochs: int = setting(150, "Passes over the train part.")
    batch_size: int = setting(32, "Samples a step.")
    learning_rate: float = setting(2e-3, "Peak rate of Adam; cosine schedule with warm-up.")
    seed: int = setting(0, "Seed of weights, order and augmentation.")
    fold: int = setting(-1, "Train this partition of the split only; -1 trains all.")
