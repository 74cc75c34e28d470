"""Comparisons of stored predictions: the same rows or a refusal, seeds, repeats, formats."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from gaze_chain import Chain

from eyecli.data.plan import SplitSettings
from eyecli.data.prepared import open_prepared, read_split, read_table, write_table
from eyecli.data.split_stage import split_prepared
from eyecli.errors import DataError, UsageError
from eyecli.evaluation.comparison import CompareSettings, compare
from eyecli.tasks.gaze import reporting
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

pytest_plugins = ["trained_gaze"]

NUMBER = itertools.count()
Change = Callable[[pd.DataFrame], pd.DataFrame]


def variant(
    chain: Chain,
    change: Change = lambda table: table,
    seed: int = 0,
    split: Artifact | None = None,
    prepared: Artifact | None = None,
    **params: object,
) -> Artifact:
    """Publish a model with other seeds or parameters and the chain's predictions, changed."""
    inputs = {"prepared": prepared or chain.prepared, "split": split or chain.split}

    def build_model(folder: Path) -> Built:
        (folder / "mark.txt").write_text(str(next(NUMBER)))
        return Built(summary={"parameters": 7})

    settings = {**chain.model.manifest.params, "seed": seed, **params}
    work = Work("train", "model", "gaze", None, settings, inputs, seed)
    model = run_stage(chain.root, work, build_model, force=True).artifact

    def build(folder: Path) -> Built:
        table = change(read_table(chain.predictions.path / "predictions.csv"))
        write_table(folder / "predictions.csv", table)
        return Built()

    inputs = {"model": model, **inputs}
    work = Work("predict", "predictions", "gaze", None, {}, inputs)
    return run_stage(chain.root, work, build).artifact


def off_by(px: float) -> Change:
    return lambda table: table.assign(pred_x=table["target_x"] + px, pred_y=table["target_y"])


def compared(chain: Chain, *predictions: Artifact, part: str = "test") -> Outcome:
    settings = CompareSettings(part)  # type: ignore[arg-type]
    return compare(chain.root, lambda: reporting, predictions, settings)


def rows(outcome: Outcome) -> pd.DataFrame:
    table = pd.read_csv(outcome.artifact.path / "comparison.csv", dtype={"seeds": str})
    main = table[(table["metric"] == "error_mean_px") & (table["group"] == "frames")]
    return main.set_index("model")


def test_models_and_baselines_are_judged_by_the_same_rows(chain: Chain) -> None:
    better = variant(chain, off_by(3.0), epochs=9)
    made = compared(chain, chain.predictions, better)
    found = rows(made)
    other = f"model/gaze@v{better.manifest.inputs[0].ref.rsplit('v')[1]}"
    assert list(found.index) == [chain.model.ref, other, "constant", "ridge on pixels"]
    table = read_table(chain.predictions.path / "predictions.csv")
    test = table[table["part"] == "test"]
    error = np.hypot(test["pred_x"] - test["target_x"], test["pred_y"] - test["target_y"]).mean()
    assert found["value"][chain.model.ref] == pytest.approx(error)
    assert found["value"][other] == pytest.approx(3.0)
    assert found["difference"][other] == pytest.approx(3.0 - error)
    assert (found["samples"] == 72).all() and (found["groups"] == 6).all()
    assert pd.isna(found["p_holm"][chain.model.ref])
    # Three comparisons, and six people give no less than 1/32.
    assert found["p_holm"][other] == pytest.approx(3 / 32)
    line = made.artifact.manifest.summary["verdict"]
    assert (
        line.startswith("SYNTHETIC DATA. ") and f"Best error_mean_px over frames: {other}" in line
    )
    assert f"{other} is NOT" not in line
    text = (made.artifact.path / "comparison.md").read_text()
    assert text.splitlines()[0] == line and "6 subjects only" in text and "epochs 9" in text
    assert made.artifact.manifest.kind == "comparison" and made.artifact.manifest.flags["synthetic"]


def test_the_same_comparison_is_found_again_and_has_the_same_bytes(chain: Chain) -> None:
    first = compared(chain, chain.predictions)
    assert compared(chain, chain.predictions).cached
    again = compare(chain.root, lambda: reporting, [chain.predictions], CompareSettings(),
                    force=True)  # fmt: skip
    assert again.artifact.manifest.digest == first.artifact.manifest.digest


def test_seeds_become_one_row(chain: Chain) -> None:
    seeds = [variant(chain, off_by(px), seed) for px, seed in ((2.0, 11), (4.0, 12), (9.0, 13))]
    apart = variant(chain, off_by(5.0), 14, learning_rate=0.5)
    found = rows(compared(chain, *seeds, apart))
    assert len(found) == 4
    first = found.iloc[0]
    assert first["value"] == pytest.approx(5.0) and first["seeds"] == "11 12 13"
    assert first["spread"] == pytest.approx(np.std([2, 4, 9], ddof=1))
    assert found.iloc[1]["seeds"] == "14" and pd.isna(found.iloc[1]["spread"])
    assert found.iloc[1]["difference"] == pytest.approx(0.0)


def test_one_seed_twice_is_not_two_seeds(chain: Chain) -> None:
    found = rows(compared(chain, variant(chain, off_by(1), 5), variant(chain, off_by(2), 5)))
    assert list(found["seeds"][:2]) == ["5", "5"]


