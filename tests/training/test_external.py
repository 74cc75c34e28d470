"""External validation: all rows of other data, none of them seen, none prepared otherwise."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pandas as pd
import pytest
from gaze_chain import Chain
from skimage import data

from eyecli.data.arrays import ArraySpec, ArrayWriter
from eyecli.data.lookalikes import write_lookalikes
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import prepare
from eyecli.data.prepared import open_prepared, read_split, read_table, write_table
from eyecli.data.split_stage import split_prepared
from eyecli.errors import CheckError, DataError, UsageError
from eyecli.evaluation.comparison import CompareSettings, compare
from eyecli.evaluation.stage import EvaluateSettings, evaluate
from eyecli.sources.source import fetch_path
from eyecli.synthesis.gaze_table import write_gaze_table
from eyecli.tasks.base import all_layouts, load_task
from eyecli.tasks.gaze import learning, reporting
from eyecli.tasks.gaze.layouts import read_raw
from eyecli.tasks.gaze.settings import GazePreprocess
from eyecli.training.external import (
    external_data,
    groups_of,
    predict_external,
    predictions_for,
    require_no_copies,
)
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import Artifact

pytest_plugins = ["trained_gaze"]

REASON = "rendered anew"


@pytest.fixture(scope="module")
def other(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Four other rendered people; the ids are those of the chain's."""
    folder = tmp_path_factory.mktemp("other")
    write_gaze_table(folder / "eyes", subjects=4, points=4, frames=1, seed=77)
    source = fetch_path(chain.root, folder / "eyes", all_layouts(), synthetic=True).artifact
    made, _ = prepare(chain.root, "gaze", source, read_raw, GazePreprocess(eye_size=32),
                      SplitSettings("kfold:2"))  # fmt: skip
    return made.artifact


def changed(chain: Chain, other: Artifact, name: str, **setup: Any) -> Artifact:
    """Publish a copy with another setup, or without subjects."""

    def build(folder: Path) -> Built:
        shutil.copytree(other.path / "arrays", folder / "arrays")
        facts = open_prepared(other).setup | setup
        (folder / "setup.json").write_bytes(msgspec.json.encode(facts))
        index = read_table(other.path / "index.csv")
        write_table(folder / "index.csv", index.assign(subject="") if not setup else index)
        return Built()

    work = Work("preprocess", "prepared", "gaze", name, setup)
    return run_stage(chain.root, work, build).artifact


def predicted(chain: Chain, on: Artifact, fold: int = 1, reason: str = REASON) -> Artifact:
    return predict_external(
        chain.root, lambda: learning, chain.model, on, fold, other_people=reason
    ).artifact


def test_every_row_is_a_test_row(chain: Chain, other: Artifact) -> None:
    made = predicted(chain, other)
    table = read_table(made.path / "predictions.csv")
    assert (table["part"] == "test").all() and (table["partition"] == 1).all()
    assert list(table["sample"]) == list(open_prepared(other).index["sample"])
    assert np.isfinite(table[["pred_x", "pred_y"]].to_numpy()).all()
    assert np.load(made.path / "embedding.npy").shape == (16, 128)
    assert [entry.role for entry in made.manifest.inputs] == ["model", "on"]


def test_a_row_without_subject_leaves_the_others_their_groups() -> None:
    table = pd.DataFrame({"sample": ["a", "b", "p", "q"], "subject": ["p", "p", "", ""]})
    assert list(groups_of(table)) == ["p", "p", "sample p", "sample q"]


