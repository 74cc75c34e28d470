"""Grades as what they are, in order: losses, thresholds on a score, weights of rare grades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from eyecli.metrics.agreement import quadratic_weighted_kappa

# o_O, second in the Kaggle contest of 2015: class balance decays to these with every epoch.
FINAL_WEIGHTS = (1.0, 2.0, 2.0, 2.0, 2.0)
DECAY = 0.975


def corn_loss(k: int) -> Callable[[Any, Any], Any]:
    """Loss of k grades by k - 1 conditional questions (Shi, Cao and Raschka 2021, equation 4).

    Question j is whether the grade is above j, asked of samples whose grade is j or more: the
    conditional training subset. As in the paper the log losses are divided by the size of all
    subsets of the batch together; times the samples, so that the mean over the samples, which
    Keras takes, is that, and weights of samples keep their meaning.

    Parameters
    ----------
    k
        Number of grades.

    Returns
    -------
    callable
        From true grades (..., 1) and logits (..., k - 1), tensors of Keras, to (...) losses.
    """

    def loss(truth: Any, logits: Any) -> Any:
        from keras import ops

        grade = ops.cast(truth, logits.dtype)
        question = ops.arange(k - 1, dtype=logits.dtype)
        asked = ops.cast(grade >= question, logits.dtype)
        above = ops.cast(grade > question, logits.dtype)
        # -log sigmoid(z) = softplus(-z); -log(1 - sigmoid(z)) = softplus(z).
        each = asked * (ops.softplus(logits) - above * logits)
        # Every sample is asked the first question: the sum is never zero.
        return ops.sum(each, axis=-1) / ops.mean(ops.sum(asked, axis=-1))

    return loss


def corn_probabilities(logits: np.ndarray) -> np.ndarray:
    """Probabilities of k grades from (..., k - 1) logits of `corn_loss`: (..., k).

    The chance of more than j is the product of the answers up to j: ranks are consistent.
    """
    answers = 0.5 * (1 + np.tanh(np.asarray(logits, float) / 2))
    above = np.cumprod(answers, axis=-1)
    edge = np.ones((*above.shape[:-1], 1))
    above = np.concatenate([edge, above, 0 * edge], axis=-1)
    return above[..., :-1] - above[..., 1:]


def expected_grade(probabilities: np.ndarray) -> np.ndarray:
    """Mean grade of (..., k) probabilities: a score for `thresholds_from_validation`."""
    probabilities = np.asarray(probabilities, float)
    return probabilities @ np.arange(probabilities.shape[-1])


def grade_of(scores: np.ndarray, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """Grade of (n,) scores: how many of the (k - 1,) rising thresholds they reach."""
    return np.searchsorted(np.asarray(thresholds, float), scores, side="right")


def thresholds_from_validation(scores: np.ndarray, grades: np.ndarray, k: int) -> np.ndarray:
    """Thresholds on a score that give most quadratic weighted kappa.

    From 0.5, 1.5, 2.5... one threshold after the other goes where it is best between its
    neighbours, exactly: between two scores nothing changes. Rounds end when none moves. To be
    chosen on validation rows and applied to test rows.

    Parameters
    ----------
    scores
        (n,) finite, such as the output of a regression of the grade.
    grades
        (n,) true grades, 0 to k - 1.
    k
        Number of grades.

    Returns
    -------
    ndarray, shape (k - 1,)
        Rising; two are equal, or one is beyond all scores, where a grade is better never given.
        Those of the start where kappa has no value. Of equally good places the one nearest the
        last is taken.

    Raises
    ------
    ValueError
        Without samples, or if a score is not finite.
    """
    scores, grades = np.asarray(scores, float), np.asarray(grades).astype(np.int64)
    if not len(scores) or not np.isfinite(scores).all():
        raise ValueError("thresholds need samples with finite scores")
    thresholds = np.arange(k - 1) + 0.5
    distinct = np.unique(scores)
    # Half a grade beyond all scores, so that the lowest and the highest grade may be never given.
    ends = [distinct[0] - 0.5, distinct[-1] + 0.5]
    places = np.unique(np.concatenate([(distinct[1:] + distinct[:-1]) / 2, thresholds, ends]))
    order = np.argsort(scores)
    placed = np.searchsorted(scores[order], places, side="left")
    # Row i: how many of each true grade score below place i.
    below = np.concatenate([np.zeros((1, k)), np.cumsum(np.eye(k)[grades[order]], axis=0)])[placed]
    total = np.bincount(grades, minlength=k).astype(float)
    at = np.searchsorted(places, thresholds)
    moved = True
    while moved:
        moved = False
        for j in range(k - 1):
            low = at[j - 1] if j else 0
            high = at[j + 1] if j + 1 < k - 1 else len(places) - 1
            tried = np.arange(low, high + 1)
            kappa = _kappas(below, total, at, j, tried)
            # Where kappa has no value all is right already: nothing is more than NaN.
            better = kappa > kappa[at[j] - low] + 1e-12
            if better.any():
                best = tried[better & (kappa >= kappa[better].max() - 1e-12)]
                at[j] = best[np.abs(best - at[j]).argmin()]
                moved = True
    return places[at]


def _kappas(
    below: np.ndarray, total: np.ndarray, at: np.ndarray, j: int, tried: np.ndarray
) -> np.ndarray:
    """Kappa with threshold j at each of the places tried, the others where they are."""
    edges = np.broadcast_to(below[at], (len(tried), *below[at].shape)).copy()
    edges[:, j] = below[tried]
    ends = np.broadcast_to(total, (len(tried), 1, len(total)))
    called = np.diff(np.concatenate([0 * ends, edges, ends], axis=1), axis=1)
    return quadratic_weighted_kappa(called.swapaxes(1, 2))


def class_weights(grades: np.ndarray, k: int, power: float = 1.0) -> np.ndarray:
    """Weight of every grade, against its frequency; their mean over the samples is 1.

    Parameters
    ----------
    grades
        (n,) of the train rows.
    k
        Number of grades.
    power
        0 weighs all alike, 1 gives all grades the same sum of weights, 0.5 lies between.

    Returns
    -------
    ndarray, shape (k,)
        0 for grades without samples.
    """
    counts = np.bincount(np.asarray(grades).astype(np.int64), minlength=k).astype(float)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -power, 0.0)
    return weights * counts.sum() / (weights @ counts)


def resampling_weights(
    grades: np.ndarray,
    epoch: int,
    start: Sequence[float] | np.ndarray,
    end: Sequence[float] | np.ndarray = FINAL_WEIGHTS,
    decay: float = DECAY,
) -> np.ndarray:
    """Chance of every sample to be drawn in an epoch, with replacement (o_O 2015).

    The weights of the grades begin at `start` and come nearer to `end` with every epoch, by
    ``decay ** epoch``: rare grades are learnt first, their share in the world later.

    Parameters
    ----------
    grades
        (n,) of the train rows.
    epoch
        From 0.
    start, end
        (k,) weights of the grades. Started with ``n / count`` all grades are equally frequent.

    Returns
    -------
    ndarray, shape (n,)
        Sum 1.
    """
    share = decay**epoch
    weights = share * np.asarray(start, float) + (1 - share) * np.asarray(end, float)
    chance = weights[np.asarray(grades).astype(np.int64)]
    return chance / chance.sum()
