from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eyecli.training.checkpoint import NAME, PREVIOUS, Groups, Position, load, remove, save


def state(epoch: int) -> tuple[Position, Groups]:
    at = Position(epoch, 3, {"loss": 1.5}, 21, [{"epoch": 1, "loss": 0.25}], 1, 2.5)
    arrays: list[np.ndarray] = [np.full((2, 3), epoch, np.float32), np.array(7, np.int64)]
    return at, {"model": arrays, "best": []}


def found_epoch(folder: Path, identity: str = "one") -> int | None:
    found = load(folder, identity)
    if found is None:
        return None
    at, groups = found
    expected, arrays = state(at.epoch)
    assert at == expected and groups.keys() == arrays.keys()
    for name, values in arrays.items():
        for ours, theirs in zip(groups[name], values, strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
    return at.epoch


def damage(path: Path, where: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("where", [0.0, 0.02, 0.5, 0.999])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, where: float
) -> None:
    assert found_epoch(tmp_path) is None
    for epoch in (1, 2):
        save(tmp_path, "one", *state(epoch))
        assert found_epoch(tmp_path) == epoch
    damage(tmp_path / NAME, where)
    assert found_epoch(tmp_path) == 1
    assert caplog.text.count(f"{tmp_path / NAME}: damaged checkpoint, ignored") == 1
    damage(tmp_path / PREVIOUS, where)
    assert found_epoch(tmp_path) is None
    remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_cut_short_or_not_there_between_two_moments(tmp_path: Path) -> None:
    for epoch in (1, 2):
        save(tmp_path, "one", *state(epoch))
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:-100])
    assert found_epoch(tmp_path) == 1
    (tmp_path / NAME).unlink()
    assert found_epoch(tmp_path) == 1


def test_a_checkpoint_of_another_training_is_not_taken_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for epoch in (1, 2):
        save(tmp_path, "one", *state(epoch))
    assert found_epoch(tmp_path, "another") is None
    assert caplog.text.count("checkpoint of another training, ignored") == 2


def test_what_does_not_fit_is_named_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for epoch in (1, 2):
        save(tmp_path, "one", *state(epoch))
    found = load(tmp_path, "one", lambda at, groups: at.epoch == 1)
    assert found and found[0].epoch == 1
    assert caplog.text.count(f"{tmp_path / NAME}: damaged checkpoint, ignored") == 1
    assert load(tmp_path, "one", lambda at, groups: False) is None
