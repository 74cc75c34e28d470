"""What predict needs of the dr task: from files to probabilities, decisions and abstentions."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.classes import images
from eyecli.data.fields import Field
from eyecli.imaging.fundus import read_fundus
from eyecli.imaging.quality import Quality, quality
from eyecli.tasks.dr.extraction import NO_FUNDUS, POOR, enhance
from eyecli.tasks.dr.fields import SUBJECT
from eyecli.tasks.dr.grading import (
    GRADES,
    PERCENTILES,
    Target,
    above_of,
    agreed,
    decide,
    named,
    probabilities,
)
from eyecli.tasks.dr.loading import enhanced
from eyecli.training.applying import Applied, PredictSettings
from eyecli.training.model import load_fold, read_facts, read_model
from eyecli.training.symmetries import turned
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

WHAT = "photographs"
FIELDS: tuple[Field, ...] = (
    Field("path", "path", "photograph", "images/p01.jpg", needed=True, aliases=("file", "image")),
    Field("id", "text", "goes along", "p01-left"),
    SUBJECT,
)
UNCERTAIN = "uncertain"
HEAD = "logits"
# Photographs, and stored numbers, that the networks take at once at most: more are little faster,
# cost memory, and have the first rows wait.
BATCH, HELD = 16, 2**22
DIGITS = 6
# What is asked at the sensitive operating point, by what a model was trained on.
ASKED = {"grade": "referable", "referable": "referable", "any-dr": "any_dr"}
Networks = Callable[[np.ndarray], list[np.ndarray]]

wanted = images


@dataclass(frozen=True)
class Photograph:
    """A photograph, as `preprocess dr` prepares it.

    Attributes
    ----------
    pixels
        (size, size, 3) uint8; None where no fundus was found.
    width, height
        Of the original, upright.
    quality
        Of what it shows.
    """

    pixels: np.ndarray | None
    width: int
    height: int
    quality: Quality


def prepare(content: bytes, name: str, setup: dict[str, Any]) -> Photograph:
    """Find, cut and judge the fundus of one file, by the functions of `extraction.extract`."""
    reading = read_fundus(content, name, setup["size"])
    judged = quality(reading.crop, reading.fundus)
    pixels = enhance(reading.crop, setup["enhance"]) if reading.fundus else None
    return Photograph(pixels, reading.width, reading.height, judged)


def applied(model: Artifact, partitions: Sequence[int], settings: PredictSettings) -> Applied:
    """Load the networks of some folds; a row has the mean of their calibrated probabilities."""
    folds = [read_facts(model, partition) for partition in partitions]
    facts, limit = agreed(folds), -math.inf
    if settings.abstain:
        limit = _limit(model, facts, settings.abstain)
    log.info("for research only: no medical device")
    each = networks([load_fold(model, partition) for partition in partitions])
    # Temperature and cuts were settled on such means.
    run = over_views(each, folds[0].get("test_views", 1))

    def shown(stored: np.ndarray) -> np.ndarray:
        return enhanced({"pixels": stored}, folds[0])["pixels"]

    def rows(photographs: Sequence[Photograph]) -> list[dict[str, Any]]:
        seen = [one.pixels for one in photographs if one.pixels is not None]
        answers = iter(_answers(run(shown(np.stack(seen))), folds, facts) if seen else ())
        return [
            _row(one, next(answers) if one.pixels is not None else {}, settings.min_quality, limit)
            for one in photographs
        ]

    size = read_model(model).setup["size"]
    return Applied(_columns(facts), max(1, min(BATCH, HELD // (3 * size**2))), rows)


def _limit(model: Artifact, facts: Mapping[str, Any], share: float) -> float:
    """Return the confidence below which this share of the held-out rows lies."""
    if facts["confidence"] is None:
        log.warning(
            "%s was trained by an earlier version, which did not note how certain it is of what it "
            "has not seen: nothing is called uncertain; train it again, or say --abstain 0",
            model.ref,
        )
        return -math.inf
    return float(np.interp(100 * share, PERCENTILES, facts["confidence"]))


def networks(models: Sequence[keras.Model]) -> Networks:
    """Return what gives the logits of each of several networks; what they share runs once.

    Parameters
    ----------
    models
        See `model.build`; of one architecture.

    Returns
    -------
    callable
        From (n, size, size, 3) pixels, enhanced if they have to be, to an (n, b) array a network.
    """
    import keras

    from eyecli.tasks.dr.learning import scale

    first, *others = models
    heads = [each.get_layer(HEAD).get_weights() for each in models]
    if all(_same_but_for_the_head(first, other) for other in others):
        trunk = keras.Model(first.input, first.output["embedding"])

        def shared(pixels: np.ndarray) -> list[np.ndarray]:
            # As one graph, which takes two thirds of the time of layer by layer.
            features = trunk.predict_on_batch(scale({"pixels": pixels}, {}))
            flat = np.asarray(features).reshape(len(pixels), -1)
            return [flat @ kernel[0, 0] + bias for kernel, bias in heads]

        return shared

    def each(pixels: np.ndarray) -> list[np.ndarray]:
        inputs = scale({"pixels": pixels}, {})
        outputs = [model.predict_on_batch(inputs)["logits"] for model in models]
        return [np.asarray(logits).reshape(len(pixels), -1) for logits in outputs]

    return each


def over_views(run: Networks, views: int) -> Networks:
    """Return what gives the mean of the logits over so many symmetries of the photographs."""

    def mean(pixels: np.ndarray) -> list[np.ndarray]:
        shown = [run(turned({"pixels": pixels}, view)["pixels"]) for view in range(views)]
        return [np.mean(logits, axis=0) for logits in zip(*shown, strict=True)]

    return mean


def _same_but_for_the_head(one: keras.Model, other: keras.Model) -> bool:
    return all(
        np.array_equal(mine, theirs)
        for layer in one.layers
        if layer.name != HEAD
        for mine, theirs in zip(
            layer.get_weights(), other.get_layer(layer.name).get_weights(), strict=True
        )
    )


def _columns(facts: Mapping[str, Any]) -> tuple[str, ...]:
    target: Target = facts["target"]
    seen = ("width", "height", "quality", "reasons")
    decided = (*_probabilities(target), *(["grade"] if target == "grade" else []), ASKED[target])
    return (*seen, *decided, "confidence", "abstain", "why")


def _probabilities(target: Target) -> list[str]:
    """Names of the probabilities: of the boundaries, and of the grades between them."""
    grades = [f"p_grade{grade}" for grade in range(GRADES)] if target == "grade" else []
    return [*named(target), *grades]


def _answers(
    logits: Sequence[np.ndarray], folds: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Turn the logits of every fold into probabilities and decisions, a dict a photograph."""
    each = [above_of(values, fold) for values, fold in zip(logits, folds, strict=True)]
    above = np.mean(each, axis=0)
    classes, decided = probabilities(above), decide(above, facts)
    target: Target = facts["target"]
    # Of two classes, the one is the boundary's probability and the other its complement.
    found = np.hstack([above, classes] if target == "grade" else [above]).round(DIGITS)
    whole = {"grade": decided["grade_predicted"]} if target == "grade" else {}
    whole |= {ASKED[target]: decided["sensitive"]} if facts["sensitive"] is not None else {}
    return [
        dict(zip(_probabilities(target), map(float, found[i]), strict=True))
        | {name: int(values[i]) for name, values in whole.items()}
        | {"confidence": round(float(classes[i].max()), DIGITS)}
        for i in range(len(above))
    ]


def _row(
    one: Photograph, answer: dict[str, Any], min_quality: float, limit: float
) -> dict[str, Any]:
    if one.pixels is None:
        why = NO_FUNDUS
    elif one.quality.score < min_quality:
        why = POOR
    else:
        why = UNCERTAIN if answer["confidence"] < limit else ""
    return {
        "width": one.width,
        "height": one.height,
        "quality": round(one.quality.score, 4),
        "reasons": ", ".join(one.quality.reasons),
        **answer,
        "abstain": int(bool(why)),
        "why": why,
    }
