"""Learning-rate schedules and the optimizer that follows them."""

from __future__ import annotations

from typing import Any

import keras

from eyecli.training.settings import TrainSettings

# The rate climbs over this share of the updates, then falls to zero.
WARMUP = 0.05


class WarmLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Climb from zero to a peak, then fall to zero, both in a straight line."""

    def __init__(self, peak: float, warm: int, updates: int) -> None:
        self.peak = peak
        self.warm = warm
        self.updates = updates

    def __call__(self, step: Any) -> Any:
        """Return the rate of an update."""
        step = keras.ops.cast(step, "float32")
        up = step / self.warm
        down = (self.updates - step) / max(1, self.updates - self.warm)
        return self.peak * keras.ops.clip(keras.ops.minimum(up, down), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"peak": self.peak, "warm": self.warm, "updates": self.updates}


def learning_rate(settings: TrainSettings, updates: int) -> Any:
    """Return the rate over so many updates, as Keras' optimizers take it."""
    peak, warm = settings.peak_rate, max(1, int(WARMUP * updates))
    if settings.schedule == "constant":
        return peak
    if settings.schedule == "linear":
        return WarmLinear(peak, warm, updates)
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, updates - warm), warmup_target=peak, warmup_steps=warm
    )


def optimizer(settings: TrainSettings, batches: int) -> keras.Optimizer:
    """Return Adam (Kingma and Ba 2015) for so many batches, as the settings want it."""
    made = keras.optimizers.Adam(
        learning_rate(settings, max(1, batches // settings.accumulate)),
        use_ema=settings.ema > 0,
        # Keras averages after every batch, and the weights change only after some.
        ema_momentum=settings.ema ** (1 / settings.accumulate) or 0.99,
        gradient_accumulation_steps=settings.accumulate if settings.accumulate > 1 else None,
    )
    if settings.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(made)
    return made