def test_the_report_says_external_first_and_repeats_the_reason(
    chain: Chain, other: Artifact
) -> None:
    report = evaluate(
        chain.root, lambda: reporting, predicted(chain, other), chain.model, chain.prepared,
        chain.split, EvaluateSettings(3), on=other,
    ).artifact  # fmt: skip
    text = (report.path / "report.md").read_text()
    assert text.splitlines()[0].startswith(f"EXTERNAL VALIDATION on {other.ref}. SYNTHETIC DATA.")
    assert f"{REASON}." in text and f"| judged by | {other.ref} (external) |" in text
    assert "fold 1, which was trained on none of their files" in text
    metrics = read_table(report.path / "metrics.csv")
    assert set(metrics["predictor"]) >= {"model", "constant", "ridge on pixels"}
    checklist = (report.path / "checklist-claim.md").read_text()
    assert f"External data: prepared/gaze (sha256 {other.manifest.digest[:12]})" in checklist
    assert {entry.role for entry in report.manifest.inputs} >= {"on"}


def test_the_report_says_what_the_audit_could_not_look_for(chain: Chain, other: Artifact) -> None:
    report = evaluate(
        chain.root, lambda: reporting, predicted(chain, other), chain.model, chain.prepared,
        chain.split, EvaluateSettings(3), on=other,
    ).artifact  # fmt: skip
    note = "near-duplicate images were not looked for (images of 32 px)"
    assert note in msgspec.json.decode((report.path / "report.json").read_bytes())["notes"]
    text = (report.path / "report.md").read_text()
    assert f"no pixel-identical image was found in two parts of a partition. N{note[1:]}." in text


def test_baselines_are_fitted_on_the_training_data(chain: Chain, other: Artifact) -> None:
    """The constant is the median of those that the fold was trained on, not of the other data."""
    table = read_table(predicted(chain, other).path / "predictions.csv")
    data, on = open_prepared(chain.prepared), open_prepared(other)
    plan = msgspec.json.decode((chain.split.path / "split.json").read_bytes())
    found = reporting.baseline_predictions(table, data, read_split(chain.split), on=on)
    known = ~data.index["subject"].isin(plan["partitions"][1]["test"])
    median = data.index[["target_x", "target_y"]][known].median()
    np.testing.assert_allclose(found["constant"], np.tile(median, (16, 1)))
    assert len(np.unique(found["ridge on pixels"][:, 0])) == 16


def test_compare_on_other_data(chain: Chain, other: Artifact) -> None:
    made = compare(
        chain.root, lambda: reporting, [predicted(chain, other)], CompareSettings(), on=other
    )
    text = (made.artifact.path / "comparison.md").read_text()
    assert text.startswith(f"EXTERNAL VALIDATION on {other.ref}. ") and REASON in text
    assert made.artifact.manifest.summary["samples"] == 16


def test_people_of_the_same_ids_are_refused_without_a_reason(chain: Chain, other: Artifact) -> None:
    with pytest.raises(CheckError, match=r"^[234] of 4 subject ids .* fold 1") as caught:
        predicted(chain, other, reason="")
    assert not re.search(r"s0\d\d", caught.value.message), "people are not named"
    assert "--other-people" in str(caught.value.hint)


def test_files_that_were_trained_on_are_refused_whatever_the_reason(chain: Chain) -> None:
    with pytest.raises(CheckError, match=r"48 of 72 samples .* have a file that fold 1"):
        predicted(chain, chain.prepared)


def photo_set(chain: Chain, name: str, images: list[np.ndarray]) -> Artifact:
    """Publish photographs as the eyes of one person each, with files of their own."""

    def build(folder: Path) -> Built:
        spec = ArraySpec(images[0].shape, "uint8")
        writer = ArrayWriter(folder / "arrays", {"left": spec, "right": spec})
        for pixels in images:
            writer.append({"left": pixels, "right": pixels})
        writer.close()
        (folder / "setup.json").write_bytes(b"{}")
        rows = [
            {"sample": f"{name}{n}", "subject": f"{name}{n}", "files": f"{name}-{n}"}
            for n in range(len(images))
        ]
        write_table(folder / "index.csv", pd.DataFrame(rows))
        write_lookalikes(folder, [], [])
        return Built()

    work = Work("preprocess", "prepared", "gaze", name, {"name": name})
    return run_stage(chain.root, work, build).artifact


