"""Kept features are those that were written, or computed again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_training import ROWS, make_arrays, roughen

from eyecli.training import features
from eyecli.training.backend import load_keras
from eyecli.training.features import kept_outputs
from eyecli.training.fit import Learner

SOME = np.array([3, 0, 31])
Kept = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Twice the inputs, as what a frozen network makes of them."""
    keras, folder = load_keras(), tmp_path_factory.mktemp("kept")
    x = keras.Input((4,), name="x")
    twice = keras.layers.Dense(4, use_bias=False, name="twice")
    model = keras.Model({"x": x}, {"embedding": twice(x)})
    twice.set_weights([2 * np.eye(4)])
    arrays = make_arrays(folder)
    prepared: Any = SimpleNamespace(
        arrays=arrays, index=range(ROWS),
        artifact=SimpleNamespace(manifest=SimpleNamespace(digest="drawn")),
    )  # fmt: skip
    learner = Learner(model, ["x"], {}, {}, lambda rows: rows, roughen, view=roughen)

    def run(cache: Path, view: int = 0) -> np.ndarray:
        found = kept_outputs(cache, learner, prepared, SOME, view)["embedding"]
        if not view:
            np.testing.assert_allclose(found, 2 * arrays.take("x", SOME), rtol=1e-6)
        return found

    return run


def test_they_are_computed_once(
    kept: Kept, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = kept(tmp_path)
    (path,) = tmp_path.glob("*.npy")
    assert path.stat().st_size > 16 * ROWS and "once for all folds" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(kept(tmp_path), first)
    assert not caplog.text and len(np.load(path)) == ROWS


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 40)


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def _replaced(path: Path) -> None:
    np.save(path, np.ones((ROWS, 4), np.float32))


@pytest.mark.parametrize("change", [_cut, _emptied, _flipped, _replaced])
def test_one_that_was_changed_is_computed_again(
    kept: Kept, tmp_path: Path, change: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    kept(tmp_path)
    (path,) = tmp_path.glob("*.npy")
    before = path.read_bytes()
    change(path)
    kept(tmp_path)
    (warning,) = _warned(caplog)
    assert warning.startswith(f"{path}: was changed or cut off")
    assert path.read_bytes() == before and [*tmp_path.glob("*.npy")] == [path]
    kept(tmp_path)
    assert len(_warned(caplog)) == 1


def test_features_under_the_name_of_others_are_computed_again(
    kept: Kept, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept(tmp_path)
    (path,) = tmp_path.glob("*.npy")
    kept(tmp_path, 1)
    (other,) = {*tmp_path.glob("*.npy")} - {path}
    path.write_bytes(other.read_bytes())
    kept(tmp_path)
    assert len(_warned(caplog)) == 1


def test_one_that_cannot_be_written_leaves_nothing(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("eyecli.workspace.store.os.fsync", fails)
    monkeypatch.setattr(features, "lease", lambda *_, **__: nullcontext())
    with pytest.raises(OSError, match="no space"):
        kept(tmp_path)
    assert not [*tmp_path.iterdir()]


def _warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
