"""Verification names every file that is not as it was published."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make

from eyecli.errors import DataError
from eyecli.workspace.manifest import MANIFEST, SUMS
from eyecli.workspace.store import open_workspace
from eyecli.workspace.verify import damages, require_whole

FILES = ("data.bin", "deep/table.csv", MANIFEST, SUMS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = open_workspace(tmp_path_factory.mktemp("verify") / "ws", create=True)
    folder = make(root, inputs={"data": ("ä.csv", "ab" * 32)}, name="eve").artifact.path
    for name in FILES:
        (folder / name).chmod(0o644)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "v0001"))


def test_an_untouched_artifact_is_whole(whole: Path) -> None:
    assert damages(whole) == []


@settings(deadline=None, max_examples=400)
@given(name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True),
       change=st.integers(1, 255))  # fmt: skip
def test_any_changed_byte_of_any_file_is_named(
    whole: Path, name: str, place: float, change: int
) -> None:
    path = whole / name
    before = path.read_bytes()
    content = bytearray(before)
    content[int(place * len(content))] ^= change
    path.write_bytes(content)
    try:
        found = damages(whole)
        assert found
        assert any(name in line for line in found), found
        if name in ("data.bin", "deep/table.csv"):
            assert found == [f"{path}: content changed (sha256 differs)"]
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    found = damages(folder)
    assert len(found) == 1
    assert name in found[0]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["cut", "longer", "empty"])
def test_a_file_of_another_length_is_named(folder: Path, name: str, change: str) -> None:
    path = folder / name
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-1], "longer": content + b"\n", "empty": b""}[change])
    found = damages(folder)
    assert any(name in line for line in found), found


def test_an_extra_file_is_named(folder: Path) -> None:
    (folder / "deep/extra.bin").touch()
    (folder / "dangling").symlink_to("nowhere")
    assert damages(folder) == [
        f"{folder / name}: not part of the artifact" for name in ("dangling", "deep/extra.bin")
    ]


def test_all_damages_are_named_at_once(folder: Path) -> None:
    (folder / "data.bin").write_bytes(b"")
    (folder / "deep/table.csv").unlink()
    assert len(damages(folder)) == 2


def test_a_changed_file_whose_sums_were_adapted_is_named(folder: Path) -> None:
    import hashlib

    before = (folder / "data.bin").read_bytes()
    (folder / "data.bin").write_bytes(b"forged")
    for name in (MANIFEST, SUMS):
        text = (folder / name).read_text()
        for old, new in ((before, b"forged"),):
            text = text.replace(hashlib.sha256(old).hexdigest(), hashlib.sha256(new).hexdigest())
        (folder / name).write_text(text)
    assert any(MANIFEST in line and "digest" in line for line in damages(folder))


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("model", "eyecli train gaze --force --config "),
        ("split", "eyecli preprocess gaze --force --config "),
        ("predictions", "eyecli train gaze --force"),
        ("report", "eyecli evaluate --force"),
    ],
)
def test_what_is_damaged_is_refused_with_the_command_that_makes_it(
    tmp_path: Path, kind: str, command: str
) -> None:
    artifact = make(open_workspace(tmp_path / "my work", create=True), kind=kind).artifact
    (artifact.path / "data.bin").chmod(0o644)
    (artifact.path / "data.bin").write_bytes(b"other")
    with pytest.raises(DataError, match=r"data\.bin: content changed") as caught:
        require_whole(artifact)
    where = f"'{artifact.path}'" if command.endswith("--config ") else ""
    assert str(caught.value.hint).endswith(f"make it again, {command}{where}")
