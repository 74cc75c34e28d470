"""Frozen EfficientNet-Lite0 features tell referable retinopathy: is the port good for its use?

`pytest -m slow -s tests/nets/test_idrid.py` prints the figures.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from real_data import real_data
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from weight_files import Weights

from eyecli.nets import efficientnet_lite as lite
from eyecli.training.backend import load_keras
from eyecli.weights.checkpoint import read_checkpoint
from eyecli.weights.mapping import load_into

pytest_plugins = ["lite_weights"]

SIZE, GRADES = 300, 5
PENALTIES = (0.01, 0.1, 1.0)


def photograph(path: Path) -> np.ndarray:
    """Return the disc of a fundus photograph in the middle of a black square."""
    pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    bright = pixels.max(2) > 20
    rows, columns = (np.flatnonzero(bright.mean(axis) > 0.05) for axis in (1, 0))
    disc = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = disc.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = cv2.copyMakeBorder(
        disc, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT
    )
    return cv2.resize(square, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def features(paths: list[Path], weights: Path) -> np.ndarray:
    """Return means and maxima of the last map (n, 2560)."""
    name = "efficientnet-lite0"
    model = lite.build(name, (SIZE, SIZE, 3), include_top=False)
    load_into(
        model.layers, read_checkpoint(weights), lite.checkpoint_key, name,
        left_out=lite.left_out(name),
    )  # fmt: skip
    found = []
    for start in range(0, len(paths), 16):
        pixels = np.stack([photograph(path) for path in paths[start : start + 16]])
        values = pixels * np.float32(lite.SCALE) + np.float32(lite.OFFSET)
        maps = load_keras().ops.convert_to_numpy(model(values, training=False))
        found.append(np.hstack([maps.mean((1, 2)), maps.max((1, 2))]))
    return np.concatenate(found).astype(np.float64)


def chances(train: np.ndarray, grades: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the probabilities of grade 1, 2, 3 and 4 or more (n, 4), a logistic regression each.

    Its penalty is chosen by cross-validation within the train part.
    """
    mean = train.mean(0)
    # The solution lies in the span of the samples: the same in fewer dimensions.
    basis = np.linalg.svd(train - mean, full_matrices=False)[2].T
    inner = StratifiedKFold(3, shuffle=True, random_state=1)
    columns = []
    for least in range(1, GRADES):
        model = LogisticRegressionCV(
            Cs=PENALTIES,
            cv=inner,
            scoring="neg_log_loss",
            max_iter=500,
            use_legacy_attributes=False,
        )
        model.fit((train - mean) @ basis, grades >= least)
        columns.append(model.predict_proba((test - mean) @ basis)[:, 1])
    return np.stack(columns, 1)


@pytest.mark.slow
def test_features_of_imagenet_and_a_logistic_regression(lite_weights: Weights) -> None:
    data = real_data("dr/idrid")
    _, weights = lite_weights("efficientnet-lite0")
    table = pd.read_csv(data / "labels.csv")
    grades = table["grade"].to_numpy()
    known = features([data / path for path in table["path"]], weights)
    found = np.empty((len(grades), GRADES - 1))
    # No ids of patients exist: the folds are by image.
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for train, test in folds.split(known, grades):
        found[test] = chances(known[train], grades[train], known[test])
    auc = roc_auc_score(grades >= 2, found[:, 1])
    # The expected grade is the sum of these probabilities.
    kappa = cohen_kappa_score(grades, np.rint(found.sum(1)).astype(int), weights="quadratic")
    print(f"\n{len(grades)} photographs: AUC {auc:.3f} for grade 2 or more, kappa {kappa:.3f}")
    assert auc >= 0.955
    assert kappa >= 0.75
