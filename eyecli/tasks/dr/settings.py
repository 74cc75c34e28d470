"""Settings of the dr task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eyecli.errors import UsageError
from eyecli.settings import setting

SIZES = (64, 1024)
LOSSES = {"grade": ("cross-entropy", "mse", "corn")}


@dataclass(frozen=True)
class DrPreprocess:
    """Settings of ``preprocess dr``."""

    size: int = setting(512, "Side of the square around the fundus in pixels; 256 is four times "
                        "as fast to train on.")  # fmt: skip
    enhance: Literal["none", "graham", "graham-fast", "clahe"] = setting(
        "none",
        "Change the stored pixels: Ben Graham's normalisation (exact, or blurred at a quarter of "
        "the size), or CLAHE. Training can apply the same to plain pixels.",
    )
    min_quality: float = setting(
        0.2, "Leave out photographs of a lower quality, 0 to 1; 0 keeps all that show a fundus."
    )
    on_error: Literal["stop", "skip"] = setting(
        "stop",
        "What cannot be read (a damaged file, a row without its image, an image without its row): "
        "stop, or go on without it; either way all of it is named.",
    )
    processes: int = setting(0, "Processes that decode photographs; 0 for one a core.")

    def __post_init__(self) -> None:
        low, high = SIZES
        if not low <= self.size <= high:
            raise UsageError(f"--size {self.size} is out of range", f"use {low} to {high}")
        if self.size % 32:
            raise UsageError(f"--size {self.size}", "use a multiple of 32, such as 256 or 512")
        if not 0 <= self.min_quality <= 1:
            raise UsageError(f"--min-quality {self.min_quality:g} is out of range", "use 0 to 1")
        if self.processes < 0:
            raise UsageError(f"--processes {self.processes} is below 0", "use 0 for one a core")
