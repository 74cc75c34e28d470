from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gaze_chain import Chain

from eyecli.data.lookalikes import Lookalike, write_lookalikes
from eyecli.data.plan import SplitSettings
from eyecli.data.prepared import open_prepared, read_split, read_table, write_table
from eyecli.data.split_stage import split_prepared
from eyecli.errors import CheckError, UsageError
from eyecli.evaluation.stage import EvaluateSettings, evaluate
from eyecli.tasks.gaze import learning, reporting
from eyecli.tasks.gaze.settings import GazeTrain
from eyecli.training.fit import predict
from eyecli.training.model import WEIGHTS, fold_folder, load_fold, read_facts, read_model
from eyecli.training.stage import train, train_part, trained_files
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import Artifact, load, versions

pytest_plugins = ["trained_gaze"]

SMALL = GazeTrain(epochs=1, batch_size=32)


def test_predictions_are_of_rows_that_were_not_trained_on(chain: Chain) -> None:
    table = read_table(chain.predictions.path / "predictions.csv")
    index, split = open_prepared(chain.prepared).index, read_split(chain.split)
    assert set(table["part"]) == {"val", "test"}
    for number, partition in enumerate(split.partitions):
        mine = table[table["partition"] == number]
        for part, groups in (("test", partition.test), ("val", partition.val)):
            expected = index[index["subject"].isin(groups)]
            found = mine[mine["part"] == part]
            assert list(found["sample"]) == list(expected["sample"])
            assert (found["group"] == found["subject"]).all()
            np.testing.assert_array_equal(found["target_x"], expected["target_x"])
    tested = table[table["part"] == "test"]["sample"]
    assert sorted(tested) == sorted(index["sample"]), "everybody is tested once"


def test_predictions_are_those_of_the_stored_folds(chain: Chain) -> None:
    table = read_table(chain.predictions.path / "predictions.csv")
    embedding = np.load(chain.predictions.path / "embedding.npy")
    prepared = open_prepared(chain.prepared)
    row_of = {sample: row for row, sample in enumerate(prepared.index["sample"])}
    assert embedding.shape == (len(table), 128) and read_model(chain.model).partitions == [0, 1, 2]
    for number in range(3):
        at = np.flatnonzero(table["partition"] == number)[::5]
        rows = np.array([row_of[sample] for sample in table["sample"].iloc[at]])
        facts = read_facts(chain.model, number)
        outputs = predict(load_fold(chain.model, number), prepared.arrays, facts["names"], rows,
                          partial(learning.scale, facts=facts))  # fmt: skip
        columns, kept = learning.tabulate(outputs, facts)
        np.testing.assert_allclose(columns["pred_x"], table["pred_x"].iloc[at], atol=0.05)
        np.testing.assert_allclose(columns["pred_y"], table["pred_y"].iloc[at], atol=0.05)
        np.testing.assert_allclose(kept["embedding"], embedding[at], atol=1e-3)


def weights(folder: Path, partition: int) -> bytes:
    return (fold_folder(folder, partition) / WEIGHTS).read_bytes()


def test_a_fold_alone_is_the_fold_among_all(chain: Chain) -> None:
    """Its weights to the byte, trained again in another process state."""
    settings = GazeTrain(epochs=2, batch_size=16, fold=1)
    before = versions(chain.root, "fold/gaze")
    model, missing = train_part(
        chain.root, "gaze", lambda: learning, chain.prepared, chain.split, settings, force=True
    )
    (again,) = set(versions(chain.root, "fold/gaze")) - set(before)
    fold = load(chain.root, "fold/gaze", again)
    assert weights(fold.path, 1) == weights(chain.model.path, 1)
    # The model of all folds is still the same one.
    assert (model.artifact.ref, missing) == (chain.model.ref, [])


def test_targets_of_the_test_people_play_no_part(chain: Chain) -> None:
    """Neither in the network, nor in its ridge head, nor in the scaling: all bytes stay."""
    test = read_split(chain.split).partitions[1].test

    def blind(folder: Path) -> Built:
        shutil.copytree(chain.prepared.path / "arrays", folder / "arrays")
        shutil.copy(chain.prepared.path / "setup.json", folder)
        index = read_table(chain.prepared.path / "index.csv")
        index.loc[index["subject"].isin(test), ["target_x", "target_y"]] = -9999.0
        write_table(folder / "index.csv", index)
        return Built()

    work = Work("preprocess", "prepared", "gaze", "blind")
    prepared = run_stage(chain.root, work, blind).artifact
    settings = GazeTrain(epochs=2, batch_size=16, fold=1)
    model, missing = train_part(
        chain.root, "gaze", lambda: learning, prepared, chain.split, settings
    )
    assert missing == [0, 2]
    for name in (WEIGHTS, "facts.json", "metrics.jsonl"):
        mine, theirs = (fold_folder(m.path, 1) / name for m in (model.artifact, chain.model))
        assert mine.read_bytes() == theirs.read_bytes(), name


def test_the_same_work_is_found_again_without_a_trainer(chain: Chain) -> None:
    def nobody() -> object:
        raise AssertionError("nothing is to be trained")

    model, predictions = train(
        chain.root, "gaze", nobody, chain.prepared, chain.split,  # type: ignore[arg-type]
        GazeTrain(epochs=2, batch_size=16),
    )  # fmt: skip
    assert (model.cached, predictions.cached) == (True, True)
    assert (model.artifact.ref, predictions.artifact.ref) == (
        chain.model.ref,
        chain.predictions.ref,
    )


def test_trained_files_are_all_but_those_of_the_test_people(chain: Chain) -> None:
    index, split = open_prepared(chain.prepared).index, read_split(chain.split)
    for number, partition in enumerate(split.partitions):
        test = index["subject"].isin(partition.test)
        known = trained_files(chain.root, chain.model, number)
        assert known == {d for files in index["files"][~test] for d in files.split()}
        assert not known & {d for files in index["files"][test] for d in files.split()}


