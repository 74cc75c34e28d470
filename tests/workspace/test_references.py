"""References: every spelling finds its artifact, everything else gets one clear line."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from making import make

from eyecli.errors import DataError, EyecliError, UsageError
from eyecli.workspace.aliases import set_alias
from eyecli.workspace.references import REFERENCE, check_name, resolve
from eyecli.workspace.store import KINDS, open_workspace

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = open_workspace(tmp_path_factory.mktemp("references") / "ws", create=True)
    for number in range(3):
        make(root, {"x": bytes([number])}, force=True)
    digest = make(root, {"y": b"head"}, kind="head", name="eve").artifact.manifest.digest
    make(root, {"z": b"a"}, kind="coreml")
    make(root, {"z": b"b"}, kind="coreml", task="icp")
    set_alias(root, "head/gaze/eve", "production", 1, digest)
    set_alias(root, "model/gaze", "production", 2, "")
    return root


@pytest.mark.parametrize(
    ("text", "kind", "task", "expected"),
    [
        ("model/gaze", None, None, "model/gaze@v3"),
        ("model/gaze@latest", None, None, "model/gaze@v3"),
        ("model/gaze@v2", None, None, "model/gaze@v2"),
        ("model/gaze@v0002", None, None, "model/gaze@v2"),
        ("model/gaze@production", None, None, "model/gaze@v2"),
        ("head/gaze/eve@production", None, None, "head/gaze/eve@v1"),
        ("head/gaze/eve", "head", "gaze", "head/gaze/eve@v1"),
        ("@v1", "model", "gaze", "model/gaze@v1"),
        ("@latest", "model", None, "model/gaze@v3"),
        (None, "model", None, "model/gaze@v3"),
        (None, "coreml", "icp", "coreml/icp@v1"),
    ],
)
def test_what_is_found(
    root: Path, text: str | None, kind: str | None, task: str | None, expected: str
) -> None:
    assert resolve(root, text, kind, task).ref == expected


def test_digests_find_their_artifact(root: Path) -> None:
    artifact = resolve(root, "model/gaze@v2")
    digest = artifact.manifest.digest
    for text in (digest, digest[:8], f"sha256:{digest}", f"sha256:{digest[:12]}"):
        assert resolve(root, text) == artifact
    with pytest.raises(DataError, match="no artifact with digest"):
        resolve(root, "0" * 63 + ("1" if digest[-1] == "0" else "0"))


def test_paths_find_their_artifact(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = resolve(root, "model/gaze@v2")
    monkeypatch.chdir(root)
    for text in (str(artifact.path), "model/gaze/v0002", "./model/gaze/v0002/"):
        found = resolve(root, text)
        assert (found.ref, found.path) == ("model/gaze@v2", artifact.path)


def test_an_artifact_elsewhere_is_called_by_its_path(root: Path, tmp_path: Path) -> None:
    other = make(open_workspace(tmp_path / "other", create=True)).artifact
    assert resolve(root, str(other.path)).ref == str(other.path)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("model/gase", "no artifact model/gase", "did you mean 'model/gaze'?"),
        ("modle/gaze", "no artifact modle/gaze", "did you mean 'model'?"),
        ("model/gaze@v9", "no version v9", "the latest is model/gaze@v3"),
        ("model/gaze@prodution", "no alias 'prodution'", "did you mean 'production'?"),
        ("prepared/gaze", "no artifact prepared/gaze", "make one with `eyecli preprocess gaze`"),
        ("head/gaze", "no artifact head/gaze", "did you mean 'head/gaze/eve'?"),
    ],
)
def test_what_is_unknown_is_said_with_a_way_out(
    root: Path, text: str, message: str, hint: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        resolve(root, text)
    assert caught.value.hint == hint


@pytest.mark.parametrize("name", ["named", "my data/left"])
def test_a_folder_is_no_source_before_it_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    root = open_workspace(tmp_path / "ws", create=True)
    make(root, kind="source")
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(UsageError, match=f"{name} is a folder, which must be fetched") as caught:
        resolve(root, name, "source", "gaze")
    assert f"eyecli fetch path {shlex.quote(name)}" in str(caught.value.hint)
    (tmp_path / "source/gaze").mkdir(parents=True)
    assert resolve(root, "source/gaze", "source").ref == "source/gaze@v1"


def test_the_command_that_makes_what_is_missing_is_named_with_the_task(tmp_path: Path) -> None:
    root = open_workspace(tmp_path / "ws", create=True)
    for command in ("eyecli train TASK", "eyecli train gaze"):
        with pytest.raises(DataError, match="no model in") as caught:
            resolve(root, None, "model")
        assert caught.value.hint == f"make one with `{command}`"
        make(root, kind="source")


def test_another_kind_or_task_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"model/gaze@v3 is a model/gaze; a head/gaze is needed"):
        resolve(root, "model/gaze", "head", "gaze")
    with pytest.raises(DataError, match=r"coreml/icp@v1 is a coreml/icp; a coreml/gaze"):
        resolve(root, "coreml/icp", "coreml", "gaze")


def test_without_a_task_only_what_is_unique_is_found(root: Path) -> None:
    with pytest.raises(UsageError, match="several could be meant: coreml/gaze, coreml/icp"):
        resolve(root, None, "coreml")
    with pytest.raises(DataError, match="no source in"):
        resolve(root, None, "source")
    with pytest.raises(UsageError, match="a version alone"):
        resolve(root, "@v1")


@given(kind=st.sampled_from(KINDS), task=st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True),
       name=st.none() | NAMES, selector=st.none() | NAMES)  # fmt: skip
def test_every_well_formed_reference_is_read_into_its_parts(
    kind: str, task: str, name: str | None, selector: str | None
) -> None:
    family = f"{kind}/{task}" + (f"/{name}" if name else "")
    match = REFERENCE.fullmatch(family + (f"@{selector}" if selector else ""))
    assert match
    assert (match["family"], match["selector"]) == (family, selector)


@settings(deadline=None)
@example("a" * 300)
@example("model/" + "a" * 5000)
@example("\0")
@example("model/gaze@")
@example("../../etc")
@given(
    text=st.text(min_size=1, max_size=40) | st.from_regex(r"[a-z@/.v0-9:]{1,20}", fullmatch=True)
)
def test_any_text_finds_something_or_gets_one_clear_line(root: Path, text: str) -> None:
    try:
        found = resolve(root, text)
    except EyecliError as error:
        assert error.message
        assert "\n" not in error.message or "\n" in text
    else:
        assert found.path.is_dir()


@given(name=st.text(max_size=12))
@example("v1")
@example("..")
@example("a/b")
@example("-x")
def test_a_name_that_is_accepted_can_be_referred_to(name: str) -> None:
    try:
        check_name(name, "--name")
    except UsageError:
        return
    match = REFERENCE.fullmatch(f"head/gaze/{name}@v1")
    assert match and match["family"] == f"head/gaze/{name}"
    assert os.sep not in name and name not in (".", "..")
    # It does not hide a version, in the folder that would hold both.
    assert not (name[:1] == "v" and name[1:].isascii() and name[1:].isdigit())
