"""Settings of the gaze task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eyecli.errors import UsageError, suggest
from eyecli.settings import setting
from eyecli.training.settings import TrainSettings

if TYPE_CHECKING:
    from eyecli.data.prepared import Prepared
    from eyecli.data.split import Split

# Of the network, in its order.
INPUTS = ("face", "eyes", "boxes")
# Backbones with pretrained weights, which have their names.
PRETRAINED = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
# No clock is that far off, and no stimulus needs that long to settle.
LONGEST_MS = 60_000.0


@dataclass(frozen=True)
class GazePreprocess:
    """Settings of ``preprocess gaze``."""

    eye_size: int = setting(64, "Side of the eye crops in pixels.")
    face_size: int = setting(64, "Side of the face crops in pixels.")
    unit: Literal["px", "cm"] = setting(
        "px", "Unit of the targets: px from the screen's top left corner (y down), or cm."
    )
    screen_px: str = setting("", "Screen in pixels, such as 1366x768; checks targets.")
    screen_cm: str = setting("", "Screen in cm, such as 34.4x19.3; gives errors in cm.")
    distance_cm: float = setting(0.0, "Eye to screen in cm; with the screen gives degrees.")
    settle_ms: float = setting(
        500.0, "Video: frames left out after each stimulus' onset, while the eyes move to it."
    )
    clock_offset_ms: str = setting(
        "0", "Video: ms by which it lags its stimuli; auto takes the estimate of each session."
    )
    processes: int = setting(0, "Processes that look for faces; 0 for one a core.")

    def __post_init__(self) -> None:
        if not 0 <= self.settle_ms <= LONGEST_MS:
            raise UsageError(
                f"--settle-ms {self.settle_ms:g} is out of range", f"use 0 to {LONGEST_MS:g}"
            )
        if self.processes < 0:
            raise UsageError(f"--processes {self.processes} is below 0", "use 0 for one a core")
        parse_clock_offset(self.clock_offset_ms)


def parse_clock_offset(text: str) -> float | None:
    """Read ``--clock-offset-ms``; None for ``auto``.

    Raises
    ------
    UsageError
        If it is neither that nor a number of ms.
    """
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LONGEST_MS:
        raise UsageError(
            f"--clock-offset-ms {text} is no time",
            f"use a number of ms from -{LONGEST_MS:g} to {LONGEST_MS:g}, or auto",
        )
    return value


@dataclass(frozen=True)
class GazeTrain(TrainSettings):
    """Settings of ``train gaze``."""

    epochs: int = setting(300, "Passes over the train part.")
    inputs: str = setting("", "Any of face,eyes,boxes; all that were prepared by default.")
    head: Literal["ridge", "net"] = setting(
        "ridge", "Last layer: ridge regression on the embedding, or as trained."
    )
    backbone: Literal[
        "compact", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"
    ] = setting(
        "compact", "Layers that see the images: a few of our own, or an EfficientNet-Lite's."
    )

    @property
    def default_weights(self) -> str:
        """Name of the weights that ``--pretrained`` means.

        Raises
        ------
        UsageError
            If the backbone has none.
        """
        if self.backbone not in PRETRAINED:
            raise UsageError(
                f"--backbone {self.backbone} has no pretrained weights",
                f"choose one that has: --backbone {', '.join(PRETRAINED)}",
            )
        return self.backbone


def chosen_inputs(text: str, prepared: list[str]) -> list[str]:
    """Return the inputs to use, in the network's order.

    Raises
    ------
    UsageError
        If one is unknown or was not prepared.
    """
    wanted = [name.strip() for name in text.split(",")] if text else prepared
    for name in wanted:
        if name not in INPUTS:
            raise UsageError(f"--inputs: unknown '{name}'", suggest(name, INPUTS))
        if name not in prepared:
            raise UsageError(f"--inputs: '{name}' was not prepared", f"prepared: {prepared}")
    return [name for name in INPUTS if name in wanted]


def check_train(settings: GazeTrain, prepared: Prepared, split: Split) -> None:
    """Raise `UsageError` if the prepared data cannot be trained on with these settings."""
    chosen_inputs(settings.inputs, prepared.setup["inputs"])


def parse_size(text: str, flag: str) -> tuple[float, float] | None:
    """Read ``WIDTHxHEIGHT``; None if empty.

    Raises
    ------
    UsageError
        If it is anything else, or not positive.
    """
    if not text:
        return None
    try:
        width, height = (float(part) for part in text.lower().split("x"))
    except ValueError:
        width = height = -1.0
    if not (0 < width < 1e6 and 0 < height < 1e6):
        raise UsageError(f"{flag} '{text}' is no size", "write WIDTHxHEIGHT, such as 1366x768")
    return width, height
