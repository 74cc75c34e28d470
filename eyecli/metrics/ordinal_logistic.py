"""Probabilities of ordered classes from one score: a slope, and a level for each boundary."""

from __future__ import annotations

import numpy as np

from eyecli.metrics.calibration import COLDEST, HOTTEST


def fit_levels(scores: np.ndarray, above: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit ``P(class > k) = sigmoid((score - level k) / temperature)``.

    Proportional odds (McCullagh 1980) by the log losses of all boundaries together, a convex
    problem. Targets are drawn in as by Platt (1999), as if each side of a boundary had one sample
    more, so that classes without samples or told without error leave the levels finite. To be
    fitted on validation rows.

    Parameters
    ----------
    scores
        (n,), such as the output of a regression of the grade.
    above
        (n, b) bool: is the class above boundary k? Not increasing along the second axis.

    Returns
    -------
    temperature : float
        From `COLDEST` to `HOTTEST`, where the score tells nothing or the wrong thing.
    levels : ndarray, shape (b,)
        Not decreasing.

    Raises
    ------
    ValueError
        Without samples, or if a score is no finite number.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    scores, above = np.asarray(scores, float), np.asarray(above, bool)
    if not len(scores) or not np.isfinite(scores).all():
        raise ValueError("levels need samples with finite scores")
    positive = above.sum(axis=0)
    wanted = np.where(above, (positive + 1) / (positive + 2), 1 / (len(scores) - positive + 2))
    middle, scale = scores.mean(), scores.std() or 1.0
    standard = ((scores - middle) / scale)[:, None]

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        z = x[0] * standard - x[1:]
        slope = (expit(z) - wanted) / len(scores)
        value = (np.logaddexp(0, z) - wanted * z).sum() / len(scores)
        return value, np.concatenate([[(slope * standard).sum()], -slope.sum(axis=0)])

    start = np.zeros(1 + above.shape[1])
    start[0] = np.clip(1.0, scale / HOTTEST, scale / COLDEST)
    bounds = [(scale / HOTTEST, scale / COLDEST), *[(None, None)] * above.shape[1]]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
                     options={"ftol": 1e-12, "gtol": 1e-8}).x  # fmt: skip
    temperature = scale / found[0]
    return float(temperature), np.maximum.accumulate(middle + temperature * found[1:])
