"""Aliases: the newest setting counts, none is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import make, start

from eyecli.errors import DataError, UsageError
from eyecli.workspace.aliases import alias_history, list_aliases, read_alias, set_alias
from eyecli.workspace.references import resolve
from eyecli.workspace.store import open_workspace

SET = """
import sys
from pathlib import Path
from eyecli.workspace.aliases import set_alias
while not Path(sys.argv[3]).exists():
    pass
for number in range(5):
    set_alias(Path(sys.argv[1]), "model/gaze", "production", int(sys.argv[2]) * 10 + number, "ab")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


def test_the_newest_setting_counts_and_the_others_are_the_history(root: Path) -> None:
    digests = [make(root, {"x": bytes([n])}, force=True).artifact.manifest.digest for n in range(3)]
    for version in (2, 3, 1):
        set_alias(root, "model/gaze", "production", version, digests[version - 1])
    assert read_alias(root, "model/gaze", "production") == 1
    assert resolve(root, "model/gaze@production").ref == "model/gaze@v1"
    history = alias_history(root, "model/gaze", "production")
    assert [(entry.version, entry.digest) for entry in history] == [
        (2, digests[1]), (3, digests[2]), (1, digests[0])
    ]  # fmt: skip
    assert list_aliases(root, "model/gaze") == {"production": 1}
    assert list((root / "tmp").iterdir()) == []


def test_eight_processes_at_once_lose_none(root: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    processes = [start(SET, root, number, go) for number in range(8)]
    go.touch()
    assert [process.wait() for process in processes] == [0] * 8
    found = [entry.version for entry in alias_history(root, "model/gaze", "production")]
    assert sorted(found) == sorted(p * 10 + n for p in range(8) for n in range(5))
    for p in range(8):
        own = [version for version in found if version // 10 == p]
        assert own == sorted(own)
    assert read_alias(root, "model/gaze", "production") == found[-1]


def test_an_unknown_alias_is_said_with_a_suggestion(root: Path) -> None:
    set_alias(root, "model/gaze", "production", 1, "ab")
    with pytest.raises(DataError, match="no alias 'productoin' of model/gaze") as caught:
        read_alias(root, "model/gaze", "productoin")
    assert caught.value.hint == "did you mean 'production'?"


@pytest.mark.parametrize("name", ["latest", "v1", "v0002"])
def test_names_with_a_meaning_of_their_own_are_refused(root: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be an alias"):
        set_alias(root, "model/gaze", name, 1, "ab")


@pytest.mark.parametrize("content", [b"", b"{", b'{"version":"\xff"}'])
def test_a_damaged_alias_is_named(root: Path, content: bytes) -> None:
    set_alias(root, "model/gaze", "production", 1, "ab")
    (path,) = (root / "aliases/model/gaze/production").iterdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"production/000001\.json: damaged alias"):
        read_alias(root, "model/gaze", "production")
