"""Settings of the dr task."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from eyecli.errors import UsageError
from eyecli.settings import setting
from eyecli.training.settings import TrainSettings

if TYPE_CHECKING:
    from eyecli.data.prepared import Prepared
    from eyecli.data.split import Split

SIZES = (64, 1024)
# Symmetries of the square that are closed under composition.
TEST_VIEWS = (1, 2, 4, 8)
# With the last layer fitted in one go they would do nothing, and the values with which they do not.
STEP_BY_STEP = {"loss": "cumulative", "balance": "none", "progressive": False}
MOST_VIEWS = 20
# The last convolutions of a backbone, or how its layers' names begin.
LAST = r"last[1-9]\d{0,2}"
BLOCKS = {
    "efficientnet-lite": (r"block(1?\d|20)", "block0 to block15 (block20 of 1 and 2)"),
    "efficientnetb": (r"block[1-7][a-z]?", "block1a to block7a and more"),
    "resnet": (r"conv[1-5](_block\d{1,2})?", "conv2 to conv5, conv5_block2"),
    "densenet": (r"conv[1-5](_block\d{1,2})?", "conv2 to conv5, conv5_block2"),
    "xception": (r"block([1-9]|1[0-4])", "block1 to block14"),
    "mobilenet": (r"block_([1-9]|1[0-6])", "block_1 to block_16"),
}
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
        "the size), or CLAHE; who applies a model must do the same.",
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
    # Names of blocks beside those that every task has.
    trainable: str = setting(  # type: ignore[assignment]
        "head",
        "With pretrained weights: fit the last layer on the features of the frozen backbone, "
        "in one go (head), or train step by step: all layers (all), the last N convolutions of "
        "the backbone (lastN, such as last20), or a block and what follows it, named as its "
        "layers begin: block12 (EfficientNet-Lite, Xception), block6a (EfficientNetB), conv5 or "
        "conv5_block2 (ResNet50, DenseNet121), block_14 (MobileNetV2).",
    )
    loss: Literal["cumulative", "cross-entropy", "mse", "corn"] = setting(
        "cumulative",
        "Of training step by step: a question for each boundary between grades, softmax over the "
        "grades, regression of the grade, or CORN's conditional questions.",
    )
    balance: Literal["none", "weights", "resampling"] = setting(
        "none",
        "Of training step by step: weigh grades against their frequency, or draw photographs so "
        "that all grades are equally frequent at first, and less so with every epoch.",
    )
    progressive: bool = setting(
        False,
        "Of training step by step: look at half the resolution in the first half of the epochs.",
    )
    test_views: int = setting(
        1,
        "Average predictions over so many symmetries of a photograph: 1, 2 (mirrored), 4 (and "
        "upside down) or 8 (and quarter turns).",
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
    enhance: Literal["none", "graham", "graham-fast", "clahe"] = setting(
        "none",
        "Change photographs that were stored as they are, in training and ever after: as of "
        "preprocess dr.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.views <= MOST_VIEWS:
            raise UsageError(f"--views {self.views} is out of range", f"use 0 to {MOST_VIEWS}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout {self.dropout:g} is out of range", "use 0 to below 1")
        if self.test_views not in TEST_VIEWS:
            raise UsageError(f"--test-views {self.test_views}", "use 1, 2, 4 or 8")
        self._check_trainable()
        if not self.closed and self.views != type(self).views:
            raise UsageError(
                f"--views {self.views} with --trainable {self.trainable}, which changes "
                "photographs anew in every epoch",
                "leave it out",
            )
        for name, off in STEP_BY_STEP.items():
            if self.closed and getattr(self, name) != off:
                flag = f"--{name}" + ("" if off is False else f" {getattr(self, name)}")
                raise UsageError(
                    f"{flag} with --trainable head, whose last layer is fitted in one go",
                    "train step by step: --trainable all, or lastN such as last20",
                )
        if self.progressive and self.epochs < 2:
            raise UsageError(
                "--progressive with --epochs 1, of which there is no first half",
                "use 2 epochs or more, or leave it out",
            )
        if self.progressive and self.backbone == "eyenet":
            raise UsageError(
                "--progressive with --backbone eyenet, whose dense layer takes one size only",
                "leave it out, or choose another backbone",
            )

    def _check_trainable(self) -> None:
        """Refuse what names no part of any backbone of this family; the network knows the rest."""
        blocks = [known for family, known in BLOCKS.items() if self.backbone.startswith(family)]
        patterns = ["all", "head", LAST, *(pattern for pattern, _ in blocks)]
        if not any(re.fullmatch(pattern, self.trainable, re.ASCII) for pattern in patterns):
            forms = "; ".join(
                ["all, head, lastN such as last20", *(examples for _, examples in blocks)]
            )
            raise UsageError(f"--trainable '{self.trainable}' of {self.backbone}", f"use {forms}")

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
            if self.trainable != "all":
                raise UsageError(
                    f"--trainable {self.trainable} without pretrained weights",
                    "add --trainable all",
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
    size = prepared.setup["size"]
    if settings.progressive and (size % 64 or size < 128):
        raise UsageError(
            f"--progressive with photographs of {size} pixels: half of it has to be a multiple of "
            "32, 64 or more",
            "preprocess dr --size 256 or 512",
        )
    if settings.enhance != "none" and prepared.setup["enhance"] != "none":
        raise UsageError(
            f"--enhance {settings.enhance}: the pixels of {prepared.artifact.ref} were stored "
            f"enhanced, by {prepared.setup['enhance']}",
            "leave it out, or train on what preprocess dr --enhance none makes",
        )
    if settings.fusion == "both-eyes":
        from eyecli.tasks.dr.fusion import require_pairs

        require_pairs(prepared, split)
