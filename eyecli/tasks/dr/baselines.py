"""Trivial graders: what a model must beat before anybody should believe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eyecli.data.prepared import Prepared
from eyecli.evaluation.image_baselines import brightness, hog, outline
from eyecli.evaluation.logistic import fit_logistic
from eyecli.tasks.dr.grading import Target, at_least, columns, settle

FACTS = ("width", "height", "bytes")


@dataclass(frozen=True)
class Known:
    """Samples to fit on and to predict; the same, or those of external data.

    Attributes
    ----------
    fitted, judged
        The prepared data of each.
    grades
        Of all samples that may be fitted on.
    target
        What is predicted.
    """

    fitted: Prepared
    judged: Prepared
    grades: np.ndarray
    target: Target

    def features(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Features of a baseline of all samples of both, computed once."""
        return self._all[name]

    @cached_property
    def _all(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        fitted = {name: make(self.fitted) for name, make in FEATURES.items()}
        same = self.judged is self.fitted
        judged = fitted if same else {name: make(self.judged) for name, make in FEATURES.items()}
        return {name: (fitted[name], judged[name]) for name in FEATURES}


def each(prepared: Prepared, describe: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Describe every photograph, one at a time in memory."""
    rows = range(len(prepared.index))
    return np.array([describe(prepared.arrays.take("pixels", [row])[0]) for row in rows])


def camera(prepared: Prepared) -> np.ndarray:
    """Size of the picture and of its file, (n, 4): what betrays a camera or a clinic."""
    facts = prepared.index[list(FACTS)].to_numpy(float)
    return np.column_stack([facts, facts[:, 2] / (facts[:, 0] * facts[:, 1])])


# Rotation alone tells the label of EyeNet's set to 82.6 %: only what is diseased was turned.
FEATURES: dict[str, Callable[[Prepared], np.ndarray]] = {
    "brightness": lambda prepared: each(prepared, brightness),
    "camera": camera,
    "rotation": lambda prepared: each(prepared, outline),
    "HOG": lambda prepared: each(prepared, hog),
}
BASELINES = ("majority", *FEATURES)


def predict(
    name: str, known: Known, train: np.ndarray, test: np.ndarray, groups: np.ndarray
) -> dict[str, np.ndarray]:
    """Predict test rows with a baseline that is fitted on train rows.

    Parameters
    ----------
    name
        One of `BASELINES`.
    known
        The samples.
    train, test
        Row numbers.
    groups
        (n,) groups of all samples that may be fitted on.

    Returns
    -------
    dict
        As `grading.columns`.
    """
    grades, target = known.grades[train], known.target
    yes = at_least(grades, target)
    if name == "majority":
        return _majority(yes, len(test), target)
    fitted, judged = known.features(name)
    head = fit_logistic(fitted[train], yes, groups[train])
    seen = ~np.isnan(head.held_out[:, 0])
    facts = {"target": target, **settle(head.held_out[seen], grades[seen], target)}
    return columns(judged[test] @ head.weight + head.bias, facts)


def _majority(yes: np.ndarray, number: int, target: Target) -> dict[str, np.ndarray]:
    """The shares of the grades for everybody, and the most frequent one."""
    share = np.clip(yes.mean(axis=0), 1e-6, 1 - 1e-6)
    logits = np.tile(np.log(share / (1 - share)), (number, 1))
    counts = np.bincount(yes.sum(axis=1), minlength=yes.shape[1] + 1)
    always = int(counts.argmax())
    # Cuts of which as many lie below the score as the class is high.
    score = share.sum()
    cuts = [score - 1.0] * always + [score + 1.0] * (yes.shape[1] - always)
    facts = {"target": target, "temperature": 1.0, "cuts": cuts, "sensitive": 0.0, "specific": 2.0}
    return columns(logits, facts)
