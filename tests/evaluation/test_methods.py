"""The methods paragraph: every figure from lineage, every warning kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from studies import STUDY

from eyecli.data.split import Split
from eyecli.evaluation.methods import methods, sentences
from eyecli.evaluation.study import Study, scheme_in_words, warnings


def paragraph(study: Study) -> str:
    return methods(
        study, judged="Judged by 60.", baselines=["constant, the median"], intervals="Bootstrap.",
        software=["eyecli 1", "keras 3"],
    )  # fmt: skip


def test_it_holds_all_figures_in_one_paragraph() -> None:
    text = paragraph(STUDY)
    for shown in (
        "60 samples of 6 subjects", "source/gaze@v1 (sha256 abc)", "CC0-1.0", "eye size 32",
        "by subject into 6 groups", "3-fold cross-validation, drawn 2 times", "seed 7",
        "1,234 parameters", "Prepared inputs: eyes", "epochs 2, seed 3", "Judged by 60.",
        "constant, the median", "eyecli 1, keras 3", "Bootstrap.", "The truth is a number.",
    ):  # fmt: skip
        assert shown in text, shown
    assert "\n" not in text and "  " not in text and ".." not in text
    assert "fold -1" not in text and "screen px" not in text, "what changes nothing is left out"
    assert "rendered" not in text and "SYNTHETIC" not in text


def test_flags_come_first_and_are_repeated_where_they_belong() -> None:
    study = replace(STUDY, synthetic=True, subject_independent=False, reason="2 leaks accepted: x")
    text = paragraph(study)
    assert text.startswith("NOT SUBJECT-INDEPENDENT (2 leaks accepted: x). SYNTHETIC DATA. ")
    split = sentences(study)["split"]
    assert "not subject-independent: 2 leaks accepted: x" in split
    assert "No group and no byte-identical" not in split
    assert "No group and no byte-identical file was found" in paragraph(STUDY)
    assert "rendered, not recorded" in text
    assert warnings(STUDY) == []


def test_it_says_what_was_audited_and_what_could_not_be() -> None:
    kinds = ["group", "byte-identical file", "pixel-identical image"]
    split = sentences(replace(STUDY, audited=kinds, note="nothing was looked for"))["split"]
    assert split.endswith(
        " No group, no byte-identical file and no pixel-identical image was found in two parts of "
        "a partition. Nothing was looked for."
    )


def test_unknown_subjects_are_not_counted() -> None:
    plan = Split("holdout:0.3", 0, list("ab"), [], group_by="none")
    study = replace(STUDY, subjects=0, plan=plan, subject_independent=False)
    text = paragraph(study)
    assert "unknown subjects" in text and "split by sample" in text


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ("holdout:0.3", "a hold-out of 30 %"),
        ("kfold:5", "5-fold cross-validation"),
        ("leave-one-group-out", "leave-one-group-out cross-validation"),
        ("column:published", "the scheme column:published"),
    ],
)
def test_schemes_in_words(scheme: str, words: str) -> None:
    assert scheme_in_words(Split(scheme, 0, [], [])) == words


def test_training_is_told_in_full() -> None:
    told = sentences(STUDY)["training"]
    assert "6 networks, one a partition, were trained with Adam (Kingma and Ba 2015)." in told
    assert "The loss is a square. Nothing is augmented." in told
    one = replace(STUDY, plan=Split("holdout:0.3", 0, ["a"], STUDY.plan.partitions[:1]))
    assert sentences(one)["training"].startswith("One network was trained")


def test_parameters_are_told_as_they_are_meant() -> None:
    study = replace(
        STUDY,
        preparation={"distance_cm": 0.0, "eye_size": 32, "table": "/home/ann/secret study/t.csv"},
        settings={"epochs": 2, "ema": 0.0, "patience": 0, "accumulate": 1, "seed": 0},
    )
    parts = sentences(study)
    assert parts["preparation"] == "Preparation: distance cm unknown, eye size 32, table t.csv."
    assert parts["training"].endswith("Training settings: epochs 2, seed 0.")
    given = replace(study, preparation={"distance_cm": 60.0}, settings={"ema": 0.99, "patience": 3})
    assert "distance cm 60.0" in sentences(given)["preparation"]
    assert "ema 0.99, patience 3" in sentences(given)["training"]
