"""Settings of the dr task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eyecli.errors import UsageError
from eyecli.settings import setting
from eyecli.training.settings import TrainSettings

if TYPE_CHECKING:
    from eyecli.data.prepared import Prepared
    from eyecli.data.split import Split

SIZES = (64, 1024)
MOST_VIEWS = 20
# Backbones whose pretrained weights have their own names, or none.
WEIGHTS = {
    "eyenet": "", "efficientnet-lite0": "efficientnet-lite0",
    "efficientnet-lite1": "efficientnet-lite1", "efficientnet-lite2": "efficientnet-lite2",
    "efficientnetb0": "efficientnetb0-notop", "efficientnetb1": "efficientnetb1-notop",
    "efficientnetb2": "efficientnetb2-notop", "efficientnetb3": "efficientnetb3-notop",
    "resnet50": "resnet50-notop", "densenet121": "densenet121-notop",
    "xception": "xception-notop", "mobilenetv2": "mobilenetv2-notop",
}  # fmt: skip


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


@dataclass(frozen=True)
class DrTrain(TrainSettings):
    """Settings of ``train dr``."""

    epochs: int = setting(30, "Passes over the train part; none with a frozen backbone.")
    batch_size: int = setting(16, "Samples a step.")
    learning_rate: float = setting(3e-4, "Peak rate of Adam.")
    pretrained: bool = setting(
        True, "Start from the backbone's usual weights, which `fetch weights` brought before."
    )
    trainable: Literal["all", "head"] = setting(
        "head",
        "With pretrained weights: fit the last layer on the features of the frozen backbone, "
        "in one go, or train all layers.",
    )
    target: Literal["grade", "referable", "any-dr"] = setting(
        "grade", "What to predict: the grade 0 to 4, grade 2 or more, or grade 1 or more."
    )
    backbone: Literal[
        "eyenet", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2",
        "efficientnetb0", "efficientnetb1", "efficientnetb2", "efficientnetb3",
        "resnet50", "densenet121", "xception", "mobilenetv2",
    ] = setting("efficientnet-lite0", "Layers that see the photographs.")  # fmt: skip
    pooling: Literal["avg", "avgmax"] = setting(
        "avgmax", "How maps become features: their mean, or mean and maximum."
    )
    views: int = setting(
        2,
        "With a frozen backbone: so many copies of each photograph, changed as other cameras and "
        "files would, are fitted on as well, as far as all are 40000 rows at most.",
    )
    dropout: float = setting(0.0, "Share of the features that is dropped in training.")
    fusion: Literal["none", "both-eyes"] = setting(
        "none",
        "Let the other eye of a patient have a say in predictions; each photograph for itself.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.views <= MOST_VIEWS:
            raise UsageError(f"--views {self.views} is out of range", f"use 0 to {MOST_VIEWS}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout {self.dropout:g} is out of range", "use 0 to below 1")

    @property
    def default_weights(self) -> str:
        """Name of the weights that ``--pretrained`` means.

        Raises
        ------
        UsageError
            If the backbone has none.
        """
        if not WEIGHTS[self.backbone]:
            raise UsageError(
                f"--backbone {self.backbone} has no pretrained weights",
                "train it from the start: --no-pretrained --trainable all",
            )
        return WEIGHTS[self.backbone]

    @property
    def start(self) -> str | None:
        """Name of the weights that the training starts from, or None; ``--weights none`` as well.

        Raises
        ------
        UsageError
            If the backbone takes none, or settings do not go together.
        """
        if self.weights == "none" or (not self.pretrained and not self.weights):
            if self.trainable == "head":
                raise UsageError(
                    "--trainable head without pretrained weights", "add --trainable all"
                )
            return None
        return self.weights or self.default_weights

    @property
    def closed(self) -> bool:
        """Whether only the last layer is fitted, in one go."""
        return self.trainable == "head"


def check_train(settings: DrTrain, prepared: Prepared, split: Split) -> None:
    """Raise `UsageError` if the prepared data cannot be trained on with these settings."""
    if settings.backbone == "eyenet" and prepared.setup["size"] % 8:
        raise UsageError("--backbone eyenet takes sides that are multiples of 8")
    if settings.fusion == "both-eyes":
        from eyecli.tasks.dr.fusion import require_pairs

        require_pairs(prepared, split)
