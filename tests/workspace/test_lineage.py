"""Lineage: what an artifact was made of, as far as it is still there and the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from making import make

from eyecli.errors import DataError
from eyecli.workspace.lineage import closure, input_of, lineage
from eyecli.workspace.splits import choose_split, chosen_split
from eyecli.workspace.store import Artifact, open_workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


@pytest.fixture
def chain(root: Path) -> list[Artifact]:
    source = make(root, {"s": b"1"}, kind="source", inputs={"files": ("/data", "ab" * 32)}).artifact
    prepared = make(root, {"p": b"1"}, kind="prepared", inputs={"source": source}).artifact
    inputs = {"prepared": prepared, "source": source}
    return [source, prepared, make(root, {"m": b"1"}, inputs=inputs).artifact]


def test_the_tree_reaches_down_to_the_raw_files(root: Path, chain: list[Artifact]) -> None:
    source, prepared, model = chain
    tree = lineage(root, model)
    assert (tree["ref"], tree["digest"]) == (model.ref, model.manifest.digest)
    first, second = tree["inputs"]
    assert (first["role"], first["ref"]) == ("prepared", prepared.ref)
    assert [(i["role"], i["ref"]) for i in first["inputs"]] == [("source", source.ref)]
    assert second["inputs"] == [{"role": "files", "ref": "/data", "digest": "ab" * 32}]


def test_an_input_that_is_gone_stays_as_a_leaf(root: Path, chain: list[Artifact]) -> None:
    source, prepared, model = chain
    shutil.rmtree(prepared.path)
    leaf, rest = lineage(root, model)["inputs"]
    assert leaf == {"role": "prepared", "ref": prepared.ref, "digest": prepared.manifest.digest}
    assert rest["ref"] == source.ref
    with pytest.raises(DataError, match="no artifact with digest"):
        input_of(root, model, "prepared")


def test_an_input_that_was_replaced_is_not_unfolded(root: Path, chain: list[Artifact]) -> None:
    _, prepared, model = chain
    shutil.rmtree(prepared.path)
    assert make(root, {"p": b"2"}, kind="prepared", force=True).artifact.ref == prepared.ref
    assert "inputs" not in lineage(root, model)["inputs"][0]


def test_an_input_of_another_number_is_found_by_its_digest(
    root: Path, chain: list[Artifact]
) -> None:
    _, prepared, model = chain
    prepared.path.rename(prepared.path.with_name("v0007"))
    assert lineage(root, model)["inputs"][0]["ref"] == "prepared/gaze@v7"
    assert input_of(root, model, "prepared").ref == "prepared/gaze@v7"


def test_the_reference_counts_among_equals(root: Path, chain: list[Artifact]) -> None:
    _, prepared, model = chain
    same = make(root, {"p": b"1"}, kind="prepared", force=True).artifact
    assert same.manifest.digest == prepared.manifest.digest
    assert input_of(root, model, "prepared") == prepared


def test_a_lineage_that_leads_back_ends(root: Path) -> None:
    """The input is gone, and what was made from it has the same content."""
    first = make(root, {"m": b"1"}).artifact
    second = make(root, {"m": b"1"}, inputs={"init": first}, force=True).artifact
    shutil.rmtree(first.path)
    assert lineage(root, second)["inputs"] == [
        {"role": "init", "ref": first.ref, "digest": first.manifest.digest}
    ]
    assert closure(root, [second]) == [second]


def test_the_closure_has_inputs_first_and_each_once(root: Path, chain: list[Artifact]) -> None:
    assert closure(root, [chain[2], chain[0]]) == chain


def test_inputs_are_found_by_role(root: Path, chain: list[Artifact]) -> None:
    source, prepared, model = chain
    assert input_of(root, model, "prepared").ref == prepared.ref
    assert input_of(root, model, "source").ref == source.ref


def test_the_chosen_split_of_the_same_content_is_taken(root: Path, chain: list[Artifact]) -> None:
    prepared = chain[1]
    with pytest.raises(DataError, match="no split of prepared/gaze@v1"):
        chosen_split(root, prepared)
    other = make(root, {"p": b"2"}, kind="prepared", force=True).artifact
    first, second, third = (
        make(root, {"n": bytes([n])}, kind="split", inputs={"prepared": of}, force=True).artifact
        for n, of in enumerate((prepared, prepared, other))
    )
    for of, split in ((prepared, first), (prepared, second), (other, third), (prepared, first)):
        choose_split(root, of, split)
        assert chosen_split(root, of) == split
    # Going back to an earlier split is a choice like any other; the other data keep theirs.
    assert chosen_split(root, other) == third
