"""What the dr task says of itself in cards and reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from eyecli.evaluation.study import About

LOSSES = {
    "cumulative": "the mean log loss of whether the grade reaches each boundary",
    "cross-entropy": "the cross-entropy of the grades",
    "mse": "the squared error of the grade, whose cuts were chosen on validation rows",
    "corn": "CORN's loss of conditional questions (Shi, Cao and Raschka 2021)",
}
BALANCES = {
    "weights": " Grades were weighed against their frequency.",
    "resampling": " Photographs were drawn so that all grades were equally frequent at first, and "
    "less so with every epoch.",
}
# What a network that is not trained step by step does without, and the other way round.
STEPS = ("epochs", "batch_size", "learning_rate", "schedule", "precision", "keep", "dropout", "ema",
         "accumulate", "patience")  # fmt: skip
VIEWS = ("views",)


def _frozen(settings: Mapping[str, Any]) -> bool:
    return settings.get("trainable", "head") == "head"


def idle(settings: Mapping[str, Any]) -> Collection[str]:
    """Return the settings that did nothing."""
    return STEPS if _frozen(settings) else VIEWS


def training(settings: Mapping[str, Any]) -> str:
    """Say how a network was trained, from "One network was" on.

    Parameters
    ----------
    settings
        Of the training; those that are as by default may be missing.
    """
    said = (
        FROZEN if _frozen(settings) else TRAINED.format(LOSSES[settings.get("loss", "cumulative")])
    )
    said += BALANCES.get(settings.get("balance", ""), "")
    if settings.get("progressive"):
        said += " In the first half of the epochs it saw half the resolution."
    if settings.get("test_views", 1) > 1:
        said += f" Predictions are means over {settings['test_views']} symmetries of a photograph."
    if settings.get("fusion", "none") != "none":
        said += FUSED
    return said


FROZEN = (
    "left as pretrained but for the last layer, with weights rounded to half precision, and that "
    "layer was fitted in closed form: ridge regression of whether the grade reaches each boundary, "
    "on every photograph and on changed views of it, the penalty chosen on photographs whose group "
    "is left out, and the scores of those brought to logits (Platt 1999)."
)
TRAINED = (
    "trained step by step with Adam (Kingma and Ba 2015) by {}, and weights rounded to half "
    "precision at the end."
)
FUSED = (
    " The log odds of the other eye of the same patient enter those of a photograph by logistic "
    "regression on rows that the network was not fitted on, in folds that could learn it; the "
    "exported model sees one photograph, and its metadata carry the coefficients."
)
ABOUT = About(
    use="The model grades diabetic retinopathy in colour fundus photographs on the international "
    "scale (Wilkinson et al. 2003), for research on screening.",
    inputs="Square RGB photographs, 0 to 255, cut around the circle of the fundus as `preprocess "
    "dr` does.",
    outputs="A logit for each boundary between grades (is the grade at least 1, 2, 3, 4?), from "
    "which probabilities of the grades follow, and an embedding of pooled features. With the "
    "setting `loss cross-entropy` there is a logit for each grade, with `corn` each boundary is "
    "asked of those that reach the one before, and with `mse` there is one score.",
    network="The network is an image backbone whose feature maps of several scales are averaged "
    "and maximised over the picture, and one linear layer.",
    training=training,
    idle=idle,
    outcome="classification",
    truth="The truth is the grade that the data come with: the opinion of one or more readers of "
    "the photograph, not of an examination.",
    metrics="Agreement is Cohen's kappa with quadratic weights; discrimination is the area under "
    "the ROC curve.",
    limits=(
        "Cameras, clinics and people other than those of the data are not covered until an "
        "external validation says so.",
        "Photographs that show too little are left out, not graded.",
        "Other eye diseases are not looked for.",
    ),
)
