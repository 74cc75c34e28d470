"""What differs is named, what does not is not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from making import make

from eyecli.workspace.diff import differences
from eyecli.workspace.stage import Built
from eyecli.workspace.store import Artifact, open_workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


def test_the_same_work_done_twice_does_not_differ(root: Path) -> None:
    first, second = (make(root, force=True).artifact for _ in range(2))
    later = msgspec.structs.replace(second.manifest, started="2030", ended="2031")
    assert differences(first, Artifact(second.ref, second.path, later)) == []


def test_every_kind_of_difference_is_named(root: Path) -> None:
    old_data, new_data = (
        make(root, {"d": bytes([n])}, kind="prepared", force=True).artifact for n in range(2)
    )
    old = make(
        root, {"same": b"", "gone": b"1", "x/y": b"12"},
        Built(summary={"auc": 0.9}, flags={"synthetic": False}, licences=["MIT"]),
        params={"epochs": 80, "deep": {"rate": 0.1, "same": 1}, "old": None},
        inputs={"prepared": old_data, "table": ("a.csv", "ab" * 32)}, seed=1,
    ).artifact  # fmt: skip
    new = make(
        root, {"same": b"", "new": b"1", "x/y": b"123"},
        Built(summary={"auc": 0.91}, flags={"synthetic": True}, licences=["MIT", "CC0-1.0"]),
        params={"epochs": 40, "deep": {"rate": 0.1, "same": True}, "new": "a b"},
        inputs={"prepared": new_data}, seed=None,
    ).artifact  # fmt: skip
    code, libraries = {"version": "1", "revision": None}, {"numpy": "1", "keras": "3"}
    old = Artifact(old.ref, old.path, msgspec.structs.replace(
        old.manifest, code=code, libraries=libraries))  # fmt: skip
    new = Artifact(new.ref, new.path, msgspec.structs.replace(
        new.manifest, code=code | {"version": "2"}, libraries={"numpy": "2"}))  # fmt: skip
    was, now = (a.manifest.digest[:12] for a in (old_data, new_data))
    files = old.manifest.files | new.manifest.files
    short = {name: entry.sha256[:12] for name, entry in files.items()}
    assert [str(one) for one in differences(old, new)] == [
        "params.deep.same: 1 -> true",
        "params.epochs: 80 -> 40",
        "params.new: - -> a b",
        "params.old: null -> -",
        f"inputs.prepared: prepared/gaze@v1 {was} -> prepared/gaze@v2 {now}",
        f"inputs.table: a.csv {'ab' * 6} -> -",
        f"files.gone: 1 bytes {short['gone']} -> -",
        f"files.new: - -> 1 bytes {short['new']}",
        f"files.x/y: 2 bytes {old.manifest.files['x/y'].sha256[:12]} -> 3 bytes {short['x/y']}",
        "seed: 1 -> null",
        'licences: ["MIT"] -> ["CC0-1.0","MIT"]',
        "code.version: 1 -> 2",
        "libraries.keras: 3 -> -",
        "libraries.numpy: 1 -> 2",
        "flags.synthetic: false -> true",
        "summary.auc: 0.9 -> 0.91",
    ]
    found = {f"{d['section']}.{d['key']}": d for d in msgspec.to_builtins(differences(old, new))}
    assert found["params.new"] == {"section": "params", "key": "new", "new": "a b"}
    assert found["params.old"] == {"section": "params", "key": "old", "old": None}
