"""Folds merge to one model, whoever made them; what is missing is named."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.data.prepared import INDEX, SETUP, SPLIT
from eyecli.data.split import make_split
from eyecli.errors import DataError
from eyecli.tasks.gaze.about import ABOUT
from eyecli.tasks.gaze.settings import GazeTrain
from eyecli.training.folds import (
    find_model,
    fold_work,
    merge_folds,
    missing_folds,
    model_work,
    state,
    train_command,
)
from eyecli.training.model import fold_folder, read_model
from eyecli.workspace.memo import Work, recall
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import Artifact, open_workspace, versions
from eyecli.workspace.verify import damages

SETTINGS = GazeTrain(epochs=7)


class Bench:
    """A prepared artifact and a split of four, and folds with any content."""

    def __init__(self, folder: Path) -> None:
        self.root = open_workspace(folder / "work space", create=True)
        rows = "".join(f"{name},{name},\n" for name in "abcd").encode()
        table = b"sample,subject,files\n" + rows
        self.prepared = self._make(
            "prepared", {SETUP: b"{}", INDEX: table, "arrays/arrays.json": b"{}"}
        )
        plan = make_split(["a", "b", "c", "d"], "kfold:4", 0)
        self.split = self._make("split", {SPLIT: msgspec.json.encode(plan)})
        self.work = model_work("gaze", self.prepared, self.split, SETTINGS)

    def _make(self, kind: str, files: dict[str, bytes]) -> Artifact:
        def build(folder: Path) -> Built:
            for name, content in files.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
            return Built()

        return run_stage(self.root, Work("preprocess", kind, "gaze"), build).artifact

    def fold(self, partition: int, content: str = "weights", force: bool = False) -> Artifact:
        def build(folder: Path) -> Built:
            inner = fold_folder(folder, partition)
            inner.mkdir()
            (inner / "model.weights.h5").write_text(f"{content} {partition}")
            (inner / "facts.json").write_text("{}")
            line = train_command("gaze", self.prepared, self.split, SETTINGS)
            return Built(summary={"parameters": 5, "command": line})

        work = fold_work(self.work, partition)
        return run_stage(self.root, work, build, force=force).artifact

    def merge(self) -> Artifact:
        folds = [recall(self.root, fold_work(self.work, i)) for i in range(4)]
        return merge_folds(
            self.root, self.work, [f for f in folds if f], lambda: ABOUT, {}
        ).artifact


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_folds_in_any_order_make_the_same_model(tmp_path: Path) -> None:
    digests = set()
    for number, order in enumerate([(0, 1, 2, 3), (3, 1, 0, 2)]):
        bench = Bench(tmp_path / str(number))
        for done, partition in enumerate(order):
            assert missing_folds(bench.root, bench.work, 4) == sorted(order[done:])
            bench.fold(partition)
        model = bench.merge()
        assert read_model(model).partitions == [0, 1, 2, 3] and not damages(model.path)
        assert model.manifest.params == SETTINGS.result_params()
        digests.add(model.manifest.digest)
    assert len(digests) == 1


def test_merging_costs_no_room(bench: Bench) -> None:
    folds = [bench.fold(i) for i in range(4)]
    model = bench.merge()
    for number, fold in enumerate(folds):
        inside = fold_folder(Path(), number) / "model.weights.h5"
        assert (model.path / inside).samefile(fold.path / inside)


def test_without_links_the_folds_are_copied(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: str) -> None:
        raise OSError(18, os.strerror(18))

    for number in range(4):
        bench.fold(number)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    model = bench.merge()
    assert not damages(model.path)
    assert (fold_folder(model.path, 2) / "model.weights.h5").stat().st_nlink == 1


def test_jobs_that_end_together_make_one_model(bench: Bench) -> None:
    for number in range(4):
        bench.fold(number)
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(lambda _: bench.merge(), range(8)))
    assert {model.ref for model in models} == {"model/gaze@v1"}
    assert versions(bench.root, "model/gaze") == [1]


def test_a_fold_that_came_out_otherwise_makes_another_model(bench: Bench) -> None:
    for number in range(4):
        bench.fold(number)
    assert bench.merge().ref == "model/gaze@v1"
    bench.fold(2, force=True)
    assert bench.merge().ref == "model/gaze@v1"
    bench.fold(2, "other weights", force=True)
    changed = bench.merge()
    assert changed.ref == "model/gaze@v2"
    assert (fold_folder(changed.path, 2) / "model.weights.h5").read_text() == "other weights 2"


def test_a_damaged_fold_is_not_merged(bench: Bench) -> None:
    for number in range(4):
        broken = bench.fold(number)
    path = fold_folder(broken.path, 3) / "model.weights.h5"
    path.chmod(0o644)
    path.write_text("weight5 3")
    with pytest.raises(DataError, match="content changed"):
        bench.merge()
    assert not versions(bench.root, "model/gaze")


@pytest.mark.parametrize("text", [None, "model/gaze", "@latest", "fold/gaze@v1"])
def test_missing_folds_are_named_with_the_line_that_trains_them(
    bench: Bench, text: str | None
) -> None:
    bench.fold(1), bench.fold(3)
    with pytest.raises(DataError, match=r"folds 0, 2 of split/gaze@v1 are missing") as caught:
        find_model(bench.root, text)
    assert caught.value.hint is not None
    line, _, comment = caught.value.hint.partition("  # ")
    assert line == (
        "eyecli train gaze prepared/gaze@v1 --split split/gaze@v1 --epochs 7 "
        f"--workspace '{bench.root}'"
    )
    assert comment.endswith("--fold 0")
    bench.fold(2)
    with pytest.raises(DataError, match=r"fold 0 of split/gaze@v1 is missing") as caught:
        find_model(bench.root, text)
    assert str(caught.value.hint).endswith("--fold 0")
    bench.fold(0)
    with pytest.raises(DataError, match="all are there, but not merged"):
        find_model(bench.root, text)
    model = bench.merge()
    if text == "fold/gaze@v1":
        with pytest.raises(DataError, match="is one fold of model/gaze@v1"):
            find_model(bench.root, text)
    else:
        assert find_model(bench.root, text).ref == model.ref


def test_a_model_that_is_older_than_unfinished_folds_is_said_to_be(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):
        bench.fold(number)
    model = bench.merge()
    assert find_model(bench.root, None) == model and not caplog.text
    bench.work = replace(bench.work, seed=1)
    while (fold := bench.fold(2, force=True)).manifest.ended == model.manifest.ended:
        time.sleep(0.1)
    assert find_model(bench.root, "model/gaze@v1") == model and not caplog.text
    assert find_model(bench.root, None) == model
    assert f"model/gaze@v1 is older: {fold.ref} is one fold: folds 0, 1, 3 of" in caplog.text


def test_a_workspace_without_folds_says_what_it_said(bench: Bench) -> None:
    for text in (None, "model/gaze", "model/gaze@v3"):
        with pytest.raises(DataError, match=r"no (model|artifact)") as caught:
            find_model(bench.root, text)
        assert "eyecli train" in str(caught.value.hint)
    bench.fold(0)
    with pytest.raises(DataError, match="no artifact model/icp"):
        find_model(bench.root, "model/icp")
    with pytest.raises(DataError, match="a model/<task> is needed"):
        find_model(bench.root, "split/gaze")


def test_what_is_there_is_told_before_training(bench: Bench) -> None:
    def told(fold: int = -1) -> str:
        settings = replace(SETTINGS, fold=fold)
        return state(bench.root, "gaze", bench.prepared, bench.split, settings)

    bench.fold(1)
    assert told() == "folds 0, 2, 3 of 4 to train"
    assert told(2) == "fold 2 of 4 to train" and told(1) == (
        "fold 1 is there; folds 0, 2, 3 of 4 to train"
    )
    for number in (0, 2, 3):
        bench.fold(number)
    assert told() == "all folds there, to merge"
    bench.merge()
    assert told() == "there: model/gaze@v1"


@given(
    st.builds(
        GazeTrain,
        epochs=st.integers(1, 500),
        learning_rate=st.floats(1e-6, 1, allow_nan=False),
        seed=st.integers(0, 99),
        inputs=st.sampled_from(["", "eyes,face", "it's $(x)"]),
        head=st.sampled_from(["ridge", "net"]),
    )
)
def test_the_line_that_resumes_gives_the_same_settings(settings: GazeTrain) -> None:
    """Through the shell's words and the command line's own reader."""
    import shlex

    from eyecli.cli.train import app

    artifact = Artifact("prepared/gaze@v1", Path(), None)  # type: ignore[arg-type]
    words = shlex.split(train_command("gaze", artifact, artifact, settings))
    assert words[:3] == ["eyecli", "train", "gaze"]
    import typer

    command = typer.main.get_command(app)
    leaf = command.get_command(typer.Context(command), "gaze")  # type: ignore[attr-defined]
    context = leaf.make_context("gaze", words[3:], resilient_parsing=False)
    read = {name: context.params[name] for name in settings.result_params()}
    assert read == settings.result_params()
