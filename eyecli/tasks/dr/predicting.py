"""What predict needs of the dr task: from files to probabilities, decisions and abstentions."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.classes import images
from eyecli.data.fields import Field
from eyecli.data.inputs import Given
from eyecli.imaging.fundus import read_fundus
from eyecli.imaging.quality import Quality, quality
from eyecli.tasks.dr.extraction import NO_FUNDUS, POOR, enhance
from eyecli.tasks.dr.eyes import pairs, patient, tell_unpaired
from eyecli.tasks.dr.fields import SIDE, SUBJECT
from eyecli.tasks.dr.fusion import above_of_both, fused_facts, paired
from eyecli.tasks.dr.grading import (
    GRADES,
    PERCENTILES,
    Target,
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
    SIDE,
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


def applied(
    model: Artifact,
    partitions: Sequence[int],
    settings: PredictSettings,
    files: Sequence[Given],
) -> Applied:
    """Load the networks of some folds; a row has the mean of their calibrated probabilities.

    Where folds fuse both eyes, the other one has a say if it is there and of the wanted quality.
    """
    folds = [read_facts(model, partition) for partition in partitions]
    fuses = any("fusion" in fold for fold in folds)
    facts = agreed([fused_facts(fold) for fold in folds])
    limit = _limit(model, facts, settings.abstain) if settings.abstain else -math.inf
    log.info("for research only: no medical device")
    if fuses:
        tell_unpaired(files, WHAT)
    size = read_model(model).setup["size"]
    batch = max(1, min(BATCH, HELD // (3 * size**2)))
    # Temperature and cuts were settled on such means.
    run = over_views(
        networks([load_fold(model, partition) for partition in partitions]),
        folds[0].get("test_views", 1),
    )

    def logits(pixels: Sequence[np.ndarray]) -> list[np.ndarray]:
        # The photographs of a patient may be more than a batch.
        piles = [np.stack(pixels[at : at + batch]) for at in range(0, len(pixels), batch)]
        parts = [run(enhanced({"pixels": pile}, folds[0])["pixels"]) for pile in piles]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def rows(files: Sequence[Given], photographs: Sequence[Photograph]) -> list[dict[str, Any]]:
        seen = np.array([one.pixels is not None for one in photographs])
        poor = np.array([one.quality.score < settings.min_quality for one in photographs])
        answers: Iterator[dict[str, Any]] = iter(())
        if seen.any():
            patients, sides = pairs(files)
            # What shows too little has no say in the other eye.
            whose = np.where(poor, "", patients)[seen]
            found = logits([one.pixels for one in photographs if one.pixels is not None])
            answers = iter(_answers(found, folds, facts, whose, sides[seen]))
        return [
            _row(one, next(answers) if one.pixels is not None else {}, bool(bad), limit)
            for one, bad in zip(photographs, poor, strict=True)
        ]

    columns = _columns(facts["target"], fuses)
    return Applied(columns, batch, rows, patient) if fuses else Applied(columns, batch, rows)


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


def _columns(target: Target, fuses: bool) -> tuple[str, ...]:
    seen = ("width", "height", "quality", "reasons")
    decided = (*_probabilities(target), *(["grade"] if target == "grade" else []), ASKED[target])
    return (*seen, *decided, "confidence", *(["eyes"] if fuses else []), "abstain", "why")


def _probabilities(target: Target) -> list[str]:
    """Names of the probabilities: of the boundaries, and of the grades between them."""
    grades = [f"p_grade{grade}" for grade in range(GRADES)] if target == "grade" else []
    return [*named(target), *grades]


def _answers(
    logits: Sequence[np.ndarray],
    folds: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    patients: np.ndarray,
    sides: np.ndarray,
) -> list[dict[str, Any]]:
    """Turn the logits of every fold into mean probabilities and decisions, a dict a photograph."""
    each = [
        above_of_both(values, fold, patients, sides)
        for values, fold in zip(logits, folds, strict=True)
    ]
    above = np.mean(each, axis=0)
    classes, decided = probabilities(above), decide(above, facts)
    target: Target = facts["target"]
    # Of two classes, the one is the boundary's probability and the other its complement.
    found = np.hstack([above, classes] if target == "grade" else [above]).round(DIGITS)
    whole = {"grade": decided["grade_predicted"]} if target == "grade" else {}
    whole |= {ASKED[target]: decided["sensitive"]} if facts["sensitive"] is not None else {}
    if any("fusion" in fold for fold in folds):
        learnt = any(fold.get("fusion") for fold in folds)
        whole["eyes"] = 1 + (paired(patients, sides) & learnt)
    return [
        dict(zip(_probabilities(target), map(float, found[i]), strict=True))
        | {name: int(values[i]) for name, values in whole.items()}
        | {"confidence": round(float(classes[i].max()), DIGITS)}
        for i in range(len(above))
    ]


def _row(one: Photograph, answer: dict[str, Any], poor: bool, limit: float) -> dict[str, Any]:
    if one.pixels is None:
        why = NO_FUNDUS
    elif poor:
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