def test_a_fold_that_is_not_there_is_refused(chain: Chain) -> None:
    for fold in (3, -2):
        with pytest.raises(UsageError, match="has the folds 0 to 2"):
            train_part(chain.root, "gaze", lambda: learning, chain.prepared, chain.split,
                       replace(SMALL, fold=fold))  # fmt: skip


def test_the_manifest_tells_what_was_done(chain: Chain) -> None:
    manifest = chain.model.manifest
    assert [entry.role for entry in manifest.inputs] == ["prepared", "split"]
    assert manifest.params["epochs"] == 2 and manifest.seed == 0
    assert manifest.summary["partitions"] == 3
    assert manifest.flags == {"synthetic": True, "subject_independent": True}
    prepared = open_prepared(chain.prepared)
    assert manifest.summary["train"] + manifest.summary["val"] < len(prepared.index)


def test_what_is_not_subject_independent_stays_so(chain: Chain) -> None:
    """From the split through the model to the first line of the report."""
    settings = SplitSettings("holdout", group="none")
    split = split_prepared(chain.root, chain.prepared, settings).artifact
    model, predictions = train(chain.root, "gaze", lambda: learning, chain.prepared, split, SMALL)
    assert model.artifact.manifest.flags["subject_independent"] is False
    report = evaluate(
        chain.root, lambda: reporting, predictions.artifact, model.artifact, chain.prepared, split,
        EvaluateSettings(3),
    ).artifact  # fmt: skip
    first = (report.path / "report.md").read_text().splitlines()[0]
    assert first.startswith("NOT SUBJECT-INDEPENDENT (--group none")
    assert "SYNTHETIC DATA" in first and report.manifest.flags["subject_independent"] is False


def test_the_report_of_a_model_is_on_its_test_rows(chain: Chain) -> None:
    made = evaluate(
        chain.root, lambda: reporting, chain.predictions, chain.model, chain.prepared, chain.split,
        EvaluateSettings(3),
    )  # fmt: skip
    table = read_table(chain.predictions.path / "predictions.csv")
    test = table[table["part"] == "test"]
    error = np.hypot(test["pred_x"] - test["target_x"], test["pred_y"] - test["target_y"])
    summary = made.artifact.manifest.summary
    assert summary["error_mean_px (frames)"] == pytest.approx(error.mean())
    metrics = read_table(made.artifact.path / "metrics.csv")
    row = metrics[(metrics["predictor"] == "model") & (metrics["metric"] == "error_mean_px")]
    assert row[row["group"] == "frames"]["n"].item() == len(test)
    text = (made.artifact.path / "report.md").read_text()
    assert text.splitlines()[0] == summary["verdict"]
    assert summary["verdict"].startswith("SYNTHETIC DATA. ")


class DiesOnce:
    """A task whose process dies the first time that it finishes a training."""

    def __init__(self) -> None:
        self.died = False

    def __getattr__(self, name: str) -> Any:
        return getattr(learning, name)

    def finish(self, *given: Any) -> dict[str, Any]:
        if not self.died:
            self.died = True
            raise KeyboardInterrupt
        return learning.finish(*given)


def fold_of(chain: Chain, root: Path, tools: Any) -> Artifact:
    settings = replace(SMALL, fold=1, ema=0.9, seed=7)
    return train_part(root, "gaze", lambda: tools, chain.prepared, chain.split, settings)[
        0
    ].artifact


def test_what_was_trained_outlives_a_kill_before_it_is_published(
    chain: Chain, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folds = []
    for name, tools in (("whole", learning), ("cut", DiesOnce())):
        root = tmp_path / name
        shutil.copytree(chain.root, root)
        if name == "cut":
            with pytest.raises(KeyboardInterrupt):
                fold_of(chain, root, tools)
            assert list(root.glob("runs/*/fold-001/checkpoint"))
            caplog.set_level(logging.INFO, "eyecli")
        folds.append(fold_of(chain, root, tools))
        assert not list(root.glob("runs/*/fold-001/checkpoint*"))
    assert "fold 1 of 3: going on at the end, after 1 epochs" in caplog.text
    assert folds[0].manifest.digest == folds[1].manifest.digest


def test_evaluate_refuses_a_pair_in_two_parts_of_a_split_that_says_there_is_none(
    chain: Chain,
) -> None:
    plan, index = read_split(chain.split), open_prepared(chain.prepared).index
    first, second = sorted(
        int(np.flatnonzero(index["subject"] == group)[0])
        for group in (plan.partitions[0].test[0], plan.partitions[1].test[0])
    )
    pair = Lookalike(first, second, 0.93, "mirrored")

    def publish(pairs: list[Lookalike]) -> Artifact:
        def build(folder: Path) -> Built:
            kept = shutil.ignore_patterns("SHA256SUMS", "manifest.json")
            shutil.copytree(chain.prepared.path, folder, ignore=kept, dirs_exist_ok=True)
            write_lookalikes(folder, list(index["sample"]), pairs)
            return Built()

        work = Work("preprocess", "prepared", "gaze", f"pairs{len(pairs)}", {})
        return run_stage(chain.root, work, build).artifact

    def judge(prepared: Artifact) -> None:
        evaluate(chain.root, lambda: reporting, chain.predictions, chain.model, prepared,
                 chain.split, EvaluateSettings(0))  # fmt: skip

    assert plan.subject_independent
    judge(publish([]))
    named = f"1 leaks .*{index['sample'][first]} ~ {index['sample'][second]} .*score 0.93"
    with pytest.raises(CheckError, match=named):
        judge(publish([pair]))
