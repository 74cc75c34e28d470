"""Both eyes of a patient: a grade of one eye tells of the other's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eyecli.data.split import Split, group_ids
from eyecli.errors import UsageError
from eyecli.evaluation.logistic import fit_logistic
from eyecli.tasks.dr.grading import above_of, at_least, columns, decide, settle

if TYPE_CHECKING:
    from eyecli.data.prepared import Prepared

log = logging.getLogger(__name__)

# What a column is called that says what one photograph says alone.
ALONE = "_alone"
# Of fewer patients than this nothing is learnt.
LEAST_PATIENTS = 20
# No photograph is surer of anything than this: a logit of 13.8.
CERTAIN = 1e-6

Texts = Sequence[str] | np.ndarray


def odds(logits: np.ndarray, facts: Mapping[str, Any]) -> np.ndarray:
    """Return (n, b) log odds of the calibrated probabilities of photographs, each on its own.

    Parameters
    ----------
    logits
        (n, b) of the network.
    facts
        Of the fold, see `grading.settle`.
    """
    above = np.clip(above_of(logits, facts), CERTAIN, 1 - CERTAIN)
    return np.asarray(np.log(above / (1 - above)))


def other_eye(values: np.ndarray, patients: Texts, sides: Texts) -> np.ndarray:
    """Mean of the photographs of the other eye of the same patient.

    Parameters
    ----------
    values
        (n, b).
    patients, sides
        (n,) whose eye it is, and which: two names, such as OD and OS; empty where unknown.

    Returns
    -------
    ndarray, shape (n, b)
        NaN where there is none, and where it is not known which eye a photograph shows.
    """
    patients, sides = np.asarray(patients, str), np.asarray(sides, str)
    names, eye = np.unique(sides, return_inverse=True)
    owners, owner = np.unique(patients, return_inverse=True)
    sums = np.zeros((len(owners), len(names), values.shape[1]))
    counts = np.zeros((len(owners), len(names), 1))
    known = (patients != "") & (sides != "")
    np.add.at(sums, (owner[known], eye[known]), values[known])
    np.add.at(counts, (owner[known], eye[known]), 1)
    rest = counts[owner].sum(axis=1) - counts[owner, eye]
    total = sums[owner].sum(axis=1) - sums[owner, eye]
    return np.where(known[:, None] & (rest > 0), total / np.maximum(rest, 1), np.nan)


def paired(patients: Texts, sides: Texts) -> np.ndarray:
    """Return (n,) bool: is there a photograph of the other eye?"""
    return ~np.isnan(other_eye(np.zeros((len(patients), 1)), patients, sides)[:, 0])


def require_pairs(prepared: Prepared, split: Split) -> None:
    """Refuse data that do not tell which photographs are of the two eyes of one patient.

    Raises
    ------
    UsageError
        If the split does not keep patients together, or there are too few with both eyes.
    """
    if split.group_by != "subject":
        raise UsageError(
            "--fusion both-eyes needs patients, and this split has none (--group none)",
            "preprocess data with subjects, or leave --fusion out",
        )
    index = prepared.index
    groups = group_ids(list(index["sample"]), list(index["subject"]), split.group_by)
    found = _patients(groups, index["laterality"].to_numpy(str))
    if found < LEAST_PATIENTS:
        raise UsageError(
            f"--fusion both-eyes: {found} of {len(set(groups))} patients of "
            f"{prepared.artifact.ref} have photographs of both eyes, {LEAST_PATIENTS} are needed",
            "name subject and laterality (OD, OS) in the data, or leave --fusion out",
        )


def _patients(patients: Texts, sides: Texts) -> int:
    """Count those with both eyes."""
    return len(set(np.asarray(patients, str)[paired(patients, sides)]))


def fit_fusion(
    logits: np.ndarray,
    grades: np.ndarray,
    patients: Texts,
    sides: Texts,
    facts: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Learn what the other eye adds, on samples that the network was not fitted on.

    Stacking (Wolpert 1992): for each boundary an L2-penalised logistic regression on the log odds
    of the eye and of the other one, the same for left and right, its penalty chosen by
    cross-validation over patients. On drawn eyes that gained more than a head on the embeddings of
    both eyes, which has thousands of coefficients to learn from hundreds of patients. As in stacked
    regression (Breiman 1996) a negative coefficient is none: of a rare grade it means that little
    was learnt. Such a boundary keeps the eye's own log odds, and so does one where patients left
    out have no lower log loss by both eyes. Cuts and operating points are settled on the log odds
    of patients left out.

    Parameters
    ----------
    logits
        (n, b) of photographs that the network was not fitted on.
    grades
        (n,).
    patients, sides
        As in `other_eye`.
    facts
        Of the fold, see `grading.settle`.

    Returns
    -------
    dict or None
        ``own``, ``other`` and ``bias``, a number a boundary each, and what `grading.settle` returns
        for the fused log odds. None if too few patients have both eyes.
    """
    patients, found = np.asarray(patients, str), _patients(patients, sides)
    if found < LEAST_PATIENTS:
        log.warning(
            "WARNING: no fusion: %d patients outside the fitted rows have both eyes, %d are "
            "needed; those rows are all but the test part with --trainable head, the validation "
            "part otherwise, and larger with more folds (--split kfold:10)",
            found, LEAST_PATIENTS,
        )  # fmt: skip
        return None
    own = odds(logits, facts)
    other = other_eye(own, patients, sides)
    both = paired(patients, sides)
    yes = at_least(grades, facts["target"])
    weights = np.tile([[1.0], [0.0], [0.0]], own.shape[1])
    held_out = own.copy()
    for b in range(own.shape[1]):
        eyes = np.column_stack([own[both, b], other[both, b]])
        fitted = fit_logistic(eyes, yes[both, b : b + 1], patients[both])
        seen = eyes @ fitted.weight[:, 0] + fitted.bias[0]
        # Of thousands some only are left out: three coefficients know none of so many by heart.
        left_out = np.where(np.isnan(fitted.held_out[:, 0]), seen, fitted.held_out[:, 0])
        better = _loss(left_out, yes[both, b]) < _loss(eyes[:, 0], yes[both, b])
        if better and (fitted.weight >= 0).all():
            weights[:, b] = [*fitted.weight[:, 0], fitted.bias[0]]
            held_out[both, b] = left_out
    return {
        "own": weights[0].tolist(), "other": weights[1].tolist(), "bias": weights[2].tolist(),
        **settle(held_out, grades, facts["target"]),
    }  # fmt: skip