def test_repeats_weigh_no_sample_twice(chain: Chain) -> None:
    def thrice(table: pd.DataFrame) -> pd.DataFrame:
        repeats = [off_by(px)(table).assign(repeat=n) for n, px in enumerate((1.0, 2.0, 6.0))]
        # Only some samples have all three.
        return pd.concat([repeats[0], repeats[1].iloc[::2], repeats[2].iloc[::2]])

    once = variant(chain, off_by(2.0), 21)
    found = rows(compared(chain, once, variant(chain, thrice, 22, epochs=3)))
    table = read_table(chain.predictions.path / "predictions.csv")
    expected = np.where(np.arange(len(table)) % 2, 1.0, 3.0)[table["part"] == "test"].mean()
    assert found["value"].iloc[1] == pytest.approx(expected)
    assert found["rows"].iloc[1] > found["rows"].iloc[0] == 72
    assert found["samples"].iloc[1] == 72


def test_other_test_rows_are_refused_with_counts(chain: Chain) -> None:
    def fewer(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["subject"] != table["subject"][0]]

    with pytest.raises(DataError, match=r"60 samples in both, 12 only in .*, 0 only in") as caught:
        compared(chain, chain.predictions, variant(chain, fewer, 31))
    assert caught.value.exit_code == 3 and "--on" in str(caught.value.hint)


def test_other_files_under_the_same_ids_are_other_samples(chain: Chain) -> None:
    def copy(folder: Path) -> Built:
        shutil.copytree(chain.prepared.path / "arrays", folder / "arrays")
        shutil.copy(chain.prepared.path / "setup.json", folder)
        index = read_table(chain.prepared.path / "index.csv")
        index.loc[:4, "files"] = "0" * 64
        write_table(folder / "index.csv", index)
        return Built()

    work = Work("preprocess", "prepared", "gaze", "copy")
    prepared = run_stage(chain.root, work, copy).artifact
    with pytest.raises(DataError, match=r"67 samples in both, 5 only in .*, 5 only in"):
        compared(chain, chain.predictions, variant(chain, seed=32, prepared=prepared))


@pytest.mark.parametrize(("column", "value"), [("target_x", -5.0), ("group", "nobody")])
def test_another_truth_or_group_is_refused(chain: Chain, column: str, value: str | float) -> None:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        row = np.flatnonzero(table["part"] == "test")[3]
        return table.assign(**{column: table[column].where(table.index != row, value)})

    with pytest.raises(DataError, match=f"1 of 72 samples have another {column} in"):
        compared(chain, chain.predictions, variant(chain, change, 33))


def test_a_model_named_twice_is_refused(chain: Chain) -> None:
    with pytest.raises(UsageError, match="is the same model as"):
        compared(chain, chain.predictions, chain.predictions)


def test_validation_rows_are_no_test_and_no_baseline_saw_them(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def spy(known: reporting.Known) -> np.ndarray:
        index = open_prepared(chain.prepared).index
        seen.append(
            set(index["subject"].iloc[known.train]) & set(index["subject"].iloc[known.test])
        )
        return np.zeros((len(known.test), 2))

    monkeypatch.setitem(reporting.REGISTRY, "constant", spy)
    made = compared(chain, chain.predictions, part="val")
    assert seen == [set()] * 3
    assert "this is no test" in (made.artifact.path / "comparison.md").read_text()


def test_no_rows_of_the_part_is_said(chain: Chain) -> None:
    empty = variant(chain, lambda table: table[table["part"] == "val"], 34)
    with pytest.raises(DataError, match="has no test rows"):
        compared(chain, empty)


def test_a_split_that_is_not_subject_independent_is_said_first(chain: Chain) -> None:
    # The leak is in the split's record; groups stay those of the chain.
    def accepted(folder: Path) -> Built:
        plan = msgspec.structs.replace(
            read_split(chain.split), subject_independent=False, reason="one lamp"
        )
        (folder / "split.json").write_bytes(msgspec.json.encode(plan))
        return Built(flags={"subject_independent": False})

    inputs = {"prepared": chain.prepared}
    split = run_stage(
        chain.root, Work("preprocess", "split", "gaze", None, {}, inputs), accepted
    ).artifact
    made = compared(chain, chain.predictions, variant(chain, seed=35, split=split))
    line = (made.artifact.path / "comparison.txt").read_text().splitlines()[0]
    assert line.startswith("NOT SUBJECT-INDEPENDENT (one lamp). SYNTHETIC DATA.")
    assert made.artifact.manifest.flags["subject_independent"] is False


def test_other_groups_are_refused_by_name(chain: Chain) -> None:
    by_sample = split_prepared(
        chain.root, chain.prepared, SplitSettings("kfold:3", "none")
    ).artifact
    other = variant(
        chain, lambda table: table.assign(group=table["sample"]), 36, split=by_sample
    )  # fmt: skip
    with pytest.raises(DataError, match=r"72 of 72 samples have another group"):
        compared(chain, chain.predictions, other)


def test_people_are_resampled_though_the_groups_are_samples(chain: Chain) -> None:
    honest = rows(compared(chain, variant(chain, off_by(3.0), 41)))
    leaky = variant(chain, lambda t: off_by(3.0)(t).assign(group=t["sample"]), 42)
    found = rows(compared(chain, leaky))
    assert (found["groups"] == 6).all()
    assert found["lo"].tolist() == honest["lo"].tolist()
    unknown = variant(chain, lambda t: off_by(3.0)(t).assign(subject=""), 43)
    made = compared(chain, unknown)
    assert (rows(made)["groups"] == 72).all()
    text = (made.artifact.path / "comparison.md").read_text()
    assert "Subjects are unknown for 72 of 72 rows" in text
    assert "replicates (2,000 for medians and percentiles) over samples" in text


def test_another_subject_is_refused(chain: Chain) -> None:
    other = variant(chain, lambda t: t.assign(subject="x" + t["subject"]), 44)
    with pytest.raises(DataError, match="72 of 72 samples have another subject in"):
        compared(chain, chain.predictions, other)
