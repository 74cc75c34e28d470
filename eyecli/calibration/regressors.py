"""The ladder of per-user regressors, each with its leave-one-point-out residuals in closed form.

Every regressor is one linear map of the base prediction and the embedding, so that one 1x1
convolution can be its Core ML model. Points, not frames, are the unit: 30 frames of one fixation
are one observation of the user's error, and a fit over frames would take them for 30.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eyecli.calibration.samples import Floats, Samples, Texts
from eyecli.errors import DataError

Kind = Literal["identity", "bias", "affine", "ridge"]

# A frame below this quality (a blink, a lost face) is no observation of the gaze.
MIN_QUALITY = 0.5
# Frames farther from the median prediction of their point than this many median distances are
# dropped: the eye was still on the way, or the detector slipped. For normal noise in two
# dimensions 4 median distances are 4.7 standard deviations: 1 frame in 60,000.
FRAME_CUT = 4.0
# Affine and ridge need targets in two dimensions: along a single row of targets they learn to
# answer "this row", which leaving one point out cannot notice. 0.2 is a row of 10 cm with 2 cm
# of height; a phone in portrait has 0.45.
MIN_SPREAD = 0.2
# Affine has three parameters an axis: with one point left out, four leave nothing to average.
MIN_POINTS_AFFINE = 5
# Ridge penalties in units of the mean variance of the standardised embedding, two a decade:
# from nearly none to "the embedding does not matter".
ALPHAS = np.logspace(-4, 1, 11)
# Above this many points the error keeps the flattery of the choice among 22 ridge settings: on
# average 0.1 of its standard error with 155 and 400 points (0.3 with 9), against a second
# leave-out whose cost grows with the square of the points (0.1 s at 400).
NESTED_POINTS = 400


@dataclass(frozen=True)
class Points:
    """One row a calibration point, from its usable frames.

    Parameters
    ----------
    point
        (p,) ids of the points that have a usable frame, sorted.
    embedding, base, target
        (p, D), (p, 2), (p, 2) quality-weighted means over the frames that agree with their point.
    scale
        (D,) standard deviation of each embedding value over the frames, each point counting once.
    valid, frames
        (p,) number of frames good enough, and of all frames.
    lost
        Ids of the points without a usable frame.
    """

    point: Texts
    embedding: Floats
    base: Floats
    target: Floats
    scale: Floats
    valid: NDArray[np.intp]
    frames: NDArray[np.intp]
    lost: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.point)


@dataclass(frozen=True)
class LinearHead:
    """A user's head: ``gaze = weight @ [base; embedding] + bias``.

    Parameters
    ----------
    kind
        Rung of the ladder.
    weight
        (2, 2 + D), the base prediction first.
    bias
        (2,), in the unit of the base prediction.
    alpha
        Penalty of a ridge, in units of `ALPHAS`.
    """

    kind: Kind
    weight: Floats
    bias: Floats
    alpha: float | None = None


@dataclass(frozen=True)
class Fit:
    """A fitted head with its (p, 2) leave-one-point-out residuals, target minus prediction."""

    head: LinearHead
    residual: Floats


def aggregate(samples: Samples) -> Points:
    """Make one robust observation a point.

    Frames below `MIN_QUALITY` are left out, then frames far from the median prediction of their
    point (`FRAME_CUT`); the rest is averaged, weighted by quality. The target takes no part in
    the choice of frames.

    Parameters
    ----------
    samples
        Frames of one user.

    Returns
    -------
    Points
        May be empty, where no frame is good enough.
    """
    ids, code = np.unique(samples.point, return_inverse=True)
    frames = np.bincount(code, minlength=len(ids))
    good = np.full(len(samples), True)
    if samples.quality is not None:
        good = samples.quality >= MIN_QUALITY
    valid = np.bincount(code[good], minlength=len(ids))
    rows = np.flatnonzero(good)[np.argsort(code[good], kind="stable")]
    usable = valid > 0
    code = (np.cumsum(usable) - 1)[code[rows]]
    start = np.cumsum(valid[usable]) - valid[usable]
    base = samples.base[rows]
    off = np.hypot(*(base - _group_median(base, code, start, valid[usable])[code]).T)
    cut = FRAME_CUT * _group_median(off[:, None], code, start, valid[usable])[code, 0]
    weight = np.where(off <= cut, 1.0, 0.0)
    if samples.quality is not None:
        weight *= samples.quality[rows]
    if not len(rows):
        return Points(
            ids[:0], samples.embedding[:0], base, base, np.ones(samples.embedding.shape[1]),
            valid[:0], frames[:0], tuple(ids.tolist()),
        )  # fmt: skip
    weight /= np.add.reduceat(weight, start)[code]
    embedding = samples.embedding[rows]
    mean = np.add.reduceat(embedding * weight[:, None], start)
    spread = (embedding - mean.mean(axis=0)) ** 2
    return Points(
        point=ids[usable],
        embedding=mean,
        base=np.add.reduceat(base * weight[:, None], start),
        target=samples.target[rows[start]],
        scale=np.sqrt(weight @ spread / len(start)),
        valid=valid[usable],
        frames=frames[usable],
        lost=tuple(ids[~usable].tolist()),
    )


def _group_median(
    values: Floats, code: NDArray[np.intp], start: NDArray[np.intp], count: NDArray[np.intp]
) -> Floats:
    """Return (groups, columns) medians of `values`, whose rows are sorted by `code`."""
    columns = []
    for column in values.T:
        column = column[np.lexsort((column, code))]
        columns.append((column[start + (count - 1) // 2] + column[start + count // 2]) / 2)
    return np.stack(columns, axis=1)


def fit_identity(points: Points) -> Fit:
    """Leave the base prediction as it is."""
    return Fit(_head("identity", points, np.eye(2), np.zeros(2)), points.target - points.base)


def fit_bias(points: Points) -> Fit | None:
    """Shift the base prediction by the mean error; None with fewer than two points."""
    p = len(points)
    if p < 2:
        return None
    error = points.target - points.base
    shift = error.mean(axis=0)
    return Fit(_head("bias", points, np.eye(2), shift), (error - shift) * (p / (p - 1)))


def fit_affine(points: Points) -> Fit | None:
    """Least squares from the base prediction to the target, both axes mixed.

    Leave-one-out residuals are ``e_i / (1 - h_ii)`` with the leverage ``h_ii`` (PRESS; Allen
    1974, The relationship between variable selection and data augmentation).

    Returns
    -------
    Fit or None
        None where the points do not determine it, with one of them left out included.
    """
    p = len(points)
    if p < MIN_POINTS_AFFINE or not (spans_plane(points.target) and spans_plane(points.base)):
        return None
    centre = points.base.mean(axis=0)
    u, s, vt = np.linalg.svd(points.base - centre, full_matrices=False)
    free = 1 - 1 / p - (u**2).sum(axis=1)
    if free.min() < 1e-6:
        return None
    mean = points.target.mean(axis=0)
    fitted = u.T @ (points.target - mean)
    weight = (vt.T @ (fitted / s[:, None])).T
    residual = (points.target - mean - u @ fitted) / free[:, None]
    return Fit(_head("affine", points, weight, mean - weight @ centre), residual)


def fit_ridge(points: Points) -> Fit | None:
    """Ridge regression on the standardised embedding, for what a prior leaves unexplained.

    The prior is the base prediction (the ridge then predicts the user's residual: right with few
    points, since a strong penalty leaves base plus bias) or nothing (it predicts the target:
    right where the base prediction is worse than its embedding). Prior and penalty are those
    with the least leave-one-point-out error. The residuals returned are *nested*: the setting
    that predicts point i is chosen without point i, so that the choice among 22 settings does
    not flatter the error. Both levels are closed forms of one decomposition: with the residuals
    ``E``, the hat matrix ``H`` and ``M = I - H``, leaving the set ``S`` out gives the residuals
    ``inv(M_SS) @ E_S`` (PRESS for one point, its block form for two). The scale of the embedding
    comes from all points: it has seen no target.

    Returns
    -------
    Fit or None
        None with fewer points than affine needs, or targets along a line.
    """
    p, dims = points.embedding.shape
    if p < MIN_POINTS_AFFINE or not spans_plane(points.target):
        return None
    # A value that hardly moves (a dead ReLU) must not become a large one.
    floor = 0.05 * np.sqrt(np.mean(points.scale**2))
    scale = np.maximum(points.scale, floor if floor > 0 else 1.0) * np.sqrt(dims)
    centre = points.embedding.mean(axis=0)
    u, s, vt = np.linalg.svd((points.embedding - centre) / scale, full_matrices=False)
    y = np.hstack([points.target - points.base, points.target])
    mean = y.mean(axis=0)
    score, nested, single = [], [], []
    for alpha in ALPHAS:
        m = np.eye(p) - 1 / p - (u * (s**2 / (s**2 + p * alpha))) @ u.T
        once, inner = _leave_out(m, m @ y, nested=p <= NESTED_POINTS)
        single.append(once)
        score.append(_lengths(once).mean(axis=0))
        nested.append(inner)
    # (settings, p, 2) residuals; settings run over the alphas, within them over the two priors.
    left = np.stack(single).reshape(len(ALPHAS), p, 2, 2).swapaxes(1, 2).reshape(-1, p, 2)
    inside = np.stack(nested).swapaxes(1, 2).reshape(-1, p)
    best = int(np.argmin(np.stack(score).ravel()))
    alpha, prior = ALPHAS[best // 2], 1 - best % 2
    columns = slice(0, 2) if prior else slice(2, 4)
    shrunk = (s / (s**2 + p * alpha))[:, None] * (u.T @ (y[:, columns] - mean[columns]))
    on_embedding = ((vt.T @ shrunk) / scale[:, None]).T
    weight = np.hstack([prior * np.eye(2), on_embedding])
    head = LinearHead("ridge", weight, mean[columns] - on_embedding @ centre, float(alpha))
    return Fit(head, left[inside.argmin(axis=0), np.arange(p)])


def _leave_out(m: Floats, e: Floats, nested: bool) -> tuple[Floats, Floats]:
    """Leave-one-out residuals, and the mean inner error when each point is left out as well.

    Parameters
    ----------
    m, e
        (p, p) identity minus hat matrix, (p, 4) residuals of two targets of two axes.
    nested
        Without it the inner error is the plain one, the same for every point.

    Returns
    -------
    tuple of ndarray
        (p, 4) residuals; (p, 2) mean error over the points j != i with i and j left out.
    """
    p = len(m)
    d = np.diag(m)
    once = e / d[:, None]
    if not nested:
        return once, np.broadcast_to(_lengths(once).mean(axis=0), (p, 2))
    det = np.outer(d, d) - m**2
    np.fill_diagonal(det, 1.0)
    # Residual of j with {i, j} left out, rows i; zero where i is j.
    both = (d[:, None, None] * e[None] - m[:, :, None] * e[:, None]) / det[:, :, None]
    return once, _lengths(both).sum(axis=1) / (p - 1)


def _lengths(e: Floats) -> Floats:
    """Euclidean lengths of the two (x, y) pairs in the last axis."""
    return np.stack([np.hypot(e[..., 0], e[..., 1]), np.hypot(e[..., 2], e[..., 3])], axis=-1)


def spans_plane(xy: Floats) -> bool:
    """Whether (p, 2) points spread in two dimensions, not along a line (`MIN_SPREAD`)."""
    s = np.linalg.svd(xy - xy.mean(axis=0), compute_uv=False)
    return bool(s[0] > 0 and s[-1] >= MIN_SPREAD * s[0])


def _head(kind: Kind, points: Points, weight: Floats, bias: Floats) -> LinearHead:
    zeros = np.zeros((2, points.embedding.shape[1]))
    return LinearHead(kind, np.hstack([weight, zeros]), bias)


# From simple to rich: the order in which the one-standard-error rule prefers them.
LADDER: dict[Kind, Callable[[Points], Fit | None]] = {
    "identity": fit_identity,
    "bias": fit_bias,
    "affine": fit_affine,
    "ridge": fit_ridge,
}


def fit_head(samples: Samples, kind: Kind) -> LinearHead:
    """Fit one rung of the ladder, whatever its error.

    Raises
    ------
    DataError
        If the points do not determine it.
    """
    points = aggregate(samples)
    fit = LADDER[kind](points) if len(points) else None
    if fit is None:
        raise DataError(
            f"{len(points)} usable points do not determine a head of kind {kind}",
            "calibrate with more points, spread over the screen",
        )
    return fit.head
