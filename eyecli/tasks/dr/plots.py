"""Plots of a report on grades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eyecli.evaluation.bootstrap import Interval
from eyecli.evaluation.grading_plots import (
    confusion_map,
    decision_curves,
    referral_curves,
    reliability_diagram,
    roc_curves,
)
from eyecli.metrics.agreement import confusion
from eyecli.metrics.calibration import reliability
from eyecli.metrics.decision import decision_curve
from eyecli.metrics.selective import accuracy_curve, entropy
from eyecli.tasks.dr.grading import probabilities


def plots(
    truth: np.ndarray,
    above: Mapping[str, np.ndarray],
    called: Mapping[str, np.ndarray],
    asked: int,
    names: Sequence[str],
    areas: Mapping[str, Interval | None],
) -> dict[str, str]:
    """Draw discrimination, calibration, confusion, referral and decisions.

    Parameters
    ----------
    truth
        (n,) classes.
    above
        Predictor, the model first, to (n, b) probabilities of reaching each boundary.
    called
        Predictor to (n,) predicted classes.
    asked
        Position of the boundary that is the clinical question.
    names
        Of the classes.
    areas
        Predictor to the interval of its area under the ROC curve for that question.

    Returns
    -------
    dict
        Title to SVG; those of the question only where it has both answers.
    """
    model = next(iter(above))
    chances = {name: probabilities(values) for name, values in above.items()}
    found = {
        "Confusion of the model": confusion_map(confusion(truth, called[model], len(names)), names),
        "Accuracy where the most uncertain are referred": referral_curves(
            {n: accuracy_curve(truth, called[n], entropy(chances[n])) for n in above}, "accuracy"
        ),
    }
    positive = truth > asked
    if positive.all() or not positive.any():
        return found
    question = {name: values[:, asked] for name, values in above.items()}
    return found | {
        f"ROC of {names[asked + 1]} or more": roc_curves(question, positive, areas),
        f"Calibration of {names[asked + 1]} or more": reliability_diagram(
            {model: reliability(question[model], positive)}
        ),
        f"Net benefit of {names[asked + 1]} or more": decision_curves(
            {model: decision_curve(question[model], positive)}, {}
        ),
    }
