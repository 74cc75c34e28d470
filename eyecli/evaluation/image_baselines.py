"""Baselines of a grade: what brightness, sizes and edges of a photograph already tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eyecli.evaluation.logistic import fit_logistic

# Below this share of the bright parts' value, a pixel is outside of the fundus.
DARK = 0.12
HOG_SIDE = 128
# More train rows than this are thinned, evenly over the table: they gain little and cost minutes.
MOST = 3_000


def brightness(pixels: np.ndarray) -> np.ndarray:
    """Mean and deviation of every channel inside the fundus: (2 c,) of (h, w, c) pixels.

    Inside is where the brightest channel has more than `DARK` of its 90th percentile. 0 of an
    image that is all black.
    """
    values = np.asarray(pixels, float)
    brightest = values.max(axis=2)
    inside = values[brightest > DARK * np.percentile(brightest, 90)]
    if not len(inside):
        return np.zeros(2 * values.shape[2])
    return np.concatenate([inside.mean(axis=0), inside.std(axis=0)])


def hog(pixels: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005) of (h, w, 3) pixels in grey.

    Scaled to 128 x 128 pixels; nine orientations, cells of 16 pixels, blocks of 2 x 2 cells:
    (1764,).
    """
    import cv2
    from skimage.feature import hog as histograms

    grey = np.asarray(pixels, np.float64).mean(axis=2)
    small = cv2.resize(grey, (HOG_SIDE, HOG_SIDE), interpolation=cv2.INTER_AREA)
    return histograms(small / 255, orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2))


def majority(classes: np.ndarray, train: np.ndarray, test: np.ndarray, k: int) -> np.ndarray:
    """Class frequencies of the train rows for everybody: (len(test), k).

    Parameters
    ----------
    classes
        (n,) of all rows, 0 to k - 1; those of `train` are read only.
    train, test
        Row numbers.
    k
        Number of classes.
    """
    counts = np.bincount(np.asarray(classes)[train].astype(np.int64), minlength=k)
    return np.tile(counts / counts.sum(), (len(test), 1))


def baseline_probabilities(
    features: np.ndarray,
    classes: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    k: int,
) -> np.ndarray:
    """Logistic regression on features of all rows (see `fit_logistic`): (len(test), k).

    Parameters
    ----------
    features
        (n, p): brightness, HOG, or a table of sizes and facts of the camera. Values that are no
        finite number are unknown: those of the train rows' median.
    classes, groups
        (n,) classes 0 to k - 1 and groups of all rows; those of `train` are read only.
    train, test
        Row numbers.
    k
        Number of classes.
    """
    features = np.asarray(features, np.float64)
    if len(train) > MOST:
        train = train[np.linspace(0, len(train) - 1, MOST).astype(int)]
    features = np.where(np.isfinite(features), features, np.nan)
    known = np.isfinite(features[train]).any(axis=0)
    features = features[:, known]
    features = np.where(np.isnan(features), np.nanmedian(features[train], axis=0), features)
    fitted = fit_logistic(features[train], np.asarray(classes)[train], np.asarray(groups)[train], k)
    return fitted.probabilities(features[test])
