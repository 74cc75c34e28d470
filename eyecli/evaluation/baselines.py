"""Trivial baselines: what a model must beat before anybody should believe it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eyecli.data.arrays import Arrays
from eyecli.data.prepared import Prepared, groups_and_parts
from eyecli.data.split import Split
from eyecli.evaluation.ridge import fit_ridge

if TYPE_CHECKING:
    import pandas as pd

# Pixels are scaled down to this side for ridge regression; more gains nothing and costs memory.
SIDE = 24
# More train samples than this are thinned, evenly over the table.
MOST = 20_000


@dataclass(frozen=True)
class Known:
    """What a baseline may use: the rows outside the test part, and the test rows' inputs.

    Attributes
    ----------
    arrays, images
        The prepared arrays and which of them are images.
    test_arrays
        The arrays that the test rows are of: the same, or those of external data.
    targets, groups
        (N, t) targets and (N,) groups of all samples; a baseline reads those of `train` only.
    train, test
        Row numbers.
    """

    arrays: Arrays
    test_arrays: Arrays
    images: list[str]
    targets: np.ndarray
    groups: np.ndarray
    train: np.ndarray
    test: np.ndarray


Baseline = Callable[[Known], np.ndarray]


@dataclass(frozen=True)
class Fold:
    """One fold of a table of predictions, for baselines that are fitted anew.

    Attributes
    ----------
    rows
        Positions in the table.
    groups
        (N,) groups of all samples that may be fitted on.
    train, test
        Row numbers of the samples to fit on, and of those to predict.
    """

    rows: np.ndarray
    groups: np.ndarray
    train: np.ndarray
    test: np.ndarray


def each_fold(
    table: pd.DataFrame, prepared: Prepared, split: Split, part: str, judged: Prepared
) -> Iterator[Fold]:
    """Yield the folds of a table of predictions.

    Parameters
    ----------
    table
        Rows of predictions.
    prepared, split
        What baselines are fitted on: all rows of a fold that are neither in its test part nor in
        `part`.
    part
        The part that the rows are of.
    judged
        The data that the rows are of: `prepared`, or external data.
    """
    row_of = {sample: row for row, sample in enumerate(judged.index["sample"])}
    partitions = table["partition"].to_numpy(int)
    for partition in np.unique(partitions):
        rows = np.flatnonzero(partitions == partition)
        groups, parts = groups_and_parts(prepared, split, partition)
        yield Fold(
            rows,
            groups,
            np.flatnonzero(~np.isin(parts, ("test", part))),
            np.array([row_of[sample] for sample in table["sample"].to_numpy()[rows]]),
        )


def constant(known: Known) -> np.ndarray:
    """Predict the median of the train targets for everybody."""
    return np.tile(np.median(known.targets[known.train], axis=0), (len(known.test), 1))


def ridge_on_pixels(known: Known) -> np.ndarray:
    """Ridge regression on small grey images, each standardised; penalty chosen within train."""
    train = known.train
    if len(train) > MOST:
        train = train[np.linspace(0, len(train) - 1, MOST).astype(int)]
    pixels = small_grey(known.arrays, known.images, train)
    fitted = fit_ridge(pixels, known.targets[train], known.groups[train], standardise=False)
    return fitted.predict(small_grey(known.test_arrays, known.images, known.test))


def small_grey(arrays: Arrays, images: list[str], rows: np.ndarray) -> np.ndarray:
    """Return (rows, images * SIDE * SIDE) grey values, zero mean and unit deviation an image."""
    import cv2

    columns = []
    for name in images:
        small = np.stack(
            [
                cv2.resize(pixels.mean(axis=2), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
                for pixels in arrays.take(name, rows)
            ]
        )
        deviation = small.std(axis=1, keepdims=True)
        columns.append(
            (small - small.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1)
        )
    return np.hstack(columns)


REGISTRY: dict[str, Baseline] = {"constant": constant, "ridge on pixels": ridge_on_pixels}
# What each does, for the methods of a paper.
DESCRIPTIONS = {
    "constant": "constant, the median of the training targets",
    "ridge on pixels": f"ridge regression on images scaled to {SIDE} x {SIDE} grey pixels, its "
    "penalty chosen by cross-validation over groups",
    "majority": "majority, the shares of the classes in the training data",
    "brightness": "logistic regression on mean and deviation of the colours of the fundus",
    "camera": "logistic regression on the sizes of picture and file",
    "rotation": "logistic regression on the outline of what is bright, which tells how a picture "
    "was turned",
    "HOG": "logistic regression on histograms of oriented gradients (Dalal and Triggs 2005)",
}
