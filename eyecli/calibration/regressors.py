"""The ladder of per-user regressors, each with its leave-one-point-out residuals in closed form.

Every regressor is one linear map of the base prediction and the embedding, so that one 1x1
convolution can be its Core ML model. Points, not frames, are the unit: 30 frames of one fixation
are one observation of the user's error, and a fit over frames would take them for 30.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eyecli.calibration.press import choose
from eyecli.calibration.samples import Floats, Samples, Texts
from eyecli.coreml.heads.forms import Head, Kind

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
    kept
        Rows of the frames that were averaged.
    """

    point: Texts
    embedding: Floats
    base: Floats
    target: Floats
    scale: Floats
    valid: NDArray[np.intp]
    frames: NDArray[np.intp]
    lost: tuple[str, ...] = ()
    kept: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))

    def __len__(self) -> int:
        return len(self.point)


@dataclass(frozen=True)
class Fit:
    """A fitted head with its (p, 2) leave-one-point-out residuals, target minus prediction."""

    head: Head
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
        kept=np.sort(rows[off <= cut]),
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
    with the least leave-one-point-out error; the residuals are nested (`press.choose`). The scale
    of the embedding comes from all points: it has seen no target.

    Returns
    -------
    Fit or None
        None with fewer points than affine needs, or targets along a line.
    """
    p = len(points)
    if p < MIN_POINTS_AFFINE or not spans_plane(points.target):
        return None
    scale = embedding_scale(points)
    centre = points.embedding.mean(axis=0)
    u, s, vt = np.linalg.svd((points.embedding - centre) / scale, full_matrices=False)
    y = np.hstack([points.target - points.base, points.target])
    mean = y.mean(axis=0)
    best = choose([(u, s**2)], ALPHAS, y)
    alpha, prior = best.alpha, 1 - best.target
    columns = slice(0, 2) if prior else slice(2, 4)
    shrunk = (s / (s**2 + p * alpha))[:, None] * (u.T @ (y[:, columns] - mean[columns]))
    on_embedding = ((vt.T @ shrunk) / scale[:, None]).T
    weight = np.hstack([prior * np.eye(2), on_embedding])
    head = Head("ridge", weight, mean[columns] - on_embedding @ centre, alpha)
    return Fit(head, best.residual)


def embedding_scale(points: Points) -> Floats:
    """Return (D,) what the embedding is divided by, so that its mean square is about one."""
    # A value that hardly moves (a dead ReLU) must not become a large one.
    floor = 0.05 * np.sqrt(np.mean(points.scale**2))
    return np.maximum(points.scale, floor if floor > 0 else 1.0) * np.sqrt(len(points.scale))


def spans_plane(xy: Floats) -> bool:
    """Whether (p, 2) points spread in two dimensions, not along a line (`MIN_SPREAD`)."""
    s = np.linalg.svd(xy - xy.mean(axis=0), compute_uv=False)
    return bool(s[0] > 0 and s[-1] >= MIN_SPREAD * s[0])


def _head(kind: Kind, points: Points, weight: Floats, bias: Floats) -> Head:
    zeros = np.zeros((2, points.embedding.shape[1]))
    return Head(kind, np.hstack([weight, zeros]), bias)


# From simple to rich: the order in which the one-standard-error rule prefers them.
LADDER: dict[Kind, Callable[[Points], Fit | None]] = {
    "identity": fit_identity,
    "bias": fit_bias,
    "affine": fit_affine,
    "ridge": fit_ridge,
}
