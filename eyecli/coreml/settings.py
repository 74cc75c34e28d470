"""Settings of the export stage, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eyecli.coreml.personal import Combination
from eyecli.errors import UsageError
from eyecli.settings import setting


@dataclass(frozen=True)
class ExportSettings:
    """Settings of ``export coreml``."""

    fold: int = setting(
        -1, "Fold of a cross-validated model; with several that, or --refit-all.",
        shown="the only one",
    )  # fmt: skip
    deployment_target: Literal["auto", "iOS16", "iOS17", "iOS18"] = setting(
        "auto",
        "Oldest system that has to run it; auto is iOS16, or iOS18 with users' heads as functions.",
    )
    precision: Literal["fp16", "fp32"] = setting(
        "fp16", "Of weights and arithmetic; the Neural Engine takes fp16 only."
    )
    compress: Literal["none", "palettize4", "palettize6", "palettize8", "int8"] = setting(
        "none", "Store the weights as indices into look-up tables of 4 to 8 bits, or as integers."
    )
    inputs: Literal["image", "tensor"] = setting(
        "image", "How pictures come in: as pixel buffers, or as arrays of values 0 to 255."
    )
    labels: Literal["metadata", "output"] = setting(
        "metadata",
        "Where class names go: into the metadata, or into an output as Vision wants it (its last "
        "operation is not for the Neural Engine).",
    )
    ane_rewrite: bool = setting(
        False, "Rewrite layers for the Neural Engine first; kept if parity holds."
    )
    allow_retrain: bool = setting(
        False,
        "With --ane-rewrite: also swish to ReLU, which changes the function; the rewritten Keras "
        "model is stored for the training that this needs.",
    )
    parity_samples: int = setting(32, "Validation samples on which Core ML and Keras are compared.")
    allow_parity_failure: bool = setting(
        False, "Publish even if Core ML and Keras differ; the artifact says so."
    )


def check_settings(
    settings: ExportSettings, heads: bool = False, combine: Combination = "functions"
) -> None:
    """Refuse settings that do not go together, with or without users' heads.

    Raises
    ------
    UsageError
        Naming the flags.
    """
    if settings.parity_samples < 2:
        raise UsageError(f"--parity-samples is {settings.parity_samples}, two are needed at least")
    if settings.allow_retrain and not settings.ane_rewrite:
        raise UsageError("--allow-retrain is for --ane-rewrite", "give both, or neither")
    if heads and settings.precision == "fp32":
        raise UsageError("users' heads are float16 models", "leave --precision fp32 out")
    if heads and combine == "functions" and settings.deployment_target in ("iOS16", "iOS17"):
        raise UsageError(
            f"--deployment-target {settings.deployment_target}: a package of several functions "
            "needs iOS18",
            "leave it out, or put one head into a pipeline with --combine pipeline",
        )
    if settings.compress != "none" and settings.precision == "fp32":
        raise UsageError(
            f"--compress {settings.compress} is for float16 packages", "leave --precision fp32 out"
        )