def test_photographs_that_were_trained_on_are_refused_under_other_names(chain: Chain) -> None:
    names = ("astronaut", "camera", "cat", "coffee", "coins", "gravel", "moon", "retina", "rocket")
    photos = [cv2.resize(getattr(data, name)(), (128, 128)) for name in names]
    photos = [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in photos]
    known = photo_set(chain, "known", photos[:6])
    split = split_prepared(chain.root, known, SplitSettings("leave-one-group-out")).artifact

    def build(folder: Path) -> Built:
        kept = shutil.ignore_patterns("SHA256SUMS", "manifest.json")
        shutil.copytree(chain.model.path, folder, ignore=kept, dirs_exist_ok=True)
        return Built()

    work = Work("train", "model", "gaze", "photos", {}, {"prepared": known, "split": split})
    model = run_stage(chain.root, work, build).artifact
    tested = int(read_split(split).partitions[1].test[0].removeprefix("known"))
    a, b, *_ = (n for n in range(6) if n != tested)
    # What the fold was tested on may be tested on again.
    new = [photos[7], photos[tested], photos[8]]
    require_no_copies(chain.root, model, 1, open_prepared(photo_set(chain, "clean", new)))
    on = photo_set(chain, "copies", [*new, photos[b][:, ::-1], np.rot90(photos[a])])
    pattern = (
        rf"2 leaks between what fold 1 .*known{a} ~ copies4 \(.*known{b} ~ copies3 \(.*mirrored"
    )
    with pytest.raises(CheckError, match=pattern) as caught:
        predict_external(chain.root, lambda: learning, model, on, 1, other_people=REASON)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("setup", "field"),
    [
        ({"eye_size": 48}, "eye_size 48"),
        ({"unit": "cm"}, "unit cm"),
        ({"mirrored": ["left"]}, "mirrored"),
    ],
)
def test_another_setup_is_refused_by_field(
    chain: Chain, other: Artifact, setup: dict[str, Any], field: str
) -> None:
    on = changed(chain, other, f"x{len(field)}", **setup)
    with pytest.raises(DataError, match=f"was prepared with {field}"):
        predicted(chain, on)


def test_a_field_that_may_differ_is_no_obstacle(chain: Chain, other: Artifact) -> None:
    on = changed(chain, other, "far", distance_cm=90.0)
    assert predicted(chain, on).manifest.summary["rows"] == 16


def test_missing_and_other_arrays_are_refused_by_name(chain: Chain, other: Artifact) -> None:
    from eyecli.training.external import require_arrays

    data = open_prepared(other)
    with pytest.raises(DataError, match="has no array 'face'"):
        require_arrays(data, data, ["left", "face"], "model/gaze@v1")


def test_unknown_subjects_are_each_a_group_and_that_is_said(chain: Chain, other: Artifact) -> None:
    on = changed(chain, other, "nobody")
    made = predicted(chain, on, reason="")
    table = read_table(made.path / "predictions.csv")
    assert list(table["group"]) == [f"sample {sample}" for sample in table["sample"]]
    report = evaluate(
        chain.root, lambda: reporting, made, chain.model, chain.prepared, chain.split,
        EvaluateSettings(0), on=on,
    ).artifact  # fmt: skip
    assert "do not name subjects" in (report.path / "report.md").read_text()


def test_a_fold_must_be_named_and_flags_need_other_data(chain: Chain, other: Artifact) -> None:
    with pytest.raises(UsageError, match="has 3 folds"):
        external_data(chain.root, other.ref, chain.model, -1, "")
    for fold, reason in ((1, ""), (-1, "x")):
        with pytest.raises(UsageError, match="is for other data"):
            external_data(chain.root, None, chain.model, fold, reason)
    assert external_data(chain.root, other.ref, chain.model, 2, "") == other
    assert external_data(chain.root, None, chain.model, -1, "") is None
    own = predictions_for(chain.root, load_task("gaze"), chain.model, None, -1, "")
    assert own == chain.predictions