def _loss(logits: np.ndarray, yes: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(yes, -logits, logits)).mean())


def fuse(own: np.ndarray, patients: Texts, sides: Texts, fusion: Mapping[str, Any]) -> np.ndarray:
    """Return log odds of photographs that know of the other eye.

    Parameters
    ----------
    own
        (n, b) log odds of each photograph on its own, see `odds`.
    patients, sides
        As in `other_eye`.
    fusion
        Of `fit_fusion`.

    Returns
    -------
    ndarray, shape (n, b)
        Those of `own` where the other eye is not there.
    """
    other = other_eye(own, patients, sides)
    both = own * fusion["own"] + other * fusion["other"] + fusion["bias"]
    return np.where(np.isnan(other), own, both)


def fused_facts(fold: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that a fold decides by: where it fuses both eyes, those settled with it."""
    fusion = fold.get("fusion")
    return {"target": fold["target"], **fusion} if fusion else dict(fold)


def above_of_both(
    logits: np.ndarray, fold: Mapping[str, Any], patients: Texts, sides: Texts
) -> np.ndarray:
    """Return (n, b) probabilities as `grading.above_of`, of photographs with their other eyes."""
    if not fold.get("fusion"):
        return above_of(logits, fold)
    return above_of(fuse(odds(logits, fold), patients, sides, fold["fusion"]), fused_facts(fold))


def graded(
    logits: np.ndarray, facts: Mapping[str, Any], patients: Texts, sides: Texts
) -> dict[str, np.ndarray]:
    """Return the columns of predictions, of both eyes if the fold fuses them.

    Parameters
    ----------
    logits
        (n, b) of the network.
    facts
        Of the fold; those of models without fusion, or from before it, have no ``fusion``.
    patients, sides
        As in `other_eye`.

    Returns
    -------
    dict
        As of `grading.columns`; with fusion also what each photograph says alone, as
        ``p_ge1_alone`` and so on.
    """
    alone = columns(logits, facts)
    if "fusion" not in facts:
        return alone
    # A fold that could not learn it has the same columns as the others of its model.
    fused = decide(above_of_both(logits, facts, patients, sides), fused_facts(facts))
    return fused | {f"{name}{ALONE}": values for name, values in alone.items()}
