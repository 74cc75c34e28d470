"""Settings of the gaze task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from eyecli.errors import UsageError, suggest
from eyecli.settings import setting
from eyecli.training.settings import TrainSettings

# Of the network, in its order.
INPUTS = ("face", "eyes", "boxes")


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


@dataclass(frozen=True)
class GazeTrain(TrainSettings):
    """Settings of ``train gaze``."""

    epochs: int = setting(300, "Passes over the train part.")
    inputs: str = setting("", "Any of face,eyes,boxes; all that were prepared by default.")
    head: Literal["ridge", "net"] = setting(
        "ridge", "Last layer: ridge regression on the embedding, or as trained."
    )


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


def check_train(settings: GazeTrain, setup: Mapping[str, Any]) -> None:
    """Raise `UsageError` if the prepared data cannot be trained on with these settings."""
    chosen_inputs(settings.inputs, setup["inputs"])


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
